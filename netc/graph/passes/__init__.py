"""Graph to graph: one pass per module. A pass never changes its input."""

from netc.graph.passes.channels_last import channels_last
from netc.graph.passes.folded import folded
from netc.graph.passes.freeze import freeze
from netc.graph.passes.resizable import resizable
from netc.graph.passes.simplify import simplify

__all__ = ["channels_last", "folded", "freeze", "resizable", "simplify"]
