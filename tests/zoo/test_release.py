"""From a run to the zoo: what a published model holds, and that it is what was trained."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from safetensors.numpy import load as tensors

from netc import api, registry, zoo
from netc.compiler.lower import lower_symbolic
from netc.compiler.program import Program
from netc.errors import RunError, SpecError, ZooError
from netc.runtime import snapshot
from netc.runtime.session import Session
from netc.spec import load
from netc.zoo import release as publishing
from netc.zoo import vectors
from netc.zoo.model_info import parent_of
from tests.node import NODE
from tests.small_nets import NET, netc, write_arrays, write_small
from tests.zoo.programs import run_javascript, run_python

SCALED = NET.replace("test_fraction: 0.2", "test_fraction: 0.2, scale: 0.5, mean_value: 1")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return api.load(write_small(tmp_path_factory.mktemp("program"), SCALED))


@pytest.fixture(scope="module")
def published(program: Program, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray]]:
    """The folder of a published version, and the states it was made of."""
    random = np.random.default_rng(0)
    states = {n: (a + random.normal(0, 0.1, a.shape)).astype(np.float32) for n, a in program.start().items()}
    found = publishing.publish_run(
        program, states, {"accuracy": 0.5}, tmp_path_factory.mktemp("zoo"), "netc train small.yaml", curves=b"png"
    )
    assert found.new and found.version == "1.0.0" and not found.warnings
    return found.path, states


def test_the_files(published: tuple[Path, dict[str, np.ndarray]]) -> None:
    files = {p.name for p in published[0].iterdir()}
    assert files == {
        "manifest.json",
        "README.md",
        "net.yaml",
        "model.onnx",
        "open.onnx",
        "train.json",
        "train.onnx",
        "start.safetensors",
        "metrics.json",
        "test_vectors.npz",
        "training_vectors.npz",
        "curves.png",
    }
    assert zoo.verify(published[0].parents[1], "small") == []


def test_start_is_what_was_trained_without_slots(published: tuple[Path, dict[str, np.ndarray]]) -> None:
    path, states = published
    start = tensors((path / "start.safetensors").read_bytes())
    assert start.keys() == {n for n in states if not n.endswith(".history")}
    assert all(np.array_equal(start[n], states[n]) for n in start)


def test_the_test_vectors_repeat(published: tuple[Path, dict[str, np.ndarray]]) -> None:
    path, _ = published
    with np.load(path / "test_vectors.npz") as vectors:
        assert vectors["input.data"].shape == (8, 1, 12, 12)
        found = Session(path / "model.onnx").run({"data": vectors["input.data"]})
        np.testing.assert_allclose(found["prob"], vectors["output.prob"], rtol=1e-5)


def test_inputs_of_vectors_are_raw(program: Program, published: tuple[Path, dict[str, np.ndarray]]) -> None:
    with np.load(published[0] / "test_vectors.npz") as vectors, np.load(f"{program.job.base}/small.npz") as arrays:
        raw = vectors["input.data"][0]
        assert any(np.array_equal(raw, image) for image in arrays["data"])


def test_the_programs_on_the_card_run(published: tuple[Path, dict[str, np.ndarray]], tmp_path: Path) -> None:
    assert run_python(published[0]) == "prob (8, 10) True\n"
    if NODE:
        assert run_javascript(published[0], tmp_path) in ("prob [ 1, 10 ]\n", None)


def test_the_manifest(program: Program, published: tuple[Path, dict[str, np.ndarray]]) -> None:
    said = json.loads((published[0] / "manifest.json").read_text())
    assert said["net_sha256"] == program.job.sha256 and said["seed"] == 0 and said["opset"] == 21
    assert said["metrics"] == {"accuracy": 0.5} == json.loads((published[0] / "metrics.json").read_text())
    assert said["inputs"] == [{"name": "data", "dtype": "float32", "shape": ["N", 1, 12, 12]}]
    assert said["outputs"] == [{"name": "prob", "dtype": "float32", "shape": ["N", 10]}]
    assert said["dataset"]["name"] == "small.npz" and said["command"] == "netc train small.yaml"
    assert said["licence"] == "Apache-2.0" and said["dataset"]["licence"] == "unknown" and said["parent"] is None
    assert said["parameters"] == sum(a.size for n, a in published[1].items() if not n.endswith(".history"))
    first = "`data`: values as in the data set; the model itself subtracts 1, then multiplies by 0.5. In the test vectors they range from -"
    assert said["preprocessing"][0].startswith(first)
    assert load(published[0] / "net.yaml").message == program.job.resolved()


def test_the_same_again_is_not_new_and_another_is_the_next_patch(program: Program, published: tuple[Path, dict[str, np.ndarray]]) -> None:
    path, states = published
    target = path.parents[1]
    again = publishing.publish_run(program, states, {"accuracy": 0.5}, target, "netc", curves=b"png")
    assert (again.new, again.version) == (False, "1.0.0")
    changed = {n: a + 1 for n, a in states.items()}
    assert publishing.publish_run(program, changed, {"accuracy": 0.5}, target, "netc").version == "1.0.1"
    assert publishing.publish_run(program, states, {"accuracy": 0.5}, target, "netc", version="2.0.0").version == "2.0.0"


def test_a_model_that_differs_from_the_net_is_not_published(
    program: Program, published: tuple[Path, dict[str, np.ndarray]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _, states = published
    wrong = program.deploy_model({n: a * 2 for n, a in states.items()})
    right = program.deploy_model(None)
    monkeypatch.setattr(type(program), "deploy_model", lambda _, given: right if given is None else wrong)
    with pytest.raises(RunError, match=r"model.onnx: output 'prob' differs from the net by .*; it is not published"):
        publishing.publish_run(program, states, {}, tmp_path / "zoo", "netc")
    assert not (tmp_path / "zoo").exists()


def test_what_cannot_be_published_into(program: Program, tmp_path: Path) -> None:
    publishing.check_target(str(tmp_path / "new" / "zoo"), program.compilation)
    (tmp_path / "file").touch()
    with pytest.raises(ZooError, match="not a folder"):
        publishing.check_target(str(tmp_path / "file" / "zoo"), program.compilation)
    with pytest.raises(ZooError, match="pass --zoo DIR"):
        publishing.check_target("s3://bucket/zoo", program.compilation)
    with pytest.raises(ZooError, match="none.key as a secret key"):
        publishing.check_target(str(tmp_path), program.compilation, str(tmp_path / "none.key"))


def test_silence_about_licences_is_not_published(tmp_path: Path) -> None:
    path = write_small(tmp_path, NET.replace("licence: Apache-2.0\ndataset_licence: unknown\n", "").replace("max_iter: 60", "max_iter: 2"))
    options = ["--runs", tmp_path / "runs", "--zoo", tmp_path / "zoo"]
    result = netc("train", path, *options)
    assert result.exit_code == 0 and not (tmp_path / "zoo").exists()
    licence, data = result.stderr.splitlines()
    assert (
        f"{path}: publishing needs the licence" in licence
        and "add `licence:` with an SPDX name such as Apache-2.0, or `unknown`" in licence
    )
    assert "netc does not know the licence of small.npz; add `dataset_licence:`" in data
    result = netc("train", path, *options, "--publish")
    assert result.exit_code == 2 and "`licence:`" in result.stderr and "`dataset_licence:`" in result.stderr
    with open(path, "a") as file:
        file.write("licence: MIT\ndataset_licence: unknown\n")
    result = netc("train", path, *options, "--resume")  # the run is over, and is published now that its net says what it must
    assert result.exit_code == 0, result.stderr
    assert zoo.show(tmp_path / "zoo", "small")["licence"] == "MIT"
    assert zoo.show(tmp_path / "zoo", "small")["dataset"]["licence"] == "unknown"


@pytest.fixture(scope="module")
def run_again(published: tuple[Path, dict[str, np.ndarray]]) -> Callable[..., list[str]]:
    """What is wrong with the published model when `name` of it is replaced by what `change` makes of its arrays."""

    def run(tmp_path: Path, name: str, change: Callable[..., Any]) -> list[str]:
        folder = tmp_path / "small/1.0.0"
        shutil.copytree(published[0], folder)
        (folder / name).write_bytes(zoo.npz(change(zoo.read_arrays(folder / name))))
        return vectors.run_vectors(folder, json.loads((folder / "manifest.json").read_text()))

    return run


def test_verify_runs_the_vectors_and_three_steps_of_training(published: tuple[Path, dict[str, np.ndarray]]) -> None:
    assert zoo.verify(published[0].parents[1], "small@1.0.0", run=True) == []
    with np.load(published[0] / "training_vectors.npz") as found:
        assert found["loss"].shape == (3,) and len(set(found["loss"].tolist())) == 3
        assert {"input.batch/data", "input.batch/label", "input.lr", "next.ip1.weight.history", "next.conv1.weight"} <= set(found)
        assert found["input.lr"].shape == (3,) and not any(name.startswith("input.noise/") for name in found)


@pytest.mark.parametrize(
    "name, array", [("test_vectors.npz", "output.prob"), ("training_vectors.npz", "loss"), ("training_vectors.npz", "next.conv1.weight")]
)
def test_vectors_that_a_model_does_not_repeat(run_again: Callable[..., list[str]], tmp_path: Path, name: str, array: str) -> None:
    assert run_again(tmp_path, name, lambda arrays: arrays) == []
    shutil.rmtree(tmp_path / "small")
    off = 1.01 if name == "training_vectors.npz" else 1.001
    wrong = run_again(tmp_path, name, lambda arrays: arrays | {array: arrays[array] * np.float32(off)})
    assert len(wrong) == (1 if name == "training_vectors.npz" else 2)  # of model.onnx and of open.onnx
    assert all("differs from the vectors by" in text and array.partition(".")[2] in text for text in wrong)


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays: {},
        lambda arrays: {n: a for n, a in arrays.items() if not n.startswith("input.")},
        lambda arrays: arrays | {"input.data": arrays["input.data"][:, :, :5]},
        lambda arrays: arrays | {"output.other": arrays["output.prob"]},
        lambda arrays: arrays | {"output.prob": arrays["output.prob"] * np.nan},
        lambda arrays: arrays | {"output.prob": arrays["output.prob"][:3]},
    ],
)
def test_vectors_that_mean_nothing(run_again: Callable[..., list[str]], tmp_path: Path, change: Callable[..., Any]) -> None:
    wrong = run_again(tmp_path, "test_vectors.npz", change)
    assert len(wrong) == 2 and all("test_vectors.npz" in text or "model.onnx" in text or "open.onnx" in text for text in wrong)


def test_a_large_batch_has_no_training_vectors(
    program: Program, published: tuple[Path, dict[str, np.ndarray]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "MOST_FEEDS", 1000)
    found = publishing.publish_run(program, published[1], {}, tmp_path, "netc")
    assert not (found.path / "training_vectors.npz").exists() and zoo.verify(tmp_path, run=True) == []


def test_a_tuned_model_names_its_parent_after_a_resumption_too(published: tuple[Path, dict[str, np.ndarray]], tmp_path: Path) -> None:
    path = write_small(tmp_path, SCALED.replace("max_iter: 60", "max_iter: 2").replace("name: small", "name: tuned"))
    weights = published[0] / "start.safetensors"
    assert netc("train", path, "--runs", tmp_path / "runs", "--no-publish", "--weights", weights).exit_code == 0
    result = netc("train", path, "--runs", tmp_path / "runs", "--zoo", tmp_path / "zoo", "--resume")
    assert result.exit_code == 0, result.stderr
    parent = zoo.show(tmp_path / "zoo", "tuned")["parent"]
    digest = hashlib.sha256((published[0] / "manifest.json").read_bytes()).hexdigest()
    assert parent == {"name": "small", "version": "1.0.0", "manifest_sha256": digest}
    assert "| fine-tuned from | small@1.0.0 |" in (tmp_path / "zoo/tuned/1.0.0/README.md").read_text()


def test_weights_beside_another_manifest_have_no_parent(published: tuple[Path, dict[str, np.ndarray]], tmp_path: Path) -> None:
    folder = tmp_path / "small/1.0.0"
    shutil.copytree(published[0], folder)
    assert parent_of([str(folder / "start.safetensors")])
    (folder / "start.safetensors").write_bytes(b"other")
    assert parent_of([str(folder / "start.safetensors")]) is None
    assert parent_of([str(tmp_path / "none.safetensors")]) is None


def test_publishing_signs(tmp_path: Path) -> None:
    pytest.importorskip("cryptography", reason="signatures need the extra `sign`")
    assert netc("zoo", "keygen", tmp_path / "me").exit_code == 0
    path = write_small(tmp_path, NET.replace("max_iter: 60", "max_iter: 2"))
    result = netc("train", path, "--runs", tmp_path / "runs", "--zoo", tmp_path / "zoo", "--sign", tmp_path / "me.key")
    assert result.exit_code == 0, result.stderr
    assert netc("zoo", "verify", "small", "--from", tmp_path / "zoo", "--key", tmp_path / "me.pub").exit_code == 0
    assert "me.key" not in zoo.show(tmp_path / "zoo", "small")["command"]


def test_anyone_can_train_on(published: tuple[Path, dict[str, np.ndarray]], tmp_path: Path) -> None:
    path, _ = published
    net = write_small(tmp_path, SCALED)
    result = netc("train", net, "--no-publish", "--runs", tmp_path, "--weights", path / "start.safetensors", "--set", "solver.max_iter=2")
    assert result.exit_code == 0, result.stderr


def test_weights_have_their_own_names_and_open_onnx_takes_them(published: tuple[Path, dict[str, np.ndarray]]) -> None:
    path, states = published
    model, opened = (onnx.load(path / name) for name in ("model.onnx", "open.onnx"))
    learned = {f"state/{n}" for n in states if not n.endswith(".history")}
    assert {i.name for i in model.graph.initializer if i.name.startswith("state/")} == learned
    assert {i.name for i in opened.graph.input} == learned | {"data"} and [o.name for o in opened.graph.output] == ["prob"]
    assert opened.graph.input[0].type == model.graph.input[0].type and opened.ByteSize() < 4000
    with np.load(path / "test_vectors.npz") as vectors:
        fed = {f"state/{n}": a for n, a in states.items() if f"state/{n}" in learned}
        found = Session(opened).run(fed | {"data": vectors["input.data"]})
        np.testing.assert_allclose(found["prob"], vectors["output.prob"], rtol=1e-5)


def test_verify_runs_open_onnx_too(published: tuple[Path, dict[str, np.ndarray]], tmp_path: Path) -> None:
    folder = tmp_path / "small/1.0.0"
    shutil.copytree(published[0], folder)
    weights = tensors((folder / "start.safetensors").read_bytes())
    (folder / "start.safetensors").write_bytes(
        snapshot.weights_bytes(weights | {"ip2.bias": weights["ip2.bias"] + np.arange(10, dtype=np.float32)})
    )
    found = vectors.run_vectors(folder, json.loads((folder / "manifest.json").read_text()))
    assert any("open.onnx: output 'prob' differs" in text for text in found)


def test_several_batches_an_update_are_published_as_two_models(tmp_path: Path) -> None:
    path = write_small(tmp_path, NET.replace("max_iter: 60", "max_iter: 2, iter_size: 3"))
    assert netc("train", path, "--runs", tmp_path / "runs", "--zoo", tmp_path / "zoo").exit_code == 0
    folder = tmp_path / "zoo/small/1.0.0"
    assert {"train.onnx", "gradient.onnx", "update.onnx", "training_vectors.npz"} <= {p.name for p in folder.iterdir()}
    assert zoo.verify(tmp_path / "zoo", run=True) == []


TWO = """\
name: two
layers:
  - Data: {source: two.npz, batch_size: 10, test_fraction: 0.2, top: [a, b, label]}
  - Concat: {bottom: [a, b]}
  - InnerProduct: {num_output: 3, weight_filler: xavier}
  - Accuracy
  - SoftmaxWithLoss
solver: {base_lr: 0.1, max_iter: 20, display: 10}
licence: MIT
dataset_licence: MIT
"""


def test_a_source_with_two_features_is_published_with_both(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    arrays: dict[str, Any] = {"a": random.normal(size=(60, 4)).astype(np.float32), "b": random.normal(size=(60, 3)).astype(np.float32)}
    np.savez(tmp_path / "two.npz", **arrays, label=random.integers(0, 3, 60))
    (tmp_path / "two.yaml").write_text(TWO)
    result = netc("train", tmp_path / "two.yaml", "--runs", tmp_path / "runs", "--zoo", tmp_path / "zoo")
    assert result.exit_code == 0, result.stderr
    folder = tmp_path / "zoo/two/1.0.0"
    said = json.loads((folder / "manifest.json").read_text())
    assert [i["name"] for i in said["inputs"]] == ["a", "b"] and [o["name"] for o in said["outputs"]] == ["prob"]
    assert {b["name"]: b["role"] for b in json.loads((folder / "train.json").read_text())["batch"]} == {
        "batch/a": "input", "batch/b": "input", "batch/label": "label",
    }  # fmt: skip
    assert zoo.verify(tmp_path / "zoo", run=True) == []
    states = tensors((folder / "start.safetensors").read_bytes())
    scores = np.concatenate([arrays["a"], arrays["b"]], 1) @ states["ip1.weight"].T + states["ip1.bias"]
    found = Session(folder / "model.onnx").run(arrays)["prob"]
    assert np.array_equal(found.argmax(1), scores.argmax(1))


PINNED = NET.replace("  - InnerProduct: {num_output: 16", "  - Reshape: {shape: {dim: [16, 100]}}\n  - InnerProduct: {num_output: 16")
WHY = "Axes of sizes Nx4x5x5 cannot be merged while the batch is symbolic."
REASON = f"takes batches of 16 rows alone: Layer 'reshape1' (Reshape): {WHY}"


def test_a_pinned_batch_is_told_with_its_reason(tmp_path: Path) -> None:
    path = write_small(tmp_path, PINNED.replace("max_iter: 60", "max_iter: 2"))
    result = netc("train", path, "--runs", tmp_path / "runs", "--zoo", tmp_path / "zoo")
    assert result.exit_code == 0 and f"model.onnx {REASON}" in result.stdout
    folder = tmp_path / "zoo/small/1.0.0"
    assert f"The model {REASON}" in (folder / "README.md").read_text().replace("\n", " ")
    for name in ("model.onnx", "open.onnx"):
        said = json.loads(onnx.load(folder / name).metadata_props[0].value)
        assert said["batch_size"] == 16 and said["pinned"] == [REASON.partition(": ")[2]]
    assert f"model.onnx {REASON}" in netc("check", path).output


def test_what_is_wrong_with_a_layer_is_not_taken_for_a_pinned_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = api.load(write_small(tmp_path))
    pool = registry.layer["Pooling"]

    def broken(ctx: Any, x: Any) -> Any:
        if isinstance(x.shape[0], str):
            raise ctx.error("knows no batch but its own", "pooling_param")
        return pool(ctx, x)

    monkeypatch.setitem(registry.layer, "Pooling", broken)
    with pytest.raises(SpecError, match="pool1.*knows no batch but its own"):
        lower_symbolic(program.test_net)


def test_published_files_name_no_folder_of_the_machine(tmp_path: Path) -> None:
    """Data, mean file, weights, net and zoo lie under peculiar paths; the published files have none of these words."""
    places = {name: tmp_path / f"peculiar {name}" for name in ("data", "mean", "weights", "net", "zoo", "runs")}
    for place in places.values():
        place.mkdir()
    write_arrays(places["data"])
    np.save(places["mean"] / "mean.npy", np.full((1, 12, 12), 0.5, np.float32))
    net = NET.replace("source: small.npz", f"source: '{places['data'] / 'small.npz'}', mean_file: '../peculiar mean/mean.npy'")
    path = places["net"] / "small.yaml"
    path.write_text(net.replace("max_iter: 60", f"max_iter: 2, snapshot_prefix: '{places['runs']}/x'"))
    (places["weights"] / "w.safetensors").write_bytes(snapshot.weights_bytes(api.load(str(path)).start()))
    source = f"layers.data.source={places['data'] / 'small.npz'}"
    result = netc(
        "train",
        path,
        "--runs",
        places["runs"],
        "--zoo",
        places["zoo"],
        "--weights",
        places["weights"] / "w.safetensors",
        "--set",
        source,
        "--publish",
    )
    assert result.exit_code == 0, result.stderr
    folder = places["zoo"] / "small/1.0.0"
    files = {p.name: p.read_bytes() for p in folder.iterdir()} | {"index.json": (places["zoo"] / "index.json").read_bytes()}
    words = (b"peculiar", str(tmp_path).encode())
    assert [name for name, content in files.items() if any(word in content for word in words)] == []
    assert "mean.npy" in files and json.loads(files["train.json"])["batch"][0]["mean"] == "mean.npy"
    said = load(folder / "net.yaml").message
    assert said.layer[0].data_param.source == "small.npz" and said.layer[0].transform_param.mean_file == "mean.npy"
    with np.load(folder / "training_vectors.npz") as found:
        assert not any(name.startswith("input.noise") for name in found)
