"""Nets with a Model layer in a zoo: the file that they start from is published with them, with its licence and its origin."""

import json
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from netc import load, zoo
from netc.errors import SpecError
from netc.runtime.snapshot import read_weights
from netc.spec import load as read
from tests.layers.test_model import NET, tuned
from tests.onnx_files import classifier, save
from tests.small_nets import netc
from tests.zoo.toy import Quiet, serving

LICENSED = NET.replace("name: body", "licence: MIT, name: body")


def trained(folder: Path, text: str = LICENSED, *options: str, model: onnx.ModelProto | None = None) -> Path:
    """Train the net in `folder`, and return its first published version."""
    path = tuned(folder, text=text, model=model)
    result = netc("train", path, "--runs", folder / "runs", "--zoo", folder / "zoo", *options)
    assert result.exit_code == 0, result.output
    return folder / "zoo/tuned/1.0.0"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("published"), model=classifier(norm=True))


def test_the_file_is_published_byte_for_byte(published: Path) -> None:
    original = (published.parents[2] / "base.onnx").read_bytes()
    assert (published / "base.onnx").read_bytes() == original
    layer = read(str(published / "net.yaml")).message.layer[1]
    assert (layer.model_param.file, layer.model_param.sha256) == ("base.onnx", sha256(original).hexdigest())
    assert zoo.verify(published, run=True) == []


def test_the_manifest_and_the_card_name_licence_and_origin(published: Path) -> None:
    manifest = json.loads((published / "manifest.json").read_text())
    digest = sha256((published / "base.onnx").read_bytes()).hexdigest()
    assert manifest["base"] == [{"file": "base.onnx", "sha256": digest, "licence": "MIT", "origin": "base.onnx", "producer": "tests"}]
    assert {"name": "base.onnx", "role": "base model"}.items() <= next(f for f in manifest["files"] if f["name"] == "base.onnx").items()
    card = (published / "README.md").read_text()
    assert "## Base model" in card and f"| base.onnx | base.onnx | tests | MIT | {digest} |" in card


def test_the_model_runs_in_plain_onnxruntime_at_any_batch_size(published: Path) -> None:
    session = ort.InferenceSession(published / "model.onnx", providers=["CPUExecutionProvider"])
    images = np.random.default_rng(0).normal(size=(7, 1, 12, 12)).astype(np.float32)
    whole = session.run(None, {"data": images})[0]
    for k in range(7):
        np.testing.assert_allclose(session.run(None, {"data": images[k : k + 1]})[0], whole[k : k + 1], rtol=1e-4, atol=1e-5)


def test_training_goes_on_from_a_download(published: Path, tmp_path: Path) -> None:
    there = zoo.download("tuned", published.parents[1], tmp_path).path
    (there / "small.npz").write_bytes((published.parents[2] / "small.npz").read_bytes())  # the data do not travel
    tested = netc("test", there / "net.yaml", "--weights", there / "start.safetensors")
    assert tested.exit_code == 0 and "accuracy" in tested.output
    start = read_weights(str(there / "start.safetensors"))
    program = load(str(there / "net.yaml"))
    assert {n for n, s in program.states.items() if s.state.is_weight} == {n for n in start if not n.endswith(".history")}
    result = netc("train", there / "net.yaml", "--weights", there / "start.safetensors", "--runs", tmp_path / "r", "--zoo", tmp_path / "z")
    assert result.exit_code == 0, result.output
    again = json.loads((tmp_path / "z/tuned/1.0.0/manifest.json").read_text())
    assert again["base"] == json.loads((published / "manifest.json").read_text())["base"]


@pytest.mark.parametrize("name, said", [
    ("../small.npz", "may not read '../small.npz', which is outside of its folder"),
    ("https://127.0.0.1:1/a.onnx", "A net of a zoo has the file of its Model layer beside it."),
    ("other@1.0.0", "A net of a zoo has the file of its Model layer beside it."),
    ("/etc/hostname", "may not read '/etc/hostname'"),
])  # fmt: skip
def test_a_net_of_a_zoo_reads_only_its_own_file(published: Path, tmp_path: Path, name: str, said: str) -> None:
    there = zoo.download("tuned", published.parents[1], tmp_path).path
    (there / "small.npz").write_bytes((published.parents[2] / "small.npz").read_bytes())
    (there / "net.yaml").write_text((there / "net.yaml").read_text().replace("file: base.onnx", f"file: {name}"))
    with pytest.raises(SpecError, match=said.replace("?", r"\?")):
        load(str(there / "net.yaml"))


def test_the_command_line_may_name_another_file(published: Path, tmp_path: Path) -> None:
    there = zoo.download("tuned", published.parents[1], tmp_path).path
    (tmp_path / "own.onnx").write_bytes((there / "base.onnx").read_bytes())
    (there / "small.npz").write_bytes((published.parents[2] / "small.npz").read_bytes())
    (there / "base.onnx").unlink()
    assert load(str(there / "net.yaml"), "layers.body.file=../../own.onnx").train.loss is not None


def test_a_model_of_the_zoo_as_the_base(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETC_ZOO", str(published.parents[1]))
    text = NET.replace("file: base.onnx", "file: tuned@1.0.0").replace("output: flat", "output: body/Reshape")
    manifest = json.loads((published / "model.onnx").with_name("manifest.json").read_text())
    second = trained(tmp_path, text)
    found = json.loads((second / "manifest.json").read_text())
    assert [found["base"][0][key] for key in ("licence", "origin")] == [manifest["licence"], "tuned@1.0.0"]
    assert found["parent"]["version"] == "1.0.0" and found["parent"]["name"] == "tuned"
    names = {s.node.name for s in load(str(second / "net.yaml"), "layers.data.source=../../../small.npz").train.parameters}
    assert {"body.body.features.0.weight", "ip1.weight"} <= names


@pytest.mark.parametrize("licence, own, said", [
    ("", "Apache-2.0", "publishing needs the licence of base.onnx; add `licence:` to layer 'body'"),
    ("CC-BY-ND-4.0", "Apache-2.0", "forbids works that are made from it"),
    ("CC-BY-NC-4.0", "Apache-2.0", "forbids commercial use, which Apache-2.0 permits"),
])  # fmt: skip
def test_a_licence_that_forbids_is_told_before_the_training(tmp_path: Path, licence: str, own: str, said: str) -> None:
    text = NET.replace("name: body", f"{licence and f'licence: {licence}, '}name: body").replace("licence: Apache-2.0", f"licence: {own}")
    result = netc("train", tuned(tmp_path, text=text), "--runs", tmp_path / "runs", "--zoo", tmp_path / "zoo")
    assert result.exit_code == 2 and said in result.output and "tuned.yaml:4:" in result.output
    assert not (tmp_path / "runs").exists() and not (tmp_path / "zoo").exists()


def test_the_file_states_its_own_licence(tmp_path: Path) -> None:
    made = trained(tmp_path, NET, model=classifier(metadata={"license": "BSD-3-Clause"}))
    assert json.loads((made / "manifest.json").read_text())["base"][0]["licence"] == "BSD-3-Clause"


def test_external_data_travel_inside(tmp_path: Path) -> None:
    path = tuned(tmp_path, text=LICENSED)
    onnx.save(onnx.load(tmp_path / "base.onnx"), tmp_path / "base.onnx", save_as_external_data=True, location="base.bin", size_threshold=0)
    result = netc("train", path, "--runs", tmp_path / "runs", "--zoo", tmp_path / "zoo")
    assert result.exit_code == 0, result.output
    made = tmp_path / "zoo/tuned/1.0.0"
    assert not (made / "base.bin").exists() and zoo.verify(made) == []
    program = load(str(made / "net.yaml"), "layers.data.source=../../../small.npz")
    expected = load(tuned(tmp_path)).states["body.features.0.weight"].state.start()
    np.testing.assert_array_equal(program.states["body.features.0.weight"].state.start(), expected)


# ---- The file belongs to the run ----


def resumed(folder: Path, *options: str) -> tuple[int, str]:
    path = folder / "tuned.yaml"
    result = netc("train", path, "--runs", folder / "runs", "--no-publish", "--resume", "1", "--set", "solver.max_iter=40", *options)
    return result.exit_code, result.output


def test_a_run_refuses_a_file_that_has_changed(tmp_path: Path) -> None:
    path = tuned(tmp_path)
    assert netc("train", path, "--runs", tmp_path / "runs", "--no-publish").exit_code == 0
    save(tmp_path / "base.onnx", classifier(metadata={"changed": "1"}))
    code, output = resumed(tmp_path)
    assert code == 2 and "base.onnx has changed" in output
    code, output = resumed(tmp_path, "--allow-changed")
    assert code == 0, output
    assert sha256((tmp_path / "base.onnx").read_bytes()).hexdigest() in (tmp_path / "runs/tuned/1/net.yaml").read_text()


def test_a_run_knows_its_file_by_the_hash(tmp_path: Path) -> None:
    path = tuned(tmp_path)
    before = load(path).job.sha256
    assert netc("train", path, "--runs", tmp_path / "runs", "--no-publish").exit_code == 0
    (tmp_path / "models").mkdir()
    (tmp_path / "base.onnx").rename(tmp_path / "models/base.onnx")
    Path(path).write_text(Path(path).read_text().replace("file: base.onnx", "file: models/base.onnx"))
    assert resumed(tmp_path)[0] == 0  # it may move
    tuned(tmp_path, model=classifier(seed=1))
    assert load(path).job.sha256 != before
    with pytest.raises(SpecError, match="It is another file"):
        load(str(tmp_path / "runs/tuned/1/net.yaml"), "layers.body.file=../../../base.onnx")


# ---- Addresses ----


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """A web server with base.onnx; its address."""
    (tmp_path / "web").mkdir()
    save(tmp_path / "web/base.onnx", classifier())
    with serving(partial(Quiet, directory=str(tmp_path / "web"))) as address:
        yield address


def of_address(folder: Path, address: str, digest: str) -> str:
    return tuned(folder, f"file: '{address}', sha256: {digest},", text=NET.replace("file: base.onnx, ", ""))


def test_a_file_at_an_address(served: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    content = (tmp_path / "web/base.onnx").read_bytes()
    path = of_address(tmp_path, f"{served}/base.onnx", sha256(content).hexdigest())
    assert "body.features.0.weight" in load(path).states
    (tmp_path / "web/base.onnx").unlink()
    assert "body.features.0.weight" in load(path).states  # from the cache
    cached = next((tmp_path / "cache/netc/onnx").iterdir())
    cached.write_bytes(content[:-1])  # damaged: fetched again
    with pytest.raises(SpecError, match=r"Cannot download .*404"):
        load(path)


@pytest.mark.parametrize("name, digest, said", [
    ("base.onnx", "0" * 64, "has the SHA-256 .* Expected 0000"),
    ("none.onnx", "0" * 64, "Cannot download .*404"),
])  # fmt: skip
def test_bad_addresses(served: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, digest: str, said: str) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(SpecError, match=said):
        load(of_address(tmp_path, f"{served}/{name}", digest))
    assert not list((tmp_path / "cache/netc/onnx").iterdir())
