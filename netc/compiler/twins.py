"""Layers with parameters that have one name: files of weights that go by the names of layers cannot tell them apart."""

from collections.abc import Mapping, Sequence

from netc.errors import Diagnostic
from netc.graph.ir import Node, Value

Blobs = Mapping[str, Sequence[Value]]


def state_of(blob: Value) -> Node:
    """The state of a parameter blob; for a shared blob with a different shape, the state of its owner."""
    return blob.node if blob.node.key == ("netc", "State") else state_of(blob.node.operands[0])


def twins(blobs: Blobs) -> dict[str, Diagnostic]:
    """An error for each name that several layers with parameters have. Files of weights go by the name, so they cannot tell them apart."""
    owners = [(layer, state_of(own[0])) for layer, own in blobs.items() if own]
    found = [s for layer, s in owners if s.state.twin_of and s.state.layer == layer]
    text = "Two layers with parameters have the name %r, and Caffe's files of weights go by names. Rename one of them."
    return {s.state.twin_of: Diagnostic(s.origin.place, text % s.state.twin_of) for s in found}
