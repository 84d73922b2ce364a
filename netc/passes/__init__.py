"""Graph to Graph: one pass a file, none changes its input."""

from netc.passes.freeze import freeze
from netc.passes.simplify import simplify

__all__ = ["freeze", "simplify"]
