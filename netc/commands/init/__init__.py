"""`netc init`: write a starter net file for a data set.

A kind of data is one function from `Wanted` to `Starter`, and one row in `kinds.py`.
"""

from netc.commands.init.kinds import KINDS
from netc.commands.init.starter import Kind, Starter, Wanted
from netc.commands.init.write import Written, write_starter

__all__ = ["KINDS", "Kind", "Starter", "Wanted", "Written", "write_starter"]
