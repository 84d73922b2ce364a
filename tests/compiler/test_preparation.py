"""The description of the inputs in train.json, for every kind of source."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from netc import api
from netc.compiler.compilation import Compilation
from netc.compiler.preparation import batch_facts
from netc.compiler.program import Program
from netc.compiler.step_files import write
from netc.spec.job import load_job
from tests.small_nets import NET, write_small
from tests.small_trees import write_trees


def facts(path: str | Path) -> tuple[dict[str, dict[str, Any]], dict[str, np.ndarray]]:
    """How the batches of a file's training net are prepared, and its mean images."""
    made = Program(Compilation.of(load_job(str(path))))
    return batch_facts(made.train_net, made.job.base, "vocabulary.txt" if made.vocabulary else ())


def written(folder: Path, layers: str) -> Path:
    path = folder / "net.yaml"
    path.write_text("layers:\n" + "".join(f"  - {line}\n" for line in layers.splitlines()))
    return path


@pytest.mark.parametrize(
    "type_, order", [("Data: {source: photos, batch_size: 2", "RGB"), ("ImageData: {source: list.txt, batch_size: 2", "BGR")]
)
def test_images(tmp_path: Path, type_: str, order: str) -> None:
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.fromarray(np.zeros((8, 9, 3), np.uint8)).save(tmp_path / "photos" / name / "0.png")
    (tmp_path / "list.txt").write_text("photos/a/0.png 0\nphotos/b/0.png 1\n")
    np.save(tmp_path / "mean.npy", np.arange(3 * 8 * 9, dtype=np.float32).reshape(3, 8, 9))
    path = written(tmp_path, f"{type_}, scale: 0.5, mean_file: mean.npy, crop_size: 5, mirror: true}}\nInnerProduct: {{num_output: 2}}")
    said, means = facts(path)
    data, label = said["batch/data"], said["batch/label"]
    assert (data["channels"], data["scale"], data["mean"]) == (order, 0.5, "mean.npy")
    assert data["crop"] == {"size": [5, 5], "training": "random", "testing": "central"} and data["mirror"] == "in training, by chance"
    assert means["mean.npy"].shape == (3, 8, 9) and np.array_equal(means["mean.npy"], np.load(tmp_path / "mean.npy"))
    assert label.get("classes") == (["a", "b"] if order == "RGB" else None) and label["role"] == "label"


def test_means_of_channels(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", data=np.zeros((4, 3, 2, 2), np.uint8))
    path = written(
        tmp_path, "Data: {source: x.npz, top: data, batch_size: 2, mean_value: [1, 2, 3], std_value: 4}\nInnerProduct: {num_output: 2}"
    )
    said, means = facts(path)
    assert (said["batch/data"]["mean"], said["batch/data"]["scale"], means) == ([1.0, 2.0, 3.0], 0.25, {})


def test_tables(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("width,kind,height\n" + "".join(f"{k},{'ab'[k % 2]},{k + 1}\n" for k in range(8)))
    said, _ = facts(written(tmp_path, "Data: {source: t.csv, label_column: kind, batch_size: 2}\nInnerProduct: {num_output: 2}"))
    assert said["batch/data"]["columns"] == ["width", "height"] and said["batch/data"]["rows"] == 8
    assert said["batch/label"]["classes"] == ["a", "b"]


def test_series(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("x,y\n" + "".join(f"{k},{k * k}\n" for k in range(20)))
    said, _ = facts(written(tmp_path, "Data: {source: s.csv, label_column: y, steps: 3, batch_size: 2}\nInnerProduct: {num_output: 2}"))
    data = said["batch/data"]
    assert (data["batch_axis"], data["steps"], data["columns"], data["forecasts"]) == (1, 3, ["x", "y"], "y")


def test_texts(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("the cat sat on the mat. " * 40)
    layers = "Data: {source: t.txt, tokens: WORDS, most_tokens: 6, steps: 5, batch_size: 2}\nEmbed: {input_dim: 6, num_output: 3}"
    said, _ = facts(written(tmp_path, layers))
    data = said["batch/data"]
    assert (data["tokens"], data["vocabulary"], data["steps"], "classes" in data) == ("words", "vocabulary.txt", 5, False)
    assert len(said["batch/label"]["classes"]) == 6


def test_lengths_become_marks(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", data=np.zeros((6, 4, 2), np.float32), length=np.full(6, 3), label=np.arange(6) % 2)
    layers = "Data: {source: x.npz, top: [data, cont, label], time_major: true, batch_size: 2}\nLSTM: {bottom: [data, cont], num_output: 2}"
    said, _ = facts(written(tmp_path, layers))
    assert said["batch/cont"]["meaning"] == "0 at the first step of a sequence, 1 at its others, 0 after its end"
    assert [said[f"batch/{n}"]["role"] for n in ("data", "cont", "label")] == ["input", "input", "label"]


def test_trees(tmp_path: Path) -> None:
    path = write_trees(tmp_path)
    write(api.load(str(path)), tmp_path / "build")
    said = {b["name"]: b for b in json.loads((tmp_path / "build/train.json").read_text())["batch"]}
    words = [f"batch/{n}" for n in ("word", "child", "width")]
    assert [said[n]["role"] for n in words] == ["input"] * 3 and said["batch/child"]["meaning"].startswith(
        "the two children of each inner node"
    )
    assert said["batch/word"]["vocabulary"] == "vocabulary.txt" and (tmp_path / "build/vocabulary.txt").exists()
    assert "classes" not in said["batch/child"] and said["batch/word"]["batch_axis"] is None


def test_arrays_without_names_have_none(tmp_path: Path) -> None:
    said, _ = facts(write_small(tmp_path, NET))
    assert "classes" not in said["batch/label"] and said["batch/data"]["channels"] == "grey"


def test_augmented_and_mixed_rows(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", data=np.zeros((6, 3, 8, 8), np.uint8), label=np.arange(6) % 2)
    layers = """Data: {source: x.npz, batch_size: 2, pad: 2, mirror: true, rotation: 9, color_jitter: {hue: 0.25}, mixup_alpha: 0.5}
InnerProduct: {num_output: 2}
SoftmaxWithLoss"""
    found, _ = facts(written(tmp_path, layers))
    data = found["batch/data"]
    assert data["pad"] == {"pixels": 2, "mode": "CONSTANT", "only": "in training"} and data["crop"]["size"] == [8, 8]
    assert data["augmentation"] == {"rotation": 9.0, "color_jitter": {"hue": 0.25}, "mixup_alpha": 0.5}
    assert (
        "the row that is mixed in" in found["batch/label.partner"]["meaning"] and "from 0.5 to 1" in found["batch/label.share"]["meaning"]
    )
    assert "meaning" not in found["batch/label"]
