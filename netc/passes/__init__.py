"""Graph to Graph: one pass a file, none changes its input."""

from netc.passes.channels_last import channels_last
from netc.passes.freeze import freeze
from netc.passes.resizable import resizable
from netc.passes.simplify import simplify

__all__ = ["channels_last", "freeze", "resizable", "simplify"]
