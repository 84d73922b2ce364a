"""Gradients of ops over time, and of tables."""

from collections.abc import Callable

from netc.graph.gradients.common import Gradients
from netc.graph.ir import TRAINING, Node, Value, op
from netc.graph.training_ops import ctc, recurrent, recurrent_cells, time
from netc.graph.training_ops.table import embed_grad
from netc.registry import gradient


def _by_y(node: Node, dy: Value | None) -> Value:
    """dy, or zeros if only the last states are read."""
    return recurrent.nothing(node.types[0].shape, node.outputs[0]) if dy is None else dy


def _kept(node: Node, apply: Callable[..., tuple[Value, ...]]) -> tuple[Value, ...]:
    """All outputs of a node with `keep`. If the node lacks it, those of the same op with `keep`."""
    return node.outputs if node.attrs["keep"] else apply(*node.inputs, keep=1)[0].node.outputs


def _cont(node: Node, place: int) -> Value | None:
    return node.operands[place] if len(node.inputs) > place else None


def _by_weights(dg: Value, wh: Value, y: Value, h: Value, cont: Value | None) -> tuple[Value, Value]:
    """The gradients with respect to wh and the first h.

    dg (T, N, gates H) is the gradient with respect to wh h at all times. One product covers all times at once.
    """
    dwh = op.Gemm(_rows(dg), _rows(recurrent.before(y, h, cont)), transA=1)
    first = op.Squeeze(op.Slice(dg if cont is None else dg * cont, [0], [1], [0]), [0])
    return dwh, first @ wh


def _rows(x: Value) -> Value:
    """All time steps and rows (T N, C)."""
    steps, n, width = x.shape
    numbers = isinstance(steps, int) and isinstance(n, int)
    return op.Reshape(x, [int(steps) * int(n) if numbers else -1, width], shape=None if numbers else ("rows", width))


@gradient("RNN", domain=TRAINING)
def rnn(node: Node, dy: Value | None, dh: Value | None) -> Gradients:
    (_, wh, h), cont = node.operands[:3], _cont(node, 3)
    y = node.outputs[0]
    dg = recurrent.rnn_grad(_by_y(node, dy), dh, y, wh, *([] if cont is None else [cont]))
    return (dg, *_by_weights(dg, wh, y, h, cont), None)[: len(node.inputs)]


@gradient("LSTM", domain=TRAINING)
def lstm(node: Node, dy: Value | None, dh: Value | None, dc: Value | None, *unused: None) -> Gradients:
    (_, wh, h, _), cont = node.operands[:4], _cont(node, 4)
    y, _, _, *kept = _kept(node, recurrent.lstm)
    dg, dc0 = recurrent.lstm_grad(_by_y(node, dy), dh, dc, wh, cont, *kept)
    return (dg, *_by_weights(dg, wh, y, h, cont), dc0, None)[: len(node.inputs)]


@gradient("Cell", domain=TRAINING)
def cell(node: Node, *dys: Value | None) -> Gradients:
    count = recurrent_cells.CELLS[node.attrs["kind"]][1]
    at, dlast = node.outputs[:count], dys[count:]
    dx, *found = recurrent_cells.cell_grad(_by_y(node, dys[0]), *node.inputs, *at, *dlast, kind=node.attrs["kind"], given=count)
    given = iter(found)
    return dx, None, *(None if x is None else next(given) for x in node.inputs[2:])


@gradient("GRU", domain=TRAINING)
def gru(node: Node, dy: Value | None, dh: Value | None, *unused: None) -> Gradients:
    (_, wh, _, h), cont = node.operands[:4], _cont(node, 4)
    y, _, *kept = _kept(node, recurrent.gru)
    dxw, dg, dhz = recurrent.gru_grad(_by_y(node, dy), dh, wh, h, cont, y, *kept)
    dwh, dh0 = _by_weights(dg, wh, y, h, cont)
    hidden = int(h.shape[1])
    _, inputs = op.Split(dg, [2 * hidden, hidden], axis=2, outputs=2)
    return (dxw, dwh, op.ReduceSum(inputs, [0, 1], keepdims=0), dh0 + dhz, None)[: len(node.inputs)]


@gradient("CTC", domain=TRAINING)
def ctc_(node: Node, dloss: Value | None, unused: Value | None) -> Gradients:
    inputs = node.operands
    dx = None if dloss is None else ctc.ctc_grad(dloss, *inputs, node.outputs[1], **node.attrs)
    return dx, *(None for _ in inputs[1:])


@gradient("Embed", domain=TRAINING)
def embed(node: Node, dy: Value) -> Gradients:
    table, indices = node.operands
    return embed_grad(indices, dy, rows=int(table.shape[0])), None


@gradient("Reverse", domain=TRAINING)
def reverse(node: Node, dy: Value) -> Gradients:
    return (time.reverse(dy, *node.operands[1:]), None)[: len(node.inputs)]
