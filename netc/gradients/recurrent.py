"""Gradients of ops over time, and of tables."""

from netc.ir import TRAINING, Node, Value, zeros
from netc.registry import gradient
from netc.training_ops import recurrent, time
from netc.training_ops.table import embed_grad

Gradients = tuple[Value | None, ...]


def _by_y(node: Node, dy: Value | None) -> Value:
    """dy; zeros where only the last states are read."""
    return zeros(node.types[0].shape) if dy is None else dy


def _kept(node: Node, apply: object) -> tuple[Value, ...]:
    """All outputs of a node; of one that does not `keep` what its gradient needs, those of one that does."""
    return node.outputs if node.attrs["keep"] else apply(*node.inputs, keep=1)[0].node.outputs  # type: ignore[operator]


@gradient("RNN", domain=TRAINING)
def rnn(node: Node, dy: Value | None, dh: Value | None) -> Gradients:
    _, wh, h, *cont = node.inputs
    dxw, dwh, dh0 = recurrent.rnn_grad(_by_y(node, dy), dh, node.outputs[0], wh, h, *cont)
    return (dxw, dwh, dh0, None)[: len(node.inputs)]


@gradient("LSTM", domain=TRAINING)
def lstm(node: Node, dy: Value | None, dh: Value | None, dc: Value | None, *unused: None) -> Gradients:
    _, wh, h, _, cont = (*node.inputs, None)[:5]
    y, _, _, *kept = _kept(node, recurrent.lstm)
    dxw, dwh, dh0, dc0 = recurrent.lstm_grad(_by_y(node, dy), dh, dc, wh, h, cont, y, *kept)
    return (dxw, dwh, dh0, dc0, None)[: len(node.inputs)]


@gradient("GRU", domain=TRAINING)
def gru(node: Node, dy: Value | None, dh: Value | None, *unused: None) -> Gradients:
    _, wh, _, h, cont = (*node.inputs, None)[:5]
    y, _, *kept = _kept(node, recurrent.gru)
    dxw, dwh, dbh, dh0 = recurrent.gru_grad(_by_y(node, dy), dh, wh, h, cont, y, *kept)
    return (dxw, dwh, dbh, dh0, None)[: len(node.inputs)]


@gradient("Embed", domain=TRAINING)
def embed(node: Node, dy: Value) -> Gradients:
    table, indices = node.operands
    return embed_grad(indices, dy, rows=int(table.shape[0])), None


@gradient("Reverse", domain=TRAINING)
def reverse(node: Node, dy: Value) -> Gradients:
    return (time.reverse(dy, *node.operands[1:]), None)[: len(node.inputs)]
