"""`netc check`: figures that can be counted by hand, warnings, data, JSON."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc.commands import advice, check
from netc.compiler import memory
from netc.compiler import program as contract
from netc.compiler.memory import Step, peak
from netc.registry import load
from netc.spec import load_job
from tests.data.named.records import builtin, put
from tests.small_nets import NET, netc, write_small

load()


def program(folder: Path, text: str = NET) -> contract.Program:
    return contract.program(load_job(write_small(folder, text)), needs_solver=False)


def test_fields_see_what_kernels_and_strides_say(tmp_path: Path) -> None:
    layers = """\
layers:
  - Input: {top: data, shape: {dim: [2, 3, 40, 40]}}
  - Convolution: {num_output: 4, kernel_size: 5}
  - Pooling: {kernel_size: 2, stride: 2}
  - ReLU
  - Convolution: {num_output: 4, kernel_size: [3, 1], dilation: 2, stride: [1, 2]}
  - BatchNorm
  - InnerProduct: {num_output: 2}
"""
    fields = {r.name: r.field for r in check.rows(program(tmp_path, layers).train)}
    assert fields == {"data": "1/1", "conv1": "5/1", "pool1": "6/2", "relu1": "6/2", "conv2": "14x6/2x4", "bn1": "14x6/2x4", "ip1": ""}


def test_the_peak_of_tensors_counts_what_lives_at_once() -> None:
    steps = [
        Step(("x", "w"), {"a": 100}),
        Step(("a",), {"b": 100}, in_place=True),  # of a, which dies
        Step(("b",), {"c": 100}, view=True),  # another name for b
        Step(("c", "v"), {"d": 10}),
        Step(("d", "b"), {"e": 30}, in_place=True),
        Step(("w", "e"), {"next/w": 50}),
    ]
    assert peak(steps, ["e"], ["next/w"]) == 140  # b, d and e
    assert peak([*steps[:1], Step(("a",), {"b": 100}, in_place=True), Step(("a", "b"), {"f": 100}, in_place=True)], ["f"]) == 200


def test_memory_by_phase(tmp_path: Path) -> None:
    made = program(tmp_path)
    found = memory.memory(made)
    parameters = check.parameter_count(made.train)
    assert found.weights == 2 * 4 * parameters and found.optimizer == 2 * 4 * parameters
    assert found.batches == 5 * 4 * (16 * 144 + 16 * 2 + 16 * 16 + 1)  # images, labels of 8 bytes, the mask of Dropout, lr
    assert found.activations > found.testing > 16 * 4 * 10 * 10 * 4  # conv1's top alone
    states = 2 * (found.weights + found.optimizer)
    assert found.peak == memory.RUNTIME + states + found.batches + round(memory.ARENA * (found.activations + found.testing))


def test_json_has_what_the_table_has(tmp_path: Path) -> None:
    result = netc("check", write_small(tmp_path), "--json")
    said = json.loads(result.stdout)
    assert result.exit_code == 0 and [r["name"] for r in said["layers"]][:2] == ["data", "conv1"]
    assert said["memory"]["peak"] > said["memory"]["weights"] and said["lacks"]["training"]["CPU"] == {}
    assert said["data"][0]["rows"] == 160 and sum(said["data"][0]["labels"].values()) == 160 and said["warnings"] == []


def test_a_provider_that_lacks_an_op_is_named_with_the_layer(tmp_path: Path) -> None:
    result = netc("check", write_small(tmp_path))
    assert (
        "training: " in result.stdout
        and "supported by CPU, CUDA\n  WebGPU lacks Unsqueeze (loss, accuracy), OneHot (loss)" in result.stdout
    )


def test_data_that_are_not_here_are_no_error_and_their_command_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netc.data.named.download._fetch", lambda *_: pytest.fail("check downloads nothing"))
    put(monkeypatch, "mnist", replace(builtin("mnist"), package=None))
    result = netc("check", "nets/lenet.yaml", NETC_DATA=str(tmp_path), XDG_CACHE_HOME=str(tmp_path))
    assert result.exit_code == 0 and "run: netc data fetch mnist" in result.stdout
    result = netc("check", "nets/lenet.yaml", "--data", NETC_DATA=str(tmp_path), XDG_CACHE_HOME=str(tmp_path))
    assert result.exit_code == 2 and "run: netc data fetch mnist" in result.stderr


def test_data_reads_every_row(tmp_path: Path) -> None:
    path = write_small(tmp_path)
    with np.load(tmp_path / "small.npz") as arrays:
        rows, labels = arrays["data"].copy(), arrays["label"].copy()
    rows[7] = rows[8]
    np.savez(tmp_path / "small.npz", data=rows, label=labels)
    result = netc("check", path, "--data")
    assert result.exit_code == 0 and ("duplicate rows of TRAIN: 1" in result.stderr or "that are also in TRAIN: 1" in result.stderr)
    rows[3, 0, 0, 0], labels[5] = np.nan, 11
    np.savez(tmp_path / "small.npz", data=rows, label=labels)
    result = netc("check", path, "--data")
    assert result.exit_code == 2 and "contains NaN at small.npz: data[3], element [0, 0, 0]; remove these rows" in result.stderr
    assert "contains 11 at small.npz: label[5]; allowed values: whole numbers from 0 to 9 (ip2 has scores for 10 classes)" in result.stderr


def test_images_that_do_not_decode_are_all_named(tmp_path: Path) -> None:
    from PIL import Image

    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for k in range(2):
            Image.fromarray(np.full((8, 8), 9 * k, np.uint8)).save(tmp_path / "photos" / name / f"{k}.png")
    whole = (tmp_path / "photos" / "b" / "0.png").read_bytes()
    (tmp_path / "photos" / "b" / "0.png").write_bytes(whole[:-25])  # its header is whole
    layers = ("Data: {source: photos, batch_size: 1}", "InnerProduct: {num_output: 2}", "SoftmaxWithLoss")
    (tmp_path / "net.yaml").write_text("layers:\n" + "".join(f"  - {layer}\n" for layer in layers))
    result = netc("check", tmp_path / "net.yaml", "--data")
    assert result.exit_code == 2 and "b/0.png: " in result.stderr


HEAD = "layers:\n  - Data: {source: small.npz, batch_size: 16, test_fraction: 0.2}\n"
X = "weight_filler: xavier"
END = f"  - InnerProduct: {{num_output: 10, {X}}}\n  - Accuracy\n  - SoftmaxWithLoss\n"
SOLVER = "solver: {base_lr: 0.02, weight_decay: 0.001, max_iter: 60}\n"
SIGMOIDS = f"  - InnerProduct: {{num_output: 8, {X}}}\n  - Sigmoid\n" * 6

BOXES = (
    "  - PriorBox: {bottom: [data, data], min_size: 4}\n"
    + "".join(f"  - InnerProduct: {{name: {n}, bottom: data, num_output: {k * 144}, {X}}}\n" for n, k in (("loc", 4), ("conf", 2)))
    + "  - DetectionOutput: {bottom: [loc, conf, priors1], num_classes: 2, visualize: true, include: {phase: TEST}}\n"
)

# A net for each check that warns, and a piece of its sentence.
WARNED = {
    "unusual_rate": (HEAD + END + SOLVER.replace("0.02", "5"), "base_lr 5 is unusual for SGD; a typical value is 0.01"),
    "constant_rate_steps": (HEAD + END + SOLVER.replace("base", "lr_policy: step, gamma: 0.1, stepsize: 90, base"), "at iteration 90"),
    "no_decay": (HEAD + END + SOLVER.replace("weight_decay: 0.001, ", ""), "1,450 parameters, 160 rows and no weight_decay"),
    "rate_never_changes": (
        HEAD + END + SOLVER.replace("base", "lr_policy: plateau, gamma: 0.1, test_interval: 9, base"), "after 11 tests without improvement"
    ),
    "average_of_everything": (HEAD + END + SOLVER.replace("base", "ema: 0.99, base"), "averages about 100 iterations, but the run has 60"),
    "no_length": (HEAD + END + SOLVER.replace(", max_iter: 60", ""), "The length of the training is missing."),
    "one_phase": (
        HEAD.replace(", test_fraction: 0.2", ", include: {phase: TRAIN}") + END + SOLVER, "No data layer runs in phase TEST: 'data'",
    ),
    "same_name": (
        HEAD + "  - Dropout: {name: ip1}\n" + END.replace("10", "10, name: ip1") + SOLVER, "has the same name. netc calls this one",
    ),
    "no_matrices": (HEAD + END + SOLVER.replace("base", "type: Muon, base"), "AdamW updates all parameters"),
    "zero_start": (HEAD + "  - InnerProduct: {num_output: 9}\n  - ReLU\n" + END + SOLVER, "all weights start at 0"),
    "no_activation": (HEAD + f"  - InnerProduct: {{num_output: 99, {X}}}\n  - Dropout\n" + END + SOLVER, "without an activation"),
    "softmax_twice": (HEAD + END.replace("  - Accuracy", "  - Softmax") + SOLVER, "read 'ip1' instead"),
    "one_class": (HEAD.replace("small.npz", "one.npz") + END.replace("10", "1") + SOLVER, "the softmax of one score is always 1"),
    "equal_losses": (HEAD + END + "  - HingeLoss: {bottom: [ip1, label]}\n" + SOLVER, "all have weight 1"),
    "vanishing": (HEAD + SIGMOIDS + END + SOLVER, "6 saturating activations in a row"),
    "dead_tops": (HEAD + END + f"  - InnerProduct: {{bottom: data, num_output: 3, {X}}}\n" + SOLVER, "is not trained: no loss"),
    "foreign_messages": (HEAD + END.replace("num_output: 10", "num_output: 10, lrn_param: {}") + SOLVER, "which belongs to LRN"),
    "files_of_boxes": (HEAD + BOXES + END.replace("num_output", "bottom: data, num_output") + SOLVER,
                       "netc ignores `visualize`"),
    "metrics_in_training_only": (HEAD + END.replace("Accuracy", "Accuracy: {include: {phase: TRAIN}}") + SOLVER, "runs in training only"),
    "order_of_rows": (HEAD.replace("16", "16, shuffle: false") + END + SOLVER, "set `shuffle: true`"),
    "tests_on_training_rows": (HEAD.replace(", test_fraction: 0.2", "") + END + SOLVER, "the same rows as training"),
    "few_iterations": (HEAD + END + SOLVER.replace("60", "5"), "after 50% of the first epoch"),
    "scale_of_values": (HEAD.replace("small.npz", "bytes.npz") + END + SOLVER, "`scale: 0.00390625` to map bytes to 0 to 1"),
    "classes_seen": (HEAD.replace("small.npz", "one.npz") + END + SOLVER, "in the sample have class 0"),
    "pinned_batch": (HEAD + "  - Reshape: {shape: {dim: [16, 144]}}\n" + END + SOLVER, "model.onnx takes batches of 16 rows alone"),
}  # fmt: skip


CLUSTERS = HEAD + "  - KMeans: {bottom: data, num_output: 3}\nsolver: {max_epoch: 5}\n"
CODES = (
    f"  - InnerProduct: {{bottom: data, num_output: 9, {X}}}\n  - ReLU\n  - InnerProduct: {{name: code, num_output: 144, {X}}}\n"
    "  - Flatten: {bottom: data, top: row}\n  - EuclideanLoss: {name: error, bottom: [code, row], loss_weight: 0}\n"
)
STAGES = SOLVER.replace("{", "{pretrain: [{layer: error, max_epoch: 9, base_lr: 0.01}], ", 1)


@pytest.mark.parametrize("text", [CLUSTERS, HEAD + CODES + END + STAGES])
def test_nothing_is_wrong_with_what_learns_without_a_gradient_or_in_a_stage(tmp_path: Path, text: str) -> None:
    result = netc("check", write_small(tmp_path, text))
    assert result.exit_code == 0 and "is unusual" not in result.stderr and "is not trained" not in result.stderr


@pytest.mark.parametrize("name", WARNED)
def test_warning(name: str, tmp_path: Path) -> None:
    text, sentence = WARNED[name]
    path, random = write_small(tmp_path, text), np.random.default_rng(0)
    np.savez(tmp_path / "one.npz", data=random.normal(size=(99, 1, 4, 4)).astype(np.float32), label=np.zeros(99, np.int64))
    np.savez(tmp_path / "bytes.npz", data=random.integers(0, 256, (99, 1, 4, 4), np.uint8), label=np.arange(99) % 10)
    result = netc("check", path)
    assert result.exit_code == 0 and f"warning: {path}:" in result.stderr and sentence in result.stderr, result.stderr


def test_every_warning_has_its_net() -> None:
    assert {f.__name__ for f in advice.CHECKS} == WARNED.keys()


def test_a_sound_net_has_no_warning(tmp_path: Path) -> None:
    result = netc("check", write_small(tmp_path, HEAD + f"  - InnerProduct: {{num_output: 16, {X}}}\n  - ReLU\n" + END + SOLVER))
    assert result.exit_code == 0 and result.stderr == ""


@pytest.mark.parametrize("batch", [10, 1000])
def test_sorted_rows_are_not_uneven(tmp_path: Path, batch: int) -> None:
    """The rows of a class lie together; those of one sample would be of a few classes."""
    random = np.random.default_rng(0)
    label = np.repeat(np.arange(10), 600)
    np.savez(tmp_path / "sorted.npz", data=random.normal(size=(6000, 4)), label=label)
    text = f"""\
name: sorted
layers:
  - Data: {{source: sorted.npz, batch_size: {batch}, test_source: sorted.npz, shuffle: false}}
  - InnerProduct: {{num_output: 10, weight_filler: xavier}}
  - SoftmaxWithLoss
solver: {{base_lr: 0.01, max_iter: 1000}}
"""
    (tmp_path / "net.yaml").write_text(text)
    result = netc("check", tmp_path / "net.yaml")
    assert result.exit_code == 0 and "uneven" not in result.stderr, result.stderr
    assert "labels 0 to 9, 10 classes, 0.1 to 0.1 of the rows each" in result.stdout
    np.savez(tmp_path / "sorted.npz", data=random.normal(size=(6000, 4)), label=np.repeat([0, 1], [5900, 100]))
    assert "classes of TEST are imbalanced: 5900 rows of class 0, 100 of class 1" in netc("check", tmp_path / "net.yaml").stderr


TWO = """\
layers:
  - Data: {name: data, source: two.npz, batch_size: 10, test_fraction: 0.2, top: [a, b, label]}
  - Concat: {bottom: [a, b]}
  - InnerProduct: {num_output: 3, weight_filler: xavier}
  - SoftmaxWithLoss
solver: {base_lr: 0.1, max_iter: 20}
"""


def test_a_source_with_two_features(tmp_path: Path) -> None:
    """Rows are copies where both are alike, labels are those of the third top, and NaN is found in the second feature."""
    random = np.random.default_rng(0)
    arrays: dict[str, Any] = {
        "a": np.zeros((60, 4), np.float32),
        "b": random.normal(size=(60, 3)).astype(np.float32),
        "label": np.arange(60) % 3,
    }
    np.savez(tmp_path / "two.npz", **arrays)
    result = netc("check", write_small(tmp_path, TWO), "--data")
    assert result.exit_code == 0 and result.stderr == ""
    assert "10x4 10x3 10" in result.stdout and "TRAIN data: 48 rows" in result.stdout
    assert result.stdout.count("labels 0 to 2, 3 classes") == 2
    arrays["b"][50:] = arrays["b"][0]
    np.savez(tmp_path / "two.npz", **arrays)
    assert "duplicate rows of " in netc("check", write_small(tmp_path, TWO), "--data").stderr
    arrays["b"][7, 1] = np.nan
    np.savez(tmp_path / "two.npz", **arrays)
    result = netc("check", write_small(tmp_path, TWO), "--data")
    assert result.exit_code == 2 and "'b' of TRAIN contains NaN at two.npz: b[7], element [1]" in result.stderr.replace(
        str(tmp_path) + "/", ""
    )
