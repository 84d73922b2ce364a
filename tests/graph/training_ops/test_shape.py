"""Parts of a blob: the right rows, and never more outputs of one Split than WebGPU can bind buffers for."""

import numpy as np
import pytest

from netc import api
from netc.graph.emit import emit
from netc.graph.ir import Graph, leaf
from netc.graph.training_ops.define import DEFAULT
from netc.graph.training_ops.shape import split, split_rows
from netc.runtime.session import Session
from tests.conftest import ROOT


@pytest.mark.parametrize("sizes", [[3], [1, 2], [1] * 9, [1] * 10, [2, 0, 1] * 9, list(range(1, 30)), [1] * 100])
def test_parts_are_the_rows_in_order(sizes: list[int]) -> None:
    array = np.random.default_rng(0).normal(size=(3, sum(sizes))).astype(np.float32)
    x, rows, given = (leaf("Input", t, s, name=n) for t, s, n in (
        (np.float32, array.shape, "x"), (np.float32, array.T.shape, "rows"), (np.int64, (len(sizes),), "sizes"),
    ))  # fmt: skip
    static, run_time = split(x, sizes, 1), split_rows(rows, given, [f"part{k}" for k in range(len(sizes))])
    outputs = {f"a{k}": v + 0.0 for k, v in enumerate(static)} | {f"b{k}": v + 0.0 for k, v in enumerate(run_time)}
    model = emit(Graph("parts", outputs))
    assert all(len(n.output) <= 9 for n in model.graph.node if n.op_type == "Split")
    session = Session(model)
    feeds = {"x": array, "rows": array.T.copy(), "sizes": np.array(sizes)}
    found = session.run({n: a for n, a in feeds.items() if n in session.inputs})
    for k, part in enumerate(np.split(array, np.cumsum(sizes)[:-1], axis=1)):
        assert np.array_equal(found[f"a{k}"], part) and np.array_equal(found[f"b{k}"], part.T)


@pytest.mark.parametrize("net", ["rntn", "recursive_net", "char_lstm", "vowels_gru", "lenet"])
@pytest.mark.parametrize("provider", ["cpu", DEFAULT])
def test_no_split_of_a_training_graph_has_more_outputs_than_webgpu_binds(net: str, provider: str) -> None:
    program = api.load(str(ROOT / "nets" / f"{net}.yaml"))
    nodes = emit(program.graph("train"), provider, functions=False).graph.node
    assert [n.name for n in nodes if n.op_type == "Split" and len(n.output) > 9] == []
