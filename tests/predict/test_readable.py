"""Predictions that are texts or classes of pixels: of nets that are trained for a moment, published and run."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from netc.errors import DataError
from netc.predict.model import Model
from netc.predict.readable import MaskPrediction, TextPrediction, letters, readable
from netc.predict.results import Prediction, save
from tests.small_nets import netc

META = "licence: MIT\ndataset_licence: MIT\n"
OCR = """name: lines
layers:
  - Data: {source: rows.npz, batch_size: 4, classes: [a, b, c]}
  - Permute: {order: [3, 0, 1, 2]}
  - InnerProduct: {num_output: 4, axis: 2, weight_filler: xavier}
  - CTCLoss: {blank: -1, top: [loss, text]}
  - CharacterErrorRate: {bottom: [text, label]}
solver: {type: Adam, base_lr: 0.01, max_iter: 3}
"""
PIXELS = """name: pixels
layers:
  - Data: {source: rows.npz, batch_size: 4, classes: [sky, road]}
  - Convolution: {name: scores, num_output: 2, kernel_size: 1, weight_filler: xavier}
  - MeanIoU
  - SoftmaxWithLoss
solver: {type: Adam, base_lr: 0.01, max_iter: 3}
"""


def trained(folder: Path, text: str, label: np.ndarray) -> Path:
    """The folder of a published model, and images beside it."""
    images = np.random.default_rng(0).integers(0, 255, (8, 1, 6, 10), dtype=np.uint8)
    np.savez(folder / "rows.npz", data=images, label=label)
    for k in range(3):
        Image.fromarray(images[k, 0]).save(folder / f"{k}.png")
    np.save(folder / "rows.npy", images)
    (folder / "net.yaml").write_text(text + META)
    done = netc("train", folder / "net.yaml", "--zoo", folder / "zoo", "--runs", folder / "runs")
    assert done.exit_code == 0, done.stderr
    return next((folder / "zoo").glob("*/1.0.0"))


def runs(model: Path, images: np.ndarray) -> np.ndarray:
    """The first output in plain onnxruntime."""
    session = onnxruntime.InferenceSession(model / "model.onnx", providers=["CPUExecutionProvider"])
    found: np.ndarray = session.run(None, {"data": images.astype(np.float32)})[0]
    return found


def test_lines_of_text(tmp_path: Path) -> None:
    model = trained(tmp_path, OCR, np.array([[0, 1, -1], [2, 2, 0]] * 4))
    images = np.load(tmp_path / "rows.npy")
    whole = runs(model, images)
    np.testing.assert_array_equal(np.concatenate([runs(model, images[:3]), runs(model, images[3:])]), whole)
    words = ["".join("abc"[k] for k in row if k >= 0) for row in whole]
    found = Model(model).predict([str(tmp_path / "0.png"), str(tmp_path / "rows.npy")])
    assert [p.text.split(": ")[1] for p in found] == [words[0], *words]
    save(found, str(tmp_path / "o.csv"))
    assert (tmp_path / "o.csv").read_text().splitlines()[:2] == ["input,text", f"{tmp_path}/0.png,{words[0]}"]
    save(found, str(tmp_path / "o.json"))
    assert json.loads((tmp_path / "o.json").read_text())[0]["text"] == words[0]
    save(found, str(tmp_path / "o.npz"))
    assert np.load(tmp_path / "o.npz")["text"].shape == (9, 10)
    with pytest.raises(DataError, match="This model predicts neither"):
        save(found[:1], str(tmp_path / "o.png"))


SOUND = """name: sound
layers:
  - Data: {source: rows.npz, time_major: true, top: [data, label, cont], batch_size: 4, classes: [a, b, c]}
  - InnerProduct: {num_output: 4, axis: 2, weight_filler: xavier}
  - GRU: {bottom: [ip1, cont], num_output: 4, carry: false, weight_filler: xavier}
  - CTCLoss: {bottom: [gru1, label, cont], blank: -1, top: [loss, text]}
solver: {type: Adam, base_lr: 0.01, max_iter: 2}
"""


def test_the_padding_of_a_sequence_has_no_text(tmp_path: Path) -> None:
    """The deployed decoder reads the cont too, so a short sequence gives the same text in a longer array."""
    rng = np.random.default_rng(0)
    data, label = rng.normal(size=(8, 12, 3)).astype(np.float32), np.array([[0, 1], [2, -1]] * 4)
    np.savez(tmp_path / "rows.npz", data=data, label=label, length=[12, 7, 9, 12, 5, 12, 12, 12])
    (tmp_path / "net.yaml").write_text(SOUND + META)
    done = netc("train", tmp_path / "net.yaml", "--zoo", tmp_path / "zoo", "--runs", tmp_path / "runs")
    assert done.exit_code == 0, done.stderr
    session = onnxruntime.InferenceSession(tmp_path / "zoo/sound/1.0.0/model.onnx", providers=["CPUExecutionProvider"])
    cont = (np.arange(12)[:, None] < np.array([5, 12])) & (np.arange(12)[:, None] > 0)
    found = session.run(["text"], {"data": data[:2].transpose(1, 0, 2), "cont": cont.astype(np.float32)})[0]
    other = data[:2].copy()
    other[0, 5:] = 9
    again = session.run(["text"], {"data": other.transpose(1, 0, 2), "cont": cont.astype(np.float32)})[0]
    np.testing.assert_array_equal(found, again)
    assert (found[0] >= 0).sum() <= 5


def test_classes_of_pixels(tmp_path: Path) -> None:
    model = trained(tmp_path, PIXELS, np.random.default_rng(1).integers(0, 2, (8, 6, 10), dtype=np.uint8))
    wanted = runs(model, np.load(tmp_path / "rows.npy")).argmax(1)
    (one,) = Model(model).predict(str(tmp_path / "0.png"))
    shares = sorted(((wanted[0] == k).mean(), name) for k, name in enumerate(("sky", "road")))[::-1]
    assert one.text == f"{tmp_path}/0.png: " + ", ".join(f"{name} {share:.1%}" for share, name in shares if share)
    save([one], str(tmp_path / "o.png"))
    with Image.open(tmp_path / "o.png") as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(np.asarray(image), wanted[0])
    several = Model(model).predict(str(tmp_path / "rows.npy"))
    save(several, str(tmp_path / "o.npz"))
    np.testing.assert_array_equal(np.load(tmp_path / "o.npz")["mask"], wanted)
    save(several, str(tmp_path / "o.csv"))
    assert (tmp_path / "o.csv").read_text().startswith("input,mask.0.0,mask.0.1,")
    with pytest.raises(DataError, match="A .png file holds one image, but there are 8"):
        save(several, str(tmp_path / "p.png"))


def test_texts_of_labels() -> None:
    assert letters(np.array([2, 0, 0, -1, -1]), ["a", "b", "c"]) == "caa"
    assert letters(np.array([1, 0, -1]), ["yes", "no"]) == "no yes"
    assert letters(np.array([1, 12, -1]), []) == "1 12" and letters(np.array([3, -1]), ["a"]) == "3"


def test_other_outputs_stay_arrays() -> None:
    outputs = {"prob": np.zeros((2, 3, 3), np.float32)}
    assert readable("x", outputs, {}, []) is None
    assert isinstance(readable("x", outputs, {"pixels": ["prob"]}, []), MaskPrediction)
    assert isinstance(readable("x", {"t": np.array([0, -1])}, {"decoded": ["t"]}, ["a"]), TextPrediction)
    many = readable("x", {"prob": np.zeros((300, 2, 2), np.float32)}, {"pixels": ["prob"]}, [])
    assert many is not None
    with pytest.raises(DataError, match="at most 256 classes"):
        _ = many.picture
    with pytest.raises(DataError, match="predicts neither"):
        _ = Prediction("x", outputs, ()).picture
