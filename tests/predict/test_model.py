"""`netc predict` and `netc.Model`: a published model on images and arrays."""

import io
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from PIL import Image

from netc import Model
from netc.errors import DataError
from netc.runtime.session import Session
from tests.commands.init.test_starters import folder_of_images
from tests.small_nets import NET, netc, write_small

PHOTOS = """\
name: photos
layers:
  - Data: {source: photos, batch_size: 4, test_fraction: 0.2, resize_height: 8, resize_width: 8, scale: 0.00390625, mean_value: 128}
  - InnerProduct: {num_output: 2, weight_filler: xavier}
  - Accuracy
  - SoftmaxWithLoss
solver: {base_lr: 0.1, momentum: 0.9, max_iter: 60}
licence: unknown
dataset_licence: unknown
"""


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zoo with a net for photographs, dark and bright, and one for arrays."""
    folder = tmp_path_factory.mktemp("zoo")
    folder_of_images(folder / "photos")
    for net, name in ((PHOTOS, "photos.yaml"), (NET, "small.yaml")):
        result = netc("train", write_small(folder, net, name), "--runs", folder / "runs", "--zoo", folder / "zoo")
        assert result.exit_code == 0, result.stderr
    return folder


def test_an_image_is_read_resized_and_named(zoo: Path, tmp_path: Path) -> None:
    dark, bright = zoo / "photos/dark/0.png", tmp_path / "new.jpg"
    Image.fromarray(np.full((99, 50, 3), 220, np.uint8)).save(bright)
    result = netc("predict", "photos", dark, bright, "--from", zoo / "zoo", "--top", 1)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"{dark}: dark 0.") or lines[0] == f"{dark}: dark 1.0000"
    assert lines[1].startswith(f"{bright}: bright ")


def test_grey_transparent_and_palette_images_are_read(zoo: Path, tmp_path: Path) -> None:
    for mode in ("L", "RGBA", "P"):
        Image.fromarray(np.full((20, 20), 230, np.uint8)).convert(mode).save(tmp_path / f"{mode}.png")
    found = Model("photos", str(zoo / "zoo")).predict([str(tmp_path / f"{m}.png") for m in ("L", "RGBA", "P")])
    assert [f.best[0][0] for f in found] == ["bright"] * 3


def test_rows_of_an_npy_file(zoo: Path, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(3, 1, 12, 12)).astype(np.float32)
    np.save(tmp_path / "rows.npy", rows)
    np.save(tmp_path / "one.npy", rows[1])
    result = netc("predict", zoo / "zoo/small/1.0.0", tmp_path / "rows.npy", tmp_path / "one.npy", "--top", 2)
    lines = [line.split(": ")[1] for line in result.stdout.splitlines()]
    assert len(lines) == 4 and lines[1] == lines[3] and all(len(line.split(", ")) == 2 for line in lines)
    prob = Session(zoo / "zoo/small/1.0.0/model.onnx").run({"data": rows})["prob"]
    assert lines[0].startswith(f"{prob[0].argmax()} {prob[0].max():.4f}, ")


def test_model_from_python_by_file_folder_and_name(zoo: Path) -> None:
    x = np.random.default_rng(0).normal(size=(4, 1, 12, 12)).astype(np.float32)
    models = [
        Model(zoo / "zoo/small/1.0.0/model.onnx"),
        Model(zoo / "zoo/small/1.0.0"),
        Model("small", str(zoo / "zoo")),
        Model("small@1.0.0", str(zoo / "zoo")),
    ]
    outputs = [m(x)["prob"] for m in models]
    assert all(np.array_equal(outputs[0], o) for o in outputs) and outputs[0].shape == (4, 10)
    assert models[0].input == "data" and models[0].input_shape == ("N", 1, 12, 12) and models[0].labels == []
    assert Model("photos", str(zoo / "zoo")).labels == ["bright", "dark"]


def test_labels_stand_in_the_model_itself_too(zoo: Path, tmp_path: Path) -> None:
    (tmp_path / "alone.onnx").write_bytes((zoo / "zoo/photos/1.0.0/model.onnx").read_bytes())
    assert Model(tmp_path / "alone.onnx").labels == ["bright", "dark"]


def test_outputs_that_are_no_scores_are_printed(tmp_path: Path) -> None:
    path = write_small(tmp_path, NET.replace("  - Accuracy\n  - SoftmaxWithLoss", "  - {type: EuclideanLoss, bottom: [conv1, conv1]}"))
    build = tmp_path / "build"
    assert netc("compile", path, "-o", build).exit_code == 0
    np.save(tmp_path / "x.npy", np.ones((1, 12, 12), np.float32))
    result = netc("predict", build / "model.onnx", tmp_path / "x.npy")
    assert result.exit_code == 0 and f"{tmp_path / 'x.npy'}[0]: " in result.stdout


AUTOENCODER = """\
name: codes
layers:
  - Data: {source: small.npz, top: data, batch_size: 16, test_fraction: 0.2}
  - InnerProduct: {name: encode, num_output: 3, weight_filler: xavier, param: [{name: w}, {}]}
  - Split: {top: [codes, code]}
  - InnerProduct: {name: decode, num_output: 144, transpose: true, param: [{name: w}, {}]}
  - SigmoidCrossEntropyLoss: {bottom: [decode, data]}
  - Sigmoid: {bottom: decode, top: reconstruction}
  - EuclideanLoss: {bottom: [reconstruction, data], top: error, loss_weight: 0}
solver: {base_lr: 0.0001, max_iter: 3}
licence: unknown
dataset_licence: unknown
"""


def test_codes_and_reconstructions(tmp_path: Path) -> None:
    """An autoencoder gives both, once each, printed or as arrays."""
    path = write_small(tmp_path, AUTOENCODER)
    with np.load(tmp_path / "small.npz") as arrays:
        rows = np.clip(arrays["data"], 0, 1)
    np.savez(tmp_path / "small.npz", data=rows)
    trained = netc("train", path, "--runs", tmp_path / "runs", "--zoo", tmp_path / "zoo")
    assert trained.exit_code == 0, trained.output
    rows = np.random.default_rng(0).normal(size=(3, 1, 12, 12)).astype(np.float32)
    np.save(tmp_path / "rows.npy", rows)
    result = netc("predict", tmp_path / "zoo/codes/1.0.0", tmp_path / "rows.npy")
    assert [line.split()[1] for line in result.stdout.splitlines()] == ["code", "reconstruction"] * 3
    kept = netc("predict", tmp_path / "zoo/codes/1.0.0", tmp_path / "rows.npy", "-o", tmp_path / "codes.npz")
    assert kept.exit_code == 0 and kept.stdout == ""
    with np.load(tmp_path / "codes.npz") as arrays:
        assert {n: a.shape for n, a in arrays.items()} == {"code": (3, 3), "reconstruction": (3, 144)}
        expected = Session(tmp_path / "zoo/codes/1.0.0/model.onnx").run({"data": rows})
        np.testing.assert_allclose(arrays["code"], expected["code"], rtol=1e-5, atol=1e-6)
    nowhere = netc("predict", tmp_path / "zoo/codes/1.0.0", tmp_path / "rows.npy", "-o", tmp_path / "none/codes.npz")
    assert nowhere.exit_code == 1 and "Cannot write" in nowhere.stderr


def test_what_cannot_be_predicted(zoo: Path, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "text.npy").write_text("no array")
    (tmp_path / "text.onnx").write_text("no model")
    np.save(tmp_path / "shape.npy", np.zeros((5, 5), np.float32))
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((1, 12, 12), np.float32))
    (tmp_path / "cut.npy").write_bytes(buffer.getvalue()[:200])
    np.save(tmp_path / "empty.npy", np.zeros((0, 1, 12, 12), np.float32))
    np.save(tmp_path / "complex.npy", np.zeros((1, 1, 12, 12), np.complex64))
    small, model = zoo / "zoo/small/1.0.0", "There is no such file"
    said = {
        (small, "none.png"): "none.png: There is no such file",
        (small, "none.npy"): "none.npy: There is no such file",
        (small, "text.png"): "text.png: ",
        (small, "text.npy"): "text.npy: It is not an .npy file",
        (small, "cut.npy"): "cut.npy: It is not an .npy file",
        (small, "shape.npy"): "the model expects an input of Nx1x12x12",
        (small, "empty.npy"): "empty.npy: is an empty array of shape 0x1x12x12",
        (small, "complex.npy"): "complex.npy: is an array of complex64; expected real numbers",
        (tmp_path / "none.onnx", "shape.npy"): f"none.onnx: {model}",
        (tmp_path / "text.onnx", "shape.npy"): "text.onnx: cannot be run",
        (tmp_path, "shape.npy"): "the folder has no model.onnx",
    }
    for (name, file), sentence in said.items():
        result = netc("predict", name, tmp_path / file)
        assert result.exit_code == 2 and sentence in result.stderr and "Traceback" not in result.stderr, (file, result.stderr)
    result = netc("predict", "smal", tmp_path / "shape.npy", "--from", zoo / "zoo")
    assert result.exit_code == 2 and "Did you mean 'small'?" in result.stderr


def test_an_array_model_takes_no_images(tmp_path: Path) -> None:
    table = (
        NET.split("  - Conv")[0].replace("small.npz", "rows.npz")
        + "  - InnerProduct: {num_output: 2}\n  - SoftmaxWithLoss\nsolver: {base_lr: 1, max_iter: 1}\n"
    )
    np.savez(tmp_path / "rows.npz", data=np.zeros((20, 5), np.float32), label=np.arange(20) % 2)
    assert netc("compile", write_small(tmp_path, table), "-o", tmp_path / "build").exit_code == 0
    with pytest.raises(DataError, match=r"The model takes arrays of Nx5, not images\. Use \.npy"):
        Model(tmp_path / "build").predict([str(tmp_path / "small.yaml")])
    assert json.loads(Model(tmp_path / "build").session.ort.get_modelmeta().custom_metadata_map["netc"])["classes"] == []


def test_a_folder_and_a_broken_image_in_it(zoo: Path, tmp_path: Path) -> None:
    for k, value in enumerate((20, 230, 30)):
        (tmp_path / "in" / "deep").mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((9, 9, 3), value, np.uint8)).save(tmp_path / "in" / "deep" / f"{k}.png")
    (tmp_path / "in" / "broken.png").write_bytes(b"no image")
    (tmp_path / "in" / "notes.txt").write_text("left out")
    (tmp_path / "in" / ".hidden.png").write_text("left out")
    result = netc("predict", "photos", "--from", zoo / "zoo", tmp_path / "in", zoo / "photos/dark/0.png")
    lines = result.stdout.splitlines()
    assert result.exit_code == 2 and "broken.png: " in result.stderr
    assert [line.split(": ")[1].split()[0] for line in lines] == ["dark", "bright", "dark", "dark"]
    result = netc("predict", "photos", "--from", zoo / "zoo", tmp_path / "in", "-o", tmp_path / "out.csv")
    assert result.exit_code == 2 and len((tmp_path / "out.csv").read_text().splitlines()) == 4
    with pytest.raises(DataError, match="broken.png"):
        Model("photos", str(zoo / "zoo")).predict([str(tmp_path / "in")])
    (tmp_path / "none").mkdir()
    result = netc("predict", "photos", "--from", zoo / "zoo", tmp_path / "none")
    assert result.exit_code == 2 and "the folder has no files for this model (looked for ." in result.stderr


@pytest.mark.skipif(sys.platform == "darwin", reason="names of files are UTF-8 there")
def test_a_name_that_is_no_utf_8(zoo: Path, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    Image.fromarray(np.full((9, 9, 3), 20, np.uint8)).save(path)
    result = netc("predict", "photos", "--from", zoo / "zoo", tmp_path, "-o", tmp_path / "out.csv")
    assert result.exit_code == 0 and "caf\N{REPLACEMENT CHARACTER}.png,dark" in (tmp_path / "out.csv").read_text("utf-8")


def test_rows_in_batches_have_the_scores_of_single_rows(zoo: Path, tmp_path: Path) -> None:
    """Files, folders and rows share batches. Errors stay between the predictions, in the order of the inputs."""
    rows = np.random.default_rng(1).normal(size=(150, 1, 12, 12)).astype(np.float32)
    np.save(tmp_path / "a.npy", rows[:100])
    np.save(tmp_path / "b.npy", rows[100:])
    model = Model("small", str(zoo / "zoo"))
    batches = list[int]()
    run: Callable[..., dict[str, np.ndarray]] = model.session.run

    def counted(feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        batches.append(len(feeds["data"]))
        return run(dict(feeds))

    with patch.object(model.session, "run", counted):
        found = list(model.predict_each([str(tmp_path / "a.npy"), "none.npy", str(tmp_path / "b.npy")]))
    assert batches == [100, 50] and [k for k, p in enumerate(found) if isinstance(p, DataError)] == [100]
    scores = np.array([p.outputs["prob"] for p in found if not isinstance(p, DataError)])
    np.testing.assert_allclose(scores, [model(row[None])["prob"][0] for row in rows], rtol=0, atol=1e-6)


def test_a_threshold_for_images(zoo: Path, tmp_path: Path) -> None:
    """The class by a threshold is first, and stands in the file."""
    path = zoo / "photos/bright/0.png"
    result = netc("predict", "photos", path, "--from", zoo / "zoo", "--threshold", 0, "-o", tmp_path / "o.csv")
    assert result.exit_code == 0 and "The class is 'dark' if its score is at least 0, else 'bright'." in result.stderr
    bright = netc("predict", "photos", path, "--from", zoo / "zoo").stdout.split(": ")[1]
    assert (tmp_path / "o.csv").read_text().splitlines()[1].split(",")[1] == "dark" and bright.startswith("bright ")
    several = netc("predict", "small", path, "--from", zoo / "zoo", "--threshold", 0.5)
    assert several.exit_code == 2 and "A threshold needs a model of two classes" in several.stderr
