"""What a user sees when something is wrong: the place, a sentence, the exit code; never a traceback."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc.compiler.solver import MOST_THREADS
from netc.errors import MAX_ERRORS, DataError, Diagnostic, NetcError, Place, SpecError, ZooError, near
from tests.data.named.records import builtin, put
from tests.small_nets import NET, netc, netc_process, write_small

PROTOTXT = """\
name: "small"
layer {
  name: "data" type: "Data" top: "data" top: "label"
  data_param { source: "small.npz" batch_size: 16 }
}
layer {
  name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 }
}
layer {
  name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 }
}
layer {
  name: "ip1" type: "InnerProduct" bottom: "pool1" top: "ip1"
  inner_product_param { num_output: 10 }
}
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip1" bottom: "label" top: "loss" }
solver { base_lr: 0.1 max_iter: 9 }
"""

# What is replaced by what, the place of the error, and pieces of the sentence.
YAML_ERRORS = {
    "unknown field": ("num_output: 4, kernel", "num_output: 4, kernal", "4:34",
                      ["Convolution has no field 'kernal_size'", "'kernel_size'"]),
    "unknown type": ("Pooling: {kernel_size: 2, stride: 2}", "Poling", "5:5", ["no layer type 'Poling'", "Did you mean 'Pooling'"]),
    "unknown bottom": ("{num_output: 16,", "{bottom: pol1, num_output: 16,", "6:20", ["'ip1'", "reads 'pol1'", "Did you mean 'pool1'"]),
    "shape mismatch": ("kernel_size: 3,", "kernel_size: 30,", "4:34",
                       ["'conv1'", "kernel of 30 does not fit into 12", "data is 16x1x12x12"]),
    "missing num_output": ("num_output: 16, ", "", "6:5", ["'ip1' (InnerProduct)", "`num_output` is missing"]),
    "bad enum": ("{kernel_size: 2,", "{pool: MAXX, kernel_size: 2,", "5:21", ["`pool` cannot be 'MAXX'.", "Did you mean 'MAX'"]),
    "tabs": ("  - Pooling", "\t- Pooling", "5:1", ["indented with a tab", "only spaces"]),
}  # fmt: skip

PROTOTXT_ERRORS = {
    "unknown field": ("4 kernel", "4 kernal", "8:37", ["ConvolutionParameter has no field 'kernal_size'", "'kernel_size'"]),
    "unknown type": ('"Pooling"', '"Poling"', "11:17", ["no layer type 'Poling'", "Did you mean 'Pooling'"]),
    "unknown bottom": ('bottom: "pool1"', 'bottom: "pol1"', "15:36", ["reads 'pol1'", "Did you mean 'pool1'"]),
    "shape mismatch": ("kernel_size: 3", "kernel_size: 30", "8:37", ["'conv1'", "kernel of 30 does not fit into 12"]),
    "missing num_output": ("num_output: 10", "", "16:3", ["'ip1' (InnerProduct)", "`num_output` is missing"]),
    "bad enum": ("MAX", "MAXX", "12:25", ["`pool` cannot be 'MAXX'.", "Did you mean 'MAX'"]),
}  # fmt: skip


@pytest.mark.parametrize("spelling, mistake", [("yaml", f) for f in YAML_ERRORS] + [("prototxt", f) for f in PROTOTXT_ERRORS])
def test_a_wrong_net_is_told_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelling: Any, mistake: Any) -> None:
    monkeypatch.chdir(tmp_path)
    good = NET if spelling == "yaml" else PROTOTXT
    old, new, place, pieces = (YAML_ERRORS if spelling == "yaml" else PROTOTXT_ERRORS)[mistake]
    assert good.count(old) == 1
    write_small(tmp_path, good.replace(old, new), name := f"small.{spelling}")
    result = netc("check", name)
    assert result.exit_code == 2
    assert f"{name}:{place}: " in result.stderr, result.stderr
    assert all(piece in result.stderr for piece in pieces), result.stderr
    assert result.stderr.count(f"{name}:{place}: ") == 1 and "Traceback" not in result.stderr


@pytest.mark.parametrize("spelling", ["yaml", "prototxt"])
def test_the_nets_without_the_errors_are_well(tmp_path: Path, spelling: str) -> None:
    assert netc("check", write_small(tmp_path, NET if spelling == "yaml" else PROTOTXT, f"small.{spelling}")).exit_code == 0


def test_an_empty_and_a_binary_file_in_a_process_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").touch()
    (tmp_path / "binary.prototxt").write_bytes(np.random.default_rng(0).bytes(300))
    said = {"empty.yaml": "The file is empty", "binary.prototxt": "Expected the text of a net. This is a binary file"}
    for name, sentence in said.items():
        process = netc_process("train", name, cwd=tmp_path)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (2, "")
        assert err.startswith(f"netc: {name}: {sentence}") and "Traceback" not in err
    assert not (tmp_path / "runs").exists()


def places(text: str) -> list[str]:
    return [line.split(": ")[0] for line in text.splitlines() if line.startswith("small.yaml:")]


def test_all_errors_of_a_file_are_listed_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_small(
        tmp_path,
        NET.replace("kernel_size: 3", "kernal_size: 3")
        .replace("{kernel_size: 2", "{pool: M, kernel_size: 2")
        .replace("momentum", "momntum"),
    )
    assert places(netc("check", "small.yaml").stderr) == ["small.yaml:4:34", "small.yaml:5:21", "small.yaml:12:25"]
    write_small(
        tmp_path,
        NET.replace("ReLU", "{type: ReLU, name: ip1, bottom: nothing, top: ip1}")
        .replace("{num_output: 16", "{bottom: x, num_output: 16")
        .replace("inv", "in"),
    )
    text = netc("check", "small.yaml").stderr
    assert places(text) == ["small.yaml:6:20", "small.yaml:7:29", "small.yaml:12:62"], text


def test_shapes_and_solver_are_listed_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_small(tmp_path, NET.replace("kernel_size: 3", "kernel_size: 30").replace("base_lr: 0.02, ", ""))
    text = netc("check", "small.yaml").stderr
    assert "small.yaml:4:34: Layer 'conv1'" in text and "Solver: `base_lr` is missing" in text


def test_an_error_of_the_training_net_alone_is_listed_with_the_solver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_small(tmp_path, NET.replace("solver:", "  - InnerProduct: {include: {phase: TRAIN}}\nsolver:").replace("base_lr: 0.02, ", ""))
    text = netc("check", "small.yaml").stderr
    assert "small.yaml:12:5: Layer 'ip3' (InnerProduct): `num_output` is missing" in text and "Solver: `base_lr` is missing" in text


SOLVER_ERRORS = {
    "type: Adm": ["no solver type 'Adm'", "'Adam'"],
    "type: RMSProp": ["RMSProp does not use `momentum`"],
    "lr_policy: stp": ["no `lr_policy` 'stp'", "'step'"],
    "lr_policy: step": ["`stepsize` is missing, which `lr_policy` 'step' needs."],
    "threads: 1000": ["`threads` must be from 0 to 256, not 1000"],
    "iter_size: 0": ["`iter_size` must be 1 or more, not 0"],
    "type: AdaDelta, momentum: 0.9, delta: 0": ["`delta` must be above 0, as AdaDelta"],
    "delta: -1": ["`delta` must be 0 or more, not -1"],
    "lr_policy: poly, power: -1": ["`power` must be 0 or more, not -1, with lr_policy poly"],
    "lr_policy: step, stepsize: 9, gamma: -1": ["`gamma` must be 0 or more, not -1, with lr_policy step"],
    "lr_policy: exp, gamma: 1.0e+10": ["The learning rate of `lr_policy` 'exp' is inf at iteration 59."],
    "lr_policy: sigmoid, stepsize: 9, gamma: .inf": ["`gamma` must be a number, not inf"],
    "clip_gradients: 0": ["`clip_gradients` must be above 0, or negative for no limit, not 0"],
    "test_iter: [0]": ["`test_iter` must be 1 or more, not 0"],
    "average_loss: 0": ["`average_loss` must be 1 or more, not 0"],
    "patience: -1": ["`patience` must be 0 or more, not -1"],
    "max_iter: -5": ["`max_iter` must be 0 or more, not -5"],
    "momentum: 1": ["`momentum` must be from 0 to below 1, not 1"],
    "base_lr: .inf": ["`base_lr` must be 0 or more, not inf"],
    "max_epoch: 3": ["either `max_iter` or `max_epoch`"],
    "regularization_type: L3": ["L1 or L2, not 'L3'"],
}


@pytest.mark.parametrize("change", SOLVER_ERRORS)
def test_a_wrong_solver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    monkeypatch.chdir(tmp_path)
    lines = NET.splitlines()
    given = {field.partition(":")[0] for field in change.split(", ")} | ({"gamma", "power"} if "lr_policy" in change else set())
    for k, line in enumerate(lines):
        if k > 10:  # a field that the change sets stands once
            lines[k] = re.sub(rf"\b({'|'.join(given)}): [^,}}]*,? ?", "", line)
    write_small(tmp_path, "\n".join(lines).replace("solver: {", f"solver: {{{change}, "))
    result = netc("check", "small.yaml")
    assert result.exit_code == 2 and "small.yaml:12:" in result.stderr
    assert all(piece in result.stderr for piece in SOLVER_ERRORS[change]), result.stderr


def test_threads_on_the_command_line_are_limited_like_those_of_a_solver(tmp_path: Path) -> None:
    result = netc("train", write_small(tmp_path), "--threads", str(MOST_THREADS + 1))
    assert result.exit_code == 2 and f"1<=x<={MOST_THREADS}" in result.stderr


SET_ERRORS = {
    "solver.max_iter": "Expected PATH=VALUE",
    "solver.=3": "Expected PATH=VALUE",
    "solver=3": "`solver` must be a mapping",
    "solver.max_itr=5": "Did you mean 'max_iter'?",
    "solver.max_iter=": "`max_iter` has no value.",
    "solver.max_iter=many": "`max_iter` must be a whole number",
    "slover.max_iter=5": "Did you mean 'solver'?",
    "layers.conv1=3": "The field is missing. Write `layers.conv1.FIELD=VALUE`.",
    "layers.conv.num_output=3": "There is no layer 'conv'. Did you mean 'conv1'?",
    "layers.conv1.num_outpt=3": "Did you mean 'num_output'?",
}


def test_wrong_set_paths_are_all_told(tmp_path: Path) -> None:
    path = write_small(tmp_path)
    result = netc("check", path, *(word for change in SET_ERRORS for word in ("--set", change)))
    assert result.exit_code == 2
    for change, sentence in SET_ERRORS.items():
        assert any(line.startswith(f"--set {change}: ") and sentence in line for line in result.stderr.splitlines()), (
            change,
            result.stderr,
        )


def test_a_missing_file_names_what_is_near(tmp_path: Path) -> None:
    write_small(tmp_path)
    result = netc("train", tmp_path / "smal.yaml")
    assert result.exit_code == 2 and "There is no such file. Did you mean 'small.yaml'?" in result.stderr
    result = netc("train", tmp_path / "nowhere" / "smal.yaml")
    assert result.exit_code == 2 and "There is no folder" in result.stderr


def test_a_missing_data_file(tmp_path: Path) -> None:
    path = write_small(tmp_path, NET.replace("small.npz", "smal.npz"))
    result = netc("train", path)
    assert result.exit_code == 2
    assert (
        f"{path}:3:12: Layer 'data': " in result.stderr
        and "smal.npz'. Paths are relative to the folder of the net. Did you mean 'small.npz'?" in result.stderr
    )


def test_a_data_set_that_is_not_here_names_the_command_that_gets_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object) -> None:
        raise DataError("no network")

    monkeypatch.setattr("netc.data.named.lookup.download", no_network)
    put(monkeypatch, "mnist", replace(builtin("mnist"), package=None))
    path = write_small(tmp_path, NET.replace("small.npz", "mnist").replace(", test_fraction: 0.2", ""))
    result = netc(
        "train", path, "--no-publish", "--runs", tmp_path / "runs", NETC_DATA=str(tmp_path / "nowhere"), XDG_CACHE_HOME=str(tmp_path)
    )
    assert result.exit_code == 1
    assert "run: netc data fetch mnist" in result.stderr and "(from NETC_DATA)" in result.stderr


def test_runs_and_zoo_that_cannot_be_written_are_told_before_the_run(tmp_path: Path) -> None:
    path = write_small(tmp_path)
    (tmp_path / "file").touch()
    result = netc("train", path, "--no-publish", "--runs", tmp_path / "file")
    assert result.exit_code == 1 and f"Cannot write {tmp_path / 'file' / 'small'}: " in result.stderr
    result = netc("train", path, "--zoo", tmp_path / "file", "--runs", tmp_path / "runs")
    assert result.exit_code == 1 and "cannot publish here" in result.stderr and not (tmp_path / "runs").exists()
    result = netc("train", path, "--zoo", "https://example.org/zoo", "--runs", tmp_path / "runs")
    assert result.exit_code == 1 and "pass --zoo DIR or --no-publish" in result.stderr and not (tmp_path / "runs").exists()


def test_wrong_weights(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    path = write_small(tmp_path)
    save_file({"other.weight": np.zeros(3, np.float32)}, tmp_path / "other.safetensors")
    save_file({"conv1.weight": np.zeros((9, 9), np.float32)}, tmp_path / "shape.safetensors")
    said = {
        "missing.safetensors": "There is no such file",
        "small.npz": "This is a ZIP archive",
        "other.safetensors": "contains no weights for this net; the net has conv1.",
        "shape.safetensors": "but 4x1x3x3 in the net; to train layer 'conv1' from scratch",
    }
    for name, sentence in said.items():
        result = netc("test", path, "--weights", tmp_path / name)
        assert result.exit_code == 2 and name in result.stderr and sentence in result.stderr, result.stderr


def test_a_net_without_a_loss(tmp_path: Path) -> None:
    path = write_small(tmp_path, NET.replace("  - SoftmaxWithLoss\n", ""))
    result = netc("train", path)
    assert result.exit_code == 2 and f"{path}: The net has no loss in phase TRAIN" in result.stderr


def test_a_net_that_learns_nothing(tmp_path: Path) -> None:
    frozen = "param: [{lr_mult: 0}, {lr_mult: 0}], "
    result = netc("train", write_small(tmp_path, NET.replace("num_output", frozen + "num_output")))
    assert result.exit_code == 2 and "depends on no parameter that can be trained" in result.stderr


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    for arguments in (["--debug", "check", "nix.yaml"], ["check", "nix.yaml", "--debug"]):
        result = netc(*arguments)
        assert isinstance(result.exception, SpecError)


def test_a_spec_error_lists_at_most_twenty_errors() -> None:
    error = SpecError(*(Diagnostic(Place("net.yaml", i + 1, 1), "wrong") for i in range(25)))
    lines = str(error).splitlines()
    assert lines[0] == "net.yaml:1:1: wrong" and len(lines) == MAX_ERRORS + 1 and lines[-1] == "... and 5 more"
    assert len(error.diagnostics) == 25 and str(SpecError("wrong")) == "wrong"


def test_near_names_what_is_near_or_what_there_is() -> None:
    relu = near("relu", ["ReLU", "PReLU", "Sigmoid"])
    assert relu.near == ("ReLU",) and relu and str(relu) == "Did you mean 'ReLU'?"
    assert not near("x", ["b", "a"]) and str(near("x", ["b", "a"])) == "Known names: a, b."
    assert str(near("x", [])) == "There are none."
    assert str(near("x", map(str, range(100, 150)))) == "None of the 50 known names is similar."


def test_every_error_has_an_exit_code() -> None:
    kinds: list[type[NetcError]] = [NetcError, *NetcError.__subclasses__(), *SpecError.__subclasses__(), *ZooError.__subclasses__()]
    assert {k.__name__: k.exit_code for k in kinds} == {
        "NetcError": 1,
        "SpecError": 2,
        "ShapeError": 2,
        "DataError": 2,
        "ProviderError": 2,
        "GradientError": 2,
        "SnapshotError": 2,
        "ZooError": 1,
        "UntrustedError": 1,
        "UnknownModelError": 2,
        "CutError": 1,
        "RunError": 1,
    }


def test_paths_in_messages_are_as_the_user_gave_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_small(tmp_path, NET.replace("ReLU", "RELU"))
    monkeypatch.chdir(tmp_path.parent)
    assert f"{Path(tmp_path.name) / 'small.yaml'}:7:5: " in netc("check", Path(tmp_path.name) / "small.yaml").stderr


def test_a_run_without_its_data_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netc.data.named.images.unpacked", missing)
    result = netc("train", "nets/mlp.yaml", "--runs", tmp_path / "runs")
    assert result.exit_code == 2 and "is not here" in result.output
    assert not list((tmp_path / "runs").glob("*/*"))


def missing(*_: object) -> None:
    raise DataError("the data set 'mnist' is not here")
