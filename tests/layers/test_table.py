"""Table and Encode: the vectors of rows, the gradient of the embeddings, and the deployed net that takes raw columns."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import netc_pb2 as pb
from netc.compiler.lower import Lowered, lower
from netc.data import TopSpec
from netc.errors import SpecError
from netc.graph.autodiff import grad
from netc.graph.emit import emit
from netc.graph.ir import Graph, Value, leaf, op
from netc.graph.passes import simplify
from netc.layers.context import Context
from netc.layers.table import encode
from netc.net.model import TRAIN, Layer
from netc.net.resolve import resolve
from netc.net.variants import deployed
from netc.runtime.kernel_table import CUDA
from netc.runtime.session import Session
from netc.spec import parse_yaml
from netc.table.columns.define import ColumnType
from netc.table.encoded import encoded
from tests.layers.nets import about
from tests.table.mixed import column, fitted, raw_rows

ROWS = 200
RAW = raw_rows(ROWS)
COLUMNS = fitted(RAW)


def vectors(columns: list[ColumnType], batch: int | str, **fields: Any) -> tuple[Value, Value, dict[str, Value]]:
    """Return the encoded rows, the vectors of an Encode layer, and its weights by name."""
    net = resolve(parse_yaml("layers: [Input: {top: rows, shape: [{dim: [4, 2]}]}, Encode]"))
    layer: Layer = net.layers[1]
    layer.param.encode_param.MergeFrom(pb.EncodeParameter(**fields))
    states: dict[str, Value] = {}
    slots = sum(c.slots for c in columns)
    ctx = Context(layer, TRAIN, batch, 0, {}, states, {}, {}, {"rows": TopSpec("float32", (slots,), fitted=tuple(columns))})
    rows = leaf("Input", np.float32, (batch, slots), name="rows")
    y = encode(ctx, rows)
    return rows, y, {name.partition(".")[2]: state for name, state in states.items()}


def run(y: Value, rows: np.ndarray, weights: dict[str, np.ndarray], provider: str = "cpu", **others: Value) -> dict[str, np.ndarray]:
    session = Session(emit(Graph("test", {"y": y, **others}), provider))
    feeds = {"rows": rows} | {f"state/encode1.{name}": array for name, array in weights.items()}
    return session.run({name: array for name, array in feeds.items() if name in session.inputs})


def start(weights: dict[str, Value]) -> dict[str, np.ndarray]:
    return {name: np.asarray(value.node.state.start(), np.float32) for name, value in weights.items()}


@about("Encode")
def test_the_vectors_of_numbers_and_categories() -> None:
    columns = [column("x", "number", [0.0, 1, 2, 3, 4, np.nan]), column("c", "category", list("aaabbb") + [""] * 3),
               column("d", "category", list("aaaab"), min_count=1)]  # fmt: skip
    rows = encoded(
        columns, {"x": np.array([2.0, np.nan, 4]), "c": np.array(["b", "?", "a"], object), "d": np.array(["b", "?", "a"], object)}
    )
    _, y, weights = vectors(columns, "N", pieces=2)
    found = run(y, rows, {})["y"]
    assert not weights
    np.testing.assert_allclose(found[:, :2], np.array([[0, 0], [0, 1], [1 / np.sqrt(1 + 1 / 9), 0]]), rtol=1e-6)  # the quartiles: 1, 3
    np.testing.assert_array_equal(found[:, 2:4], [[1, 0], [1, 0], [1, 1]])  # two pieces, and where x is in each
    np.testing.assert_array_equal(found[:, 4:7], [[0, 0, 1], [1, 0, 0], [0, 1, 0]])  # code 0 has rows of its own
    np.testing.assert_allclose(found[:, 7:], np.array([[0, 1], [0.8, 0.2], [1, 0]]), rtol=1e-6)  # it has none: the mean of a and b


def test_the_embeddings_of_categories() -> None:
    """Code 0 has an embedding of its own, or the mean of the others weighted by their rows."""
    columns = [column("own", "category", list("aaabbb") + [""] * 3), column("mean", "category", list("aaaab"), min_count=1)]
    cells = np.array(["a", "b", "?"], object)
    _, y, weights = vectors(columns, "N", one_hot=0, width=2)
    values = start(weights)
    table = values["category"]
    assert table.shape == (3 + 2, 2)
    found = run(y, encoded(columns, {"own": cells, "mean": cells}), values)["y"]
    np.testing.assert_array_equal(found[:, :2], table[[1, 2, 0]])
    np.testing.assert_allclose(found[:, 2:], np.stack([table[3], table[4], 0.8 * table[3] + 0.2 * table[4]]), rtol=1e-6)


@pytest.mark.parametrize("provider", ["cpu", "cuda"])
@pytest.mark.parametrize("one_hot", [0, 8])
def test_the_gradient_of_the_weights(provider: str, one_hot: int) -> None:
    """Against differences, with both sets of bodies."""
    rng = np.random.default_rng(1)
    rows, y, weights = vectors(COLUMNS, ROWS, one_hot=one_hot, width=3, word_width=2)
    assert list(weights) == (["category", "boolean", "text"] if one_hot == 0 else ["category", "text"])
    total = op.ReduceSum(op.Tanh(y) * rng.normal(size=tuple(map(int, y.shape))).astype(np.float32), keepdims=0)
    values, given = start(weights), encoded(COLUMNS, RAW)
    towards = {name: rng.normal(size=array.shape).astype(np.float32) for name, array in values.items()}
    slopes = {f"d/{n}": g for n, g in zip(weights, grad({total: 1.0}, list(weights.values())), strict=True) if g is not None}
    assert len(slopes) == len(weights)
    found = run(y, given, values, provider, **slopes)
    exact = sum((found[f"d/{name}"].astype(np.float64) * towards[name]).sum() for name in values)
    ends = [float(run(y, given, {n: a + np.float32(t) * towards[n] for n, a in values.items()}, t=total)["t"]) for t in (1e-2, -1e-2)]
    assert abs(exact - (ends[0] - ends[1]) / 2e-2) < 1e-2 * max(1, abs(exact))
    assert all(np.abs(a).max() > 0 for n, a in found.items() if n.startswith("d/"))


def test_cuda_has_all_kernels() -> None:
    rows, y, weights = vectors(COLUMNS, ROWS, one_hot=0)
    slopes = grad({op.ReduceSum(y, keepdims=0): 1.0}, list(weights.values()))
    graph = Graph("test", {"y": y} | {f"d{k}": slope for k, slope in enumerate(slopes) if slope is not None})
    assert [node.op_type for node in CUDA.lacking(emit(simplify(graph), "cuda", functions=False))] == []


def test_one_row_or_many() -> None:
    """A row has one vector, whatever the batch."""
    given = encoded(COLUMNS, RAW)
    _, y, weights = vectors(COLUMNS, "N")
    values = start(weights)
    together = run(y, given, values)["y"]
    np.testing.assert_array_equal(np.concatenate([run(y, given[k : k + 1], values)["y"] for k in range(ROWS)]), together)
    _, fixed, _ = vectors(COLUMNS, ROWS)
    np.testing.assert_array_equal(run(fixed, given, values)["y"], together)


@pytest.mark.parametrize("fields, said", [({"pieces": 33}, "`pieces` is 33. The most is 32."), ({"width": 0}, "`width` is 0.")])
def test_sizes_that_are_out_of_range(fields: dict[str, int], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        vectors(COLUMNS, "N", **fields)


def test_no_column_to_learn_from() -> None:
    with pytest.raises(SpecError, match="No column has different values"):
        vectors([column("c", "category", ["a", "b"])], "N")


@about("Table")
def test_a_deployed_net_takes_raw_columns(tmp_path: Path) -> None:
    lines = ["age,sex,y", *(f"{k if k % 5 else ''},{'male' if k % 3 else 'female'},{k % 2}" for k in range(30))]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    text = f"layers: [Table: {{source: '{tmp_path}/t.csv', label: y, columns: {{age: number, sex: category}}, batch_size: 6}}, Encode]"
    net = resolve(parse_yaml(text), TRAIN)
    tested: Lowered = lower(net)
    assert tested.versions["data"][-1].shape == (6, 3)
    alone = lower(deployed(net), "N")
    assert {n.name: (str(n.types[0]), n.types[0].shape) for n in alone.graph.leaves("Input")} == {
        "batch/age": ("float32[N]", ("N",)), "batch/sex": ("string[N]", ("N",)),
    }  # fmt: skip
