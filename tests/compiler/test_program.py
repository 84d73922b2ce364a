"""The step contract: names, metadata, agreement of the models with each other, and a training loop without netc."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from netc import api, random
from netc.compiler.program import Program
from netc.compiler.step_files import write
from netc.graph.emit import emit
from netc.graph.passes import simplify
from netc.graph.tensor_type import OPSET
from netc.runtime import snapshot
from netc.runtime.backend import Backend
from netc.runtime.backends import CUDA, PORTABLE
from netc.runtime.session import Session
from netc.training.feed import Feeder
from tests.small_nets import NET, log, netc, write_small

WHOLE = {"sum/accuracy/right", "sum/accuracy/count", "sum/loss/total", "sum/loss/count"}  # of the full test set
PARAMETERS = ["conv1.weight", "conv1.bias", "ip1.weight", "ip1.bias", "ip2.weight", "ip2.bias"]
NORMED = NET.replace("  - Pooling", "  - BatchNorm\n  - Scale: {bias_term: true}\n  - Pooling")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return api.load(write_small(tmp_path_factory.mktemp("small")))


@pytest.fixture(scope="module")
def normed(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return api.load(write_small(tmp_path_factory.mktemp("normed"), NORMED))


@pytest.fixture(scope="module")
def build(small: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    assert [p.name for p in write(small, folder)] == [
        "train.json",
        "train.onnx",
        "gradient.onnx",
        "update.onnx",
        "test.onnx",
        "model.onnx",
        "open.onnx",
        "start.safetensors",
    ]
    return folder


def named(prefix: str, names: list[str]) -> set[str]:
    return {prefix + name for name in names}


def ports(model: onnx.ModelProto) -> tuple[set[str], set[str]]:
    return {i.name for i in model.graph.input}, {o.name for o in model.graph.output}


def said(model: onnx.ModelProto) -> dict[str, Any]:
    found: dict[str, Any] = json.loads({p.key: p.value for p in model.metadata_props}["netc"])
    return found


def test_inputs_and_outputs(build: Path) -> None:
    slots = [f"{name}.history" for name in PARAMETERS]
    batch, fed, outputs = (
        {"batch/data", "batch/label"},
        {"batch/data", "batch/label", "noise/drop1.mask"},
        {"loss", "out/loss", "out/accuracy"},
    )
    expected = {
        "train": (fed | {"lr"} | named("state/", PARAMETERS + slots), outputs | named("next/", PARAMETERS + slots)),
        "gradient": (fed | named("state/", PARAMETERS) | named("grad/", PARAMETERS), outputs | named("next/grad/", PARAMETERS)),
        "update": ({"lr"} | named("grad/", PARAMETERS) | named("state/", PARAMETERS + slots), named("next/", PARAMETERS + slots)),
        "test": (batch | named("state/", PARAMETERS), outputs | WHOLE),
        "model": ({"data"}, {"prob"}),
        "open": ({"data"} | named("state/", PARAMETERS), {"prob"}),
    }
    assert {kind: ports(onnx.load(build / f"{kind}.onnx")) for kind in expected} == expected


def test_statistics_move_in_train_and_gradient_but_not_in_update_and_test(normed: Program) -> None:
    statistics = {n for n, s in normed.states.items() if s.state.kind == "statistic"}
    assert len(statistics) == 3
    for kind, moves in (("train", True), ("gradient", True), ("update", False), ("test", False)):
        inputs, outputs = ports(normed.model(kind))
        assert named("next/", list(statistics)) <= outputs if moves else not named("next/", list(statistics)) & outputs
        assert (named("state/", list(statistics)) <= inputs) == (kind != "update")


def test_metadata_of_train(small: Program) -> None:
    text = said(small.model("train"))
    assert {k: text[k] for k in ("format", "kind", "net", "opset", "target", "providers", "seed", "iter_size")} == {
        "format": 1,
        "kind": "train",
        "net": "small",
        "opset": OPSET,
        "target": "portable",
        "providers": ["cpu"],
        "seed": 0,
        "iter_size": 1,
    }
    assert text["net_sha256"] == small.job.sha256
    states = {s["name"]: s for s in text["states"]}
    assert list(states)[:2] == ["conv1.weight", "conv1.bias"] and set(states) == {*PARAMETERS, *(f"{p}.history" for p in PARAMETERS)}
    assert states["ip1.bias"] == {
        "name": "ip1.bias",
        "input": "state/ip1.bias",
        "output": "next/ip1.bias",
        "kind": "parameter",
        "layer": "ip1",
        "blob": 1,
        "share_name": "",
        "lr_mult": 1.0,
        "decay_mult": 1.0,
        "shape": [16],
        "start": None,
    }
    assert (states["ip1.bias.history"]["kind"], states["ip1.bias.history"]["start"]) == ("slot", 0.0)
    assert text["random"]["uniform"] == "max(half >> 8, 1/2) / 2**24" and text["reset"] is None
    assert text["noise"] == [
        {
            "name": "noise/drop1.mask",
            "dtype": "float32",
            "shape": [16, 16],
            "distribution": "uniform",
            "key": [str(w) for w in random.key(0, "drop1.mask")],
        }
    ]
    assert text["batch"] == [
        {"name": "batch/data", "dtype": "float32", "shape": [16, 1, 12, 12]},
        {"name": "batch/label", "dtype": "int64", "shape": [16]},
    ]
    policy = {"lr_policy": "inv", "base_lr": pytest.approx(0.02), "gamma": pytest.approx(0.01), "power": 0.75}
    assert text["lr"] == policy | {"warmup_iter": 0, "warmup_lr": 0.0, "max_iter": 60}


def test_train_json_is_the_metadata_of_train_onnx_and_tells_how_batches_are_prepared(build: Path) -> None:
    text = json.loads((build / "train.json").read_text())
    assert text == said(onnx.load(build / "train.onnx"))
    data, label = text["batch"]
    assert data == {
        "name": "batch/data", "dtype": "float32", "shape": [16, 1, 12, 12], "batch_axis": 0, "source": "small.npz", "role": "input",
        "rows": 160, "channels": "grey", "mean": 0.0, "scale": 1.0,
    }  # fmt: skip
    assert (label["role"], label["dtype"], label["shape"]) == ("label", "int64", [16])


@pytest.mark.parametrize("fields, expected", [
    ("lr_policy: cosine, max_epoch: 3", 30), ("lr_policy: poly, power: 2, max_epoch: 3, iter_size: 2", 15), ("max_iter: 7", 7),
])  # fmt: skip
def test_the_horizon_is_stated(tmp_path: Path, fields: str, expected: int) -> None:
    text = NET.split("solver:")[0] + f"solver: {{base_lr: 0.1, {fields}}}\n"
    made = api.load(write_small(tmp_path, text))
    assert said(made.model("train"))["lr"]["max_iter"] == made.max_iter == expected


def test_reset_interval_says_that_it_zeroes_slots(tmp_path: Path) -> None:
    made = api.load(write_small(tmp_path, NET.replace("max_iter: 60", "max_iter: 60, reset_interval: 7")))
    assert said(made.model("train"))["reset"] == {"interval": 7, "kind": "slot", "value": 0.0}


def test_metadata_of_the_others(small: Program, build: Path) -> None:
    texts = {kind: said(onnx.load(build / f"{kind}.onnx")) for kind in ("gradient", "update", "test", "model")}
    assert all(texts[kind]["kind"] == kind for kind in texts)
    assert texts["update"]["lr"] and not texts["gradient"]["lr"] and not texts["test"]["lr"]
    assert texts["test"]["batch"][0]["shape"] == ["N", 1, 12, 12] and texts["test"]["noise"] == []
    assert all((texts[kind]["batch_axis"], texts[kind]["batch_size"]) == (0, "N") for kind in ("test", "model"))
    assert {s["output"] for s in texts["test"]["states"]} == {None}
    assert texts["model"]["batch"] == [{"name": "data", "dtype": "float32", "shape": ["N", 1, 12, 12]}] and texts["model"]["states"] == []


def test_every_state_starts_as_a_file_or_its_metadata_says(small: Program, build: Path) -> None:
    start = snapshot.read_weights(build / "start.safetensors")
    states = json.loads((build / "train.json").read_text())["states"]
    assert {s["name"] for s in states} == set(small.states) and {s["name"] for s in states if s["start"] is None} == set(start)
    for s in states:
        found = start[s["name"]] if s["start"] is None else np.full(s["shape"], s["start"], np.float32)
        assert np.array_equal(found, small.start()[s["name"]]), s["name"]
    assert start["ip1.weight"].std() > 0 and "ip1.weight.history" not in start


def test_inline_models_have_no_functions_and_give_the_same(small: Program, build: Path, tmp_path: Path) -> None:
    for path in write(small, tmp_path, inline=True):
        if path.suffix != ".onnx":
            assert path.read_bytes() == (build / path.name).read_bytes()
            continue
        model = onnx.load(path)
        assert not model.functions and {n.domain for n in model.graph.node} == {""} and [o.domain for o in model.opset_import] == [""]
    feeds = step_feeds(small)
    functions, inlined = (run(onnx.load(folder / "train.onnx"), feeds) for folder in (build, tmp_path))
    assert functions.keys() == inlined.keys()
    for name, array in inlined.items():
        np.testing.assert_allclose(array, functions[name], rtol=1e-4, atol=1e-6, err_msg=name)


def test_compiling_twice_gives_the_same_bytes(small: Program, build: Path, tmp_path: Path) -> None:
    again = api.load(small.job.train.path)
    assert all(p.read_bytes() == (build / p.name).read_bytes() for p in write(again, tmp_path))


@pytest.mark.parametrize("kind", ["train", "gradient", "update", "test", "model"])
@pytest.mark.parametrize("net", ["small", "normed"])
def test_every_model_passes_the_checker_and_loads(request: pytest.FixtureRequest, net: str, kind: str) -> None:
    program = request.getfixturevalue(net)
    model = program.deploy_model(program.start()) if kind == "model" else program.model(kind)
    onnx.checker.check_model(model, full_check=True)
    assert [o.version for o in model.opset_import if o.domain == ""] == [21]
    assert Session(model).outputs == [o.name for o in model.graph.output]


def step_feeds(program: Program, iteration: int = 0) -> dict[str, np.ndarray]:
    """The inputs of a step: batch, noise, lr, and states with values that differ from their start."""
    random_ = np.random.default_rng(1)
    feeds = Feeder(program.train_net, program.steps.train, program.seed, program.job.base)(iteration)
    states = {f"state/{n}": np.abs(a + random_.normal(0, 0.1, a.shape)).astype(np.float32) for n, a in program.start().items()}
    return {**feeds, **states, "lr": np.array(0.1, np.float32)}


def run(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    session = Session(model)
    return session.run({n: a for n, a in feeds.items() if n in session.inputs})


@pytest.mark.parametrize("net", ["small", "normed"])
def test_gradient_and_update_are_train(request: pytest.FixtureRequest, net: str) -> None:
    program = request.getfixturevalue(net)
    feeds = step_feeds(program)
    whole = run(program.model("train"), feeds)
    sums = {
        n.name: np.zeros(tuple(n.types[0].shape), np.float32)
        for n in program.graph("gradient").leaves("Input")
        if n.name.startswith("grad/")
    }
    half = run(program.model("gradient"), feeds | sums)
    rest = run(program.model("update"), feeds | {n: half[f"next/{n}"] for n in sums})
    parts = {n: a for n, a in half.items() if not n.startswith("next/grad/")} | rest
    assert parts.keys() == whole.keys()
    for name, array in whole.items():
        np.testing.assert_allclose(parts[name], array, rtol=1e-6, atol=1e-7, err_msg=name)


def test_gradient_adds_to_what_it_is_given(small: Program) -> None:
    feeds = step_feeds(small)
    names = [f"grad/{p}" for p in PARAMETERS]
    zeros = {n: np.zeros_like(feeds[n.replace("grad/", "state/")]) for n in names}
    once = run(small.model("gradient"), feeds | zeros)
    twice = run(small.model("gradient"), feeds | {n: once[f"next/{n}"] for n in names})
    for name in names:
        np.testing.assert_allclose(twice[f"next/{name}"], 2 * once[f"next/{name}"], rtol=1e-5)


@pytest.mark.parametrize("backend", [PORTABLE, CUDA], ids=lambda row: row.provider)
@pytest.mark.parametrize("net", ["small", "normed"])
def test_functions_and_their_bodies_give_the_same(request: pytest.FixtureRequest, net: str, backend: Backend) -> None:
    program = replace(request.getfixturevalue(net), backend=backend)
    feeds = step_feeds(program)
    calls = run(program.model("train"), feeds)
    inlined = program.model("train", functions=False)
    assert not inlined.functions and {n.domain for n in inlined.graph.node} == {""}
    for name, array in run(inlined, feeds).items():
        np.testing.assert_allclose(array, calls[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_bodies_of_cpu_and_cuda_agree(normed: Program) -> None:
    feeds = step_feeds(normed)
    cpu, cuda = (run(replace(normed, backend=b).model("train"), feeds) for b in (PORTABLE, CUDA))
    for name in cpu:
        np.testing.assert_allclose(cuda[name], cpu[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_functions_of_one_op_with_different_bodies_load(small: Program) -> None:
    model = small.model("train")
    names = [f.name for f in model.functions]
    assert "SGD" in names and len({*names}) == len(names) and {f.domain for f in model.functions} == {"netc.training"}
    assert {n.op_type for n in model.graph.node if n.domain} == {*names}
    Session(model)


@pytest.mark.parametrize("functions", [True, False])
def test_every_node_has_its_layer_and_place(small: Program, functions: bool) -> None:
    layers = {layer.name: Path(str(layer.at())).name for layer in small.train_net.layers}
    for node in small.model("train", functions=functions).graph.node:
        if node.op_type == "Identity" and node.name.startswith(("next/", "out/", "loss")):
            continue
        layer = node.name.split("/")[0]
        assert layer in layers or layer == "solver", node.name
        place = {p.key: p.value for p in node.metadata_props}.get("netc.place")
        assert place == layers.get(layer), node.name


def test_model_gives_what_the_test_command_gives(small: Program, tmp_path: Path) -> None:
    path, options = small.job.train.path, ["--no-publish", "--runs", tmp_path / "runs"]
    assert netc("train", path, *options).exit_code == 0
    weights = tmp_path / "runs/small/1/snapshots" / snapshot.file_name(60)
    scores = dict(line.split(": ") for line in netc("test", path, "--weights", weights).stdout.splitlines())
    session = Session(small.deploy_model(snapshot.read(weights).states))
    images, labels = rows_of_test(small)
    for size in (1, 7, 64):
        prob = np.concatenate([session.run({"data": images[i : i + size]})["prob"] for i in range(0, len(images), size)])
        assert np.mean(prob.argmax(1) == labels) == pytest.approx(float(scores["accuracy"]), abs=1e-6)
        assert -np.log(prob[np.arange(len(labels)), labels]).mean() == pytest.approx(float(scores["loss"]), rel=1e-4)
    assert float(scores["accuracy"]) == log(tmp_path / "runs/small/1")[-1]["accuracy"]


def rows_of_test(program: Program) -> tuple[np.ndarray, np.ndarray]:
    """Return all test rows of a program, in their order."""
    feeder = Feeder(program.test_net, program.test[0].graph, program.seed, program.job.base)
    batches = [feeder(i) for i in range(feeder.batches or 0)]
    data, label = (np.concatenate([b[f"batch/{name}"] for b in batches]) for name in ("data", "label"))
    return data, label


def test_a_net_that_pins_its_batch_says_so(tmp_path: Path) -> None:
    pinned = NET.replace("  - InnerProduct: {num_output: 16", "  - Reshape: {shape: {dim: [16, 100]}}\n  - InnerProduct: {num_output: 16")
    program = api.load(write_small(tmp_path, pinned))
    text = said(program.deploy_model(program.start()))
    assert text["batch"][0]["shape"] == [16, 1, 12, 12] and text["batch_size"] == 16
    assert program.test[1] == 16 and netc("train", program.job.train.path, "--runs", tmp_path, "--zoo", tmp_path / "zoo").exit_code == 0


def test_deployed_preprocessing_is_inside(tmp_path: Path) -> None:
    scaled = NET.replace("test_fraction: 0.2", "test_fraction: 0.2, scale: 0.5, mean_value: 3")
    program = api.load(write_small(tmp_path, scaled))
    plain = api.load(write_small(tmp_path, name="plain.yaml"))
    x = np.random.default_rng(0).normal(size=(3, 1, 12, 12)).astype(np.float32)
    prob = Session(program.deploy_model(program.start())).run({"data": x})["prob"]
    expected = Session(plain.deploy_model(program.start())).run({"data": (x - 3) * np.float32(0.5)})["prob"]
    np.testing.assert_allclose(prob, expected, rtol=1e-5)


def test_a_program_without_a_solver_can_be_tested_but_not_trained(tmp_path: Path) -> None:
    path = write_small(tmp_path, NET.split("solver:")[0])
    program = api.load(write_small(tmp_path, name="whole.yaml"))
    (tmp_path / "w.safetensors").write_bytes(snapshot.weights_bytes(program.start()))
    with_, without = (netc("test", p, "--weights", tmp_path / "w.safetensors") for p in (program.job.train.path, path))
    assert without.exit_code == 0 and without.stdout == with_.stdout
    assert netc("train", path).exit_code == 2


def test_the_model_of_the_inlined_deploy_graph_agrees(normed: Program) -> None:
    x = np.random.default_rng(0).normal(size=(5, 1, 12, 12)).astype(np.float32)
    states = {n: np.abs(a) + np.float32(0.1) for n, a in normed.start().items()}
    frozen = Session(normed.deploy_model(states)).run({"data": x})["prob"]
    feeds = {"batch/data": x} | {f"state/{n}": a for n, a in states.items()}
    np.testing.assert_allclose(run(emit(simplify(normed.deploy[0].graph)), feeds)["out/prob"], frozen, rtol=1e-4)
