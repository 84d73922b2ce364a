"""Models that ask for more time and memory than there is: refused before they run, or ended."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import parser

from netc import Model, zoo
from netc.errors import DataError, RunError, ZooError
from netc.zoo.bounds import excesses
from netc.zoo.limited import LimitedSession
from tests.small_nets import netc
from tests.zoo.toy import hostile, onnx_bytes, stated

HEAD = '<ir_version: 10, opset_import: ["": 21, "local": 1]> g (float[N,3] x) => (float[N,3] y) '
FUNCTION = '<domain: "local", opset_import: ["": 21, "local": 1]> '


def model(body: str, functions: str = "") -> onnx.ModelProto:
    return parser.parse_model(f"{HEAD} {{ {body} }} {functions}")


def loop(trips: str) -> str:
    """A model that adds 0 to its input as often as `trips`, an int64 tensor of nodes' own, says."""
    return f"""{trips} true = Constant <value = bool {{1}}> ()
        y = Loop (n, true, x) <body = b (int64 i, bool c, float[N,3] a) => (bool d, float[N,3] r) {{ d = Identity (c) r = Add (a, a) }}>"""


def nested(depth: int) -> onnx.ModelProto:
    """Functions that each call the next ten times."""
    calls = [
        f"f{k} (a) => (r) {{ {' '.join(f't{j + 1} = local.f{k + 1} (t{j})' for j in range(10))} r = Identity (t10) }}" for k in range(depth)
    ]
    calls = [c.replace("(t0)", "(a)") for c in calls] + [f"f{depth} (a) => (r) {{ r = Neg (a) }}"]
    return model("y = local.f0 (x)", " ".join(FUNCTION + c for c in calls))


MANY = "n = Constant <value = int64 {9223372036854775807}> ()"
SHAPE = "s = Constant <value = int64[2] {60000, 60000}> ()"
MOST = "m = ReduceMax <keepdims = 0> (c) y = Add (x, m)"
RANGE = "a = Constant <value = int64 {0}> () b = Constant <value = int64 {9000000000}> () d = Constant <value = int64 {1}> ()"
CALLED = f"{FUNCTION} f (a) => (r) {{ r = local.g (a) }} {FUNCTION} g (a) => (r) {{ r = local.f (a) }}"
LARGE: dict[str, tuple[Callable[[], onnx.ModelProto], str]] = {
    "loop": (lambda: model(loop(MANY)), r"has loops of 10\^19 steps"),
    "loop in a function": (lambda: model("y = local.f (x)", f"{FUNCTION} f (x) => (y) {{ {loop(MANY)} }}"), "has loops of"),
    "expansion": (lambda: nested(8), "nodes after its functions are expanded"),
    "deep expansion": (lambda: nested(3000), "more than|10\\^"),
    "recursion": (lambda: model("y = local.f (x)", CALLED), "calls itself"),
    "constant": (lambda: model(f"{SHAPE} c = ConstantOfShape (s) {MOST}"), "ConstantOfShape of 3,600,000,000"),
    "expand": (lambda: model(f"{SHAPE} o = Constant <value = float {{1}}> () c = Expand (o, s) {MOST}"), "Expand"),
    "range": (lambda: model(f"{RANGE} r = Range (a, b, d) c = Cast <to = 1> (r) {MOST}"), "Range of 9,000,000,000"),
    "tile": (lambda: model(f"r = Constant <value = int64[2] {{100000, 100000}}> () c = Tile (x, r) {MOST}"), "Tile"),
    "random": (lambda: model(f"c = RandomNormal <shape = [60000, 60000]> () {MOST}"), "RandomNormal"),
}


@pytest.mark.parametrize("name", LARGE)
def test_what_a_model_states_is_found_before_it_runs(tmp_path: Path, name: Any) -> None:
    made, said = LARGE[name]
    began = time.monotonic()
    place = hostile(tmp_path / "zoo", {"model.onnx": made().SerializeToString()})
    with pytest.raises(ZooError, match=said):
        zoo.download("toy", place, tmp_path / "to")
    assert not (tmp_path / "to/toy").exists() and time.monotonic() - began < 20


def test_models_of_use_are_within_the_bounds() -> None:
    assert excesses(onnx.load_from_string(onnx_bytes())) == []
    assert excesses(model(loop("n = Constant <value = int64 {1000}> ()"))) == []
    assert excesses(nested(4)) == []
    for path in sorted(Path("model_zoo").rglob("*.onnx")):
        assert excesses(onnx.load(path)) == [], path


# What only a run knows.
COUNTED = f"{MANY} k = ReduceMax <keepdims = 0> (x) z = Cast <to = 7> (k) q = Sub (n, z)"
SIZED = "k = Shape (x) f = Constant <value = int64[2] {70000, 70000}> () s = Mul (k, f) c = ConstantOfShape (s)"
HIDDEN = {"loop": loop(COUNTED).replace("(n, true", "(q, true"), "memory": f"{SIZED} {MOST}"}


@pytest.fixture
def downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    monkeypatch.setenv("NETC_MODEL_SECONDS", "2")
    monkeypatch.setenv("NETC_MODEL_MEMORY", "1000")

    def made(name: str) -> Path:
        data = model(HIDDEN[name]).SerializeToString()
        arrays = zoo.npz({"input.x": np.ones((1, 3), np.float32), "output.y": np.ones((1, 3), np.float32)})
        place = hostile(tmp_path / "zoo", {"model.onnx": data, "test_vectors.npz": arrays})
        return zoo.download("toy", place, tmp_path / "to").path

    np.save(tmp_path / "x.npy", np.ones((1, 3), np.float32))
    return made


@pytest.mark.parametrize("name, said", [("loop", "more than 2 seconds"), ("memory", "1000 MB")])
def test_what_only_a_run_knows_is_ended(downloaded: Callable[[str], Path], tmp_path: Path, name: str, said: str) -> None:
    folder, began = downloaded(name), time.monotonic()
    found = netc("predict", folder, tmp_path / "x.npy")
    assert found.exit_code == 1 and said in found.output, found.output
    problems = zoo.verify(folder, run=True)
    assert len(problems) == 1 and said in problems[0]
    assert time.monotonic() - began < 30


def test_the_process_ends_with_its_session(downloaded: Callable[[str], Path]) -> None:
    session = LimitedSession(downloaded("memory") / "model.onnx")
    process = session._process
    assert process.poll() is None
    del session
    assert process.poll() is not None


def test_a_model_that_kills_its_process_is_an_error(downloaded: Callable[[str], Path]) -> None:
    session = LimitedSession(downloaded("memory") / "model.onnx")
    os.kill(session._process.pid, 9)
    with pytest.raises(RunError, match="its process died"):
        session.run({"x": np.ones((1, 3), np.float32)})


def test_a_published_model_gives_what_ones_own_gives(tmp_path: Path) -> None:
    zoo.publish(tmp_path / "zoo", "toy", {"model.onnx": onnx_bytes()}, stated())
    (tmp_path / "own.onnx").write_bytes(onnx_bytes())
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    published, own = Model("toy", str(tmp_path / "zoo")), Model(tmp_path / "own.onnx")
    assert isinstance(published.session, LimitedSession) and not isinstance(own.session, LimitedSession)
    assert np.array_equal(published(x)["y"], own(x)["y"])
    assert [published(x)["y"].tolist() for _ in range(3)] == [own(x)["y"].tolist()] * 3


def test_questions_of_several_threads_do_not_mix(tmp_path: Path) -> None:
    zoo.publish(tmp_path / "zoo", "toy", {"model.onnx": onnx_bytes()}, stated())
    made = Model("toy", str(tmp_path / "zoo"))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda k: made(np.full((1 + k % 5, 3), k, np.float32))["y"], range(200)))
    assert all(np.array_equal(y, np.tile([k + 1, k + 2, k + 3], (1 + k % 5, 1))) for k, y in enumerate(found))


@pytest.mark.parametrize("value", ["0", "-1", "x", "1.5"])
def test_limits_are_whole_numbers(downloaded: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    folder = downloaded("memory")
    monkeypatch.setenv("NETC_MODEL_SECONDS", value)
    with pytest.raises(RunError, match="NETC_MODEL_SECONDS: expected a whole number"):
        LimitedSession(folder / "model.onnx")


TREES = '{"sources": [{"type": "TreeData", "tops": %s}]}'
METADATA = [
    *("[]", "7", "nonsense", '"x"', "[" * 100_000, '{"classes": 7}', '{"classes": [1]}', '{"vocabulary": ["a"]}', '{"tokens": []}'),
    *('{"vocabulary": {}, "tokens": 1}', '{"sources": [1]}', '{"sources": {}}', TREES % "[]", TREES % '["a", "b", "c"]'),
    *('{"batch_axis": "x"}', '{"batch_axis": 99}', '{"batch_axis": -1}', '{"batch_axis": true}', '{"columns": "abc"}', '{"columns": [[]]}'),
    *('{"resize": [60000, 60000]}', '{"resize": 7}', '{"resize": [1]}', '{"resize": [0, -1]}', '{"resize": [1e9, 1]}', '{"steps": "x"}'),
    *('{"forecasts": "y"}', '{"forecasts": 1, "steps": 2}', '{"forecasts": "y", "steps": -1}', '{"forecasts": "y", "steps": 1e99}'),
]


@pytest.mark.parametrize("text", METADATA)
def test_metadata_of_other_kinds(tmp_path: Path, text: Any) -> None:
    made = onnx.load_from_string(onnx_bytes())
    made.metadata_props.add(key="netc", value=text)
    onnx.save(made, tmp_path / "model.onnx")
    np.save(tmp_path / "x.npy", np.ones((1, 3), np.float32))
    for given in (["x.npy"], ["x.png"], ["x.csv"], ["--prompt", "a"]):
        found = netc("predict", tmp_path / "model.onnx", *(str(tmp_path / g) if "." in g else g for g in given))
        assert found.exit_code in (1, 2) and "metadata" in found.output and "an error in netc" not in found.output, found.output


LARGEST = "float[N,60000,60000]"
PORTS = [
    "() => (float[1] y) { y = Constant <value = float[1] {1}> () }",
    f"({LARGEST} x) => ({LARGEST} y) {{ y = Neg (x) }}",
    "(float x) => (float y) { y = Neg (x) }",
]


@pytest.mark.parametrize("ports", PORTS)
def test_ports_that_nothing_can_be_fed_to(tmp_path: Path, ports: str) -> None:
    onnx.save(parser.parse_model(f'<ir_version: 10, opset_import: ["": 21]> g {ports}'), tmp_path / "model.onnx")
    with pytest.raises(DataError):
        Model(tmp_path / "model.onnx").metadata  # noqa: B018


def test_an_error_that_quotes_the_model_is_one_line(tmp_path: Path) -> None:
    made = parser.parse_model('<ir_version: 10, opset_import: ["": 21]> g (float[N,3] x) => (float[N,3] y) { y = Neg (x) }')
    made.graph.node[0].op_type = "No\nnetc: all is well\x1b[2J"
    zoo.publish(tmp_path / "zoo", "toy", {"model.onnx": onnx_bytes()}, stated())
    folder = tmp_path / "zoo/toy/1.0.0"
    (folder / "model.onnx").write_bytes(made.SerializeToString())
    np.save(tmp_path / "x.npy", np.ones((1, 3), np.float32))
    found = netc("predict", folder, tmp_path / "x.npy")
    assert found.exit_code == 2 and found.output.count("\n") == 1 and "\x1b" not in found.output, found.output
