"""The warnings of `netc check`: likely mistakes in nets that run. Each check is a function that yields its warnings."""

from netc.commands.advice import solver, nets, data  # noqa: F401, I001  (each fills the table of checks, in the order of the output)
from netc.commands.advice.checks import CHECKS, Checked, warnings

__all__ = ["CHECKS", "Checked", "warnings"]
