"""From a run to the zoo: what a published model holds, and that it is what was trained."""

import json

import numpy as np
import pytest
from safetensors.numpy import load as tensors

from netc import api, zoo
from netc.commands import publish as publishing
from netc.commands.end import without_folders
from netc.errors import RunError, ZooError
from netc.session import Session
from netc.spec import load
from tests.small_nets import NET, netc, write_small

SCALED = NET.replace("test_fraction: 0.2", "test_fraction: 0.2, scale: 0.5, mean_value: 1")


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return api.load(write_small(tmp_path_factory.mktemp("program"), SCALED))


@pytest.fixture(scope="module")
def published(program, tmp_path_factory):
    """The folder of a published version, and the states it was made of."""
    random = np.random.default_rng(0)
    states = {n: (a + random.normal(0, 0.1, a.shape)).astype(np.float32) for n, a in program.start().items()}
    found = publishing.publish_run(
        program, states, {"accuracy": 0.5}, tmp_path_factory.mktemp("zoo"), "netc train small.yaml", curves=b"png"
    )
    assert found.new and found.version == "1.0.0" and not found.warnings
    return found.path, states


def test_the_files(published):
    files = {p.name for p in published[0].iterdir()}
    assert files == {
        "manifest.json",
        "README.md",
        "net.yaml",
        "model.onnx",
        "train.onnx",
        "start.safetensors",
        "metrics.json",
        "test_vectors.npz",
        "curves.png",
    }
    assert zoo.verify(published[0].parents[1], "small") == []


def test_start_is_what_was_trained_without_slots(published):
    path, states = published
    start = tensors((path / "start.safetensors").read_bytes())
    assert start.keys() == {n for n in states if not n.endswith(".history")}
    assert all(np.array_equal(start[n], states[n]) for n in start)


def test_the_test_vectors_repeat(published):
    path, _ = published
    with np.load(path / "test_vectors.npz") as vectors:
        assert vectors["input.data"].shape == (8, 1, 12, 12)
        found = Session(path / "model.onnx").run({"data": vectors["input.data"]})
        np.testing.assert_allclose(found["prob"], vectors["output.prob"], rtol=1e-5)


def test_inputs_of_vectors_are_raw(program, published):
    with np.load(published[0] / "test_vectors.npz") as vectors, np.load(f"{program.job.base}/small.npz") as arrays:
        raw = vectors["input.data"][0]
        assert any(np.array_equal(raw, image) for image in arrays["data"])


def test_the_manifest(program, published):
    said = json.loads((published[0] / "manifest.json").read_text())
    assert said["net_sha256"] == program.job.sha256 and said["seed"] == 0 and said["opset"] == 21
    assert said["metrics"] == {"accuracy": 0.5} == json.loads((published[0] / "metrics.json").read_text())
    assert said["inputs"] == [{"name": "data", "dtype": "float32", "shape": ["N", 1, 12, 12]}]
    assert said["outputs"] == [{"name": "prob", "dtype": "float32", "shape": ["N", 10]}]
    assert said["dataset"]["name"] == "small.npz" and said["command"] == "netc train small.yaml"
    assert load(published[0] / "net.yaml").message == program.job.resolved()


def test_the_same_again_is_not_new_and_another_is_the_next_patch(program, published):
    path, states = published
    target = path.parents[1]
    again = publishing.publish_run(program, states, {"accuracy": 0.5}, target, "netc", curves=b"png")
    assert (again.new, again.version) == (False, "1.0.0")
    changed = {n: a + 1 for n, a in states.items()}
    assert publishing.publish_run(program, changed, {"accuracy": 0.5}, target, "netc").version == "1.0.1"
    assert publishing.publish_run(program, states, {"accuracy": 0.5}, target, "netc", version="2.0.0").version == "2.0.0"


def test_a_model_that_differs_from_the_net_is_not_published(program, published, monkeypatch, tmp_path):
    _, states = published
    wrong = program.deploy_model({n: a * 2 for n, a in states.items()})
    monkeypatch.setattr(type(program), "deploy_model", lambda *_: wrong)
    with pytest.raises(RunError, match=r"model.onnx: output 'prob' differs from the net's by .*; it is not published"):
        publishing.publish_run(program, states, {}, tmp_path / "zoo", "netc")
    assert not (tmp_path / "zoo").exists()


def test_what_cannot_be_published_into(tmp_path):
    publishing.check_target(str(tmp_path / "new" / "zoo"))
    (tmp_path / "file").touch()
    with pytest.raises(ZooError, match="no folder"):
        publishing.check_target(str(tmp_path / "file" / "zoo"))
    with pytest.raises(ZooError, match="give --zoo DIR"):
        publishing.check_target("s3://bucket/zoo")


def test_anyone_can_train_on(published, tmp_path):
    path, _ = published
    net = write_small(tmp_path, SCALED)
    result = netc("train", net, "--no-publish", "--runs", tmp_path, "--weights", path / "start.safetensors", "--set", "solver.max_iter=2")
    assert result.exit_code == 0, result.stderr


def test_a_published_command_says_nothing_of_folders():
    given = ["train", "nets/lenet.yaml", "--runs", "/home/me/runs", "--zoo=/home/me/zoo", "--set", "solver.max_iter=5"]
    assert without_folders(given) == ["train", "nets/lenet.yaml", "--set", "solver.max_iter=5"]
