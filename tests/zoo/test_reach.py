"""Nets out of a zoo that reach for the files of whoever trains them: nothing outside of their folder is read, of the run's written."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netc as api
from netc import caffe, zoo
from netc.errors import DataError, SnapshotError, SpecError
from netc.spec import paths
from netc.training.caffe_snapshots import _learned
from tests.small_nets import netc
from tests.zoo.toy import contents, stated

NET = """\
name: toy
layers:
  - Data: {{name: data, source: rows.csv, label_column: label, batch_size: 16{data}}}
  - InnerProduct: {{name: ip, num_output: 10, weight_filler: xavier}}
{layer}  - SoftmaxWithLoss: {{bottom: [ip, label]}}
  - Accuracy: {{bottom: [ip, label], include: {{phase: TEST}}}}
solver: {{base_lr: 0.02, max_iter: 2{solver}}}
licence: Apache-2.0
"""
ROWS = ("a,b,label\n" + "".join(f"{k / 10},{k % 7},{k % 10}\n" for k in range(100))).encode()
OUTPUT = "  - HDF5Output: {{name: out, bottom: [ip, label], file_name: {path}}}\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a file beside it that must stay as it is and must not be read."""
    (tmp_path / "precious.h5").write_text("keep")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / "here"


def published(layer: str = "", solver: str = "", data: str = "", text: str | None = None, **files: bytes) -> Path:
    """The net file of a model that was downloaded, verified."""
    net = NET.format(layer=layer, solver=solver, data=data) if text is None else text
    given: dict[str, Any] = contents() | {"net.yaml": net.encode(), "rows.csv": ROWS} | {n.replace("__", "."): b for n, b in files.items()}
    zoo.publish("served", "toy", given, stated())
    return zoo.download("toy", "served", "models").path / "net.yaml"


def snapshot_of(folder: Path) -> dict[str, bytes]:
    """Every file outside of runs and the cache, with what is in it."""
    return {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file() and not {"runs", ".cache"} & {*p.relative_to(folder).parts}}


def unchanged(command: list[Any], place: Path) -> str:
    """What a command says that leaves everything outside of its run as it was."""
    before = snapshot_of(place.parent)
    found = netc(*command)
    assert snapshot_of(place.parent) == before
    assert found.exception is None or isinstance(found.exception, SystemExit)
    return f"{found.exit_code} {found.output}"


def paths_out(place: Path) -> list[str]:
    """Ways to say: the file outside."""
    return [str(place.parent / "precious.h5"), "../precious.h5", "../../../../precious.h5", "~/precious.h5", "a/../../precious.h5",
            "'C:\\\\precious.h5'", "'..\\\\precious.h5'", "'\\\\\\\\host\\\\x'"]  # fmt: skip


@pytest.mark.parametrize("k", range(8))
def test_nothing_is_written_outside(place: Path, k: int) -> None:
    net = published(OUTPUT.format(path=paths_out(place)[k]))
    for command in ("train", "check", "config", "verify-resume", "time"):
        said = unchanged([command, net, *(["--no-publish"] if command == "train" else [])], place)
        assert said.startswith("2 ") and "may not write" in said and "file_name" not in said.split("may not")[0].split(":")[0]


@pytest.mark.parametrize("form", ["", ", snapshot_format: BINARYPROTO", ", snapshot_format: HDF5"])
@pytest.mark.parametrize("prefix", ["../../x", "/tmp/netc-reach-x", "~/x", "a/../../x"])
def test_no_snapshot_goes_outside(place: Path, prefix: str, form: str) -> None:
    said = unchanged(["train", published(solver=f", snapshot_prefix: {prefix}{form}"), "--no-publish"], place)
    assert said.startswith("2 ") and "may not write" in said


def test_a_caffe_snapshot_and_outputs_go_into_the_run(place: Path) -> None:
    net = published(OUTPUT.format(path="log.jsonl"), ", snapshot_prefix: examples/toy/x, snapshot_format: BINARYPROTO")
    said = unchanged(["train", net, "--no-publish", "--quiet"], place)
    run = place / "runs/toy/1"
    assert said.startswith("0 "), said
    assert (run / "outputs/log.jsonl").is_file() and "loss" in json.loads((run / "log.jsonl").read_text().splitlines()[0])
    assert (run / "snapshots/x_iter_2.caffemodel").is_file()


def test_the_command_line_may_name_what_the_net_may_not(place: Path) -> None:
    net = published(OUTPUT.format(path="../precious.h5"), ", snapshot_prefix: ../x, snapshot_format: BINARYPROTO")
    said = netc("train", net, "--no-publish", "--set", "layers.out.file_name=mine.h5", "--set", f"solver.snapshot_prefix={place}/own")
    assert said.exit_code == 0 and (place / "own_iter_2.caffemodel").exists() and (place / "runs/toy/1/outputs/mine.h5").exists()
    assert (place.parent / "precious.h5").read_text() == "keep"


READS = {
    "source": (", source: {}", "data"),
    "test_source": (", test_source: {}", "data"),
    "validation_source": (", validation_source: {}", "data"),
    "mean_file": (", mean_file: {}", "data"),
}


@pytest.mark.parametrize("field", READS)
@pytest.mark.parametrize("path", ["/etc/passwd", "../../../precious.h5", "~/precious.h5"])
def test_nothing_is_read_outside(place: Path, field: Any, path: str) -> None:
    text = (
        NET.format(layer="", solver="", data="")
        if field == "source"
        else NET.format(layer="", solver="", data=READS[field][0].format(path))
    )
    net = published(text=text.replace("source: rows.csv", f"source: {path}") if field == "source" else text)
    said = unchanged(["train", net, "--no-publish"], place)
    assert said.startswith("2 ") and "may not read" in said and "keep" not in said.replace("keep it", "")


@pytest.mark.parametrize("path", ["/etc/passwd", "../../../x.caffemodel", "start.safetensors,/x.caffemodel"])
def test_no_weights_come_from_outside(place: Path, path: str) -> None:
    said = unchanged(["train", published(solver=f', weights: ["{path}"]'), "--no-publish"], place)
    assert said.startswith("2 ") and "may not read" in said


@pytest.mark.parametrize("kind, more", [("ImageData", ""), ("HDF5Data", ", top: [data, label]"), ("WindowData", "")])
def test_no_list_names_files_outside(place: Path, kind: str, more: str) -> None:
    for number, line in enumerate(("/etc/passwd 0", "x.png 0\n../../../precious.h5 1", "~/precious.h5 0")):
        text = NET.format(layer="", solver="", data="").replace(
            "Data: {name: data, source: rows.csv, label_column: label", f"{kind}: {{name: data, source: list.txt{more}"
        )
        zoo.publish("served", "toy", contents() | {"net.yaml": text.encode(), "list.txt": line.encode()}, stated())
        net = zoo.download("toy", "served", f"models{number}").path / "net.yaml"
        said = unchanged(["check", net], place)
        assert said.startswith("2 ") and "which 'list.txt' lists" in said


def test_no_python_is_run(place: Path) -> None:
    net = published("  - Python: {name: p, bottom: ip, top: p, module: os, layer: system}\n")
    said = unchanged(["--allow-python", "check", net], place)
    assert said.startswith("2 ") and "may not run Python" in said


def test_a_solver_names_no_net_outside(place: Path) -> None:
    (place.parent / "own.prototxt").write_text("name: 'secret'")
    published(solver__prototxt=b'net: "../../../../own.prototxt"\nbase_lr: 0.1\nmax_iter: 1\n')
    (place / "own.prototxt").write_text("name: 'secret'")
    missing = r"There is no file 'own.prototxt' in the folder of the solver, which comes from a zoo\.$"
    outside = "outside of the folder of the solver, which comes from a zoo"
    for text, said in (
        ('net: "own.prototxt"', missing),
        (f'net: "{place}/own.prototxt"', outside),
        ('net: "../../../../own.prototxt"', outside),
    ):
        path = next((place / "models").rglob("solver.prototxt"))
        path.write_text(f"{text}\nbase_lr: 0.1\nmax_iter: 1\n")
        with pytest.raises(SpecError, match=said):
            caffe.Solver(str(path))


def test_pycaffe_and_the_api_keep_to_the_rule(place: Path) -> None:
    net = published(OUTPUT.format(path="../precious.h5"))
    for call in (
        lambda: api.Net(str(net)),
        lambda: api.train(str(net)),
        lambda: api.load(str(net)),
        lambda: caffe.Net(str(net), caffe.TEST),
    ):
        with pytest.raises(SpecError, match="may not write"):
            call()
    assert (place.parent / "precious.h5").read_text() == "keep"


def test_where_there_is_no_run_nothing_is_written(place: Path) -> None:
    net = published(OUTPUT.format(path="x.h5"))
    before = snapshot_of(place.parent)
    made = caffe.Net(str(net), caffe.TEST)
    with pytest.raises(DataError, match="only write into the folder of a run"):
        made.forward()
    assert snapshot_of(place.parent) == before


def test_a_copy_is_ones_own_and_paths_out_of_its_folder_are_said(place: Path) -> None:
    (place / "nets").mkdir()
    (place / "nets/rows.csv").write_bytes(ROWS)
    own = place / "nets/own.yaml"
    own.write_text(
        NET.format(layer=OUTPUT.format(path="../../out.h5"), solver=", snapshot_prefix: ../x, snapshot_format: BINARYPROTO", data="")
    )
    found = netc("train", own, "--no-publish", "--quiet")
    assert found.exit_code == 0 and (place.parent / "out.h5").exists() and (place.parent / "x_iter_2.caffemodel").exists()
    assert (
        "Layer 'out' writes '../../out.h5', which is outside of the folder of the net." in found.output
        and "'../x', which is outside of the current folder." in found.output
    )


def test_a_link_to_a_published_net_is_no_copy(place: Path) -> None:
    (place / "mine.yaml").symlink_to(published(OUTPUT.format(path="../precious.h5")))
    assert "may not write" in unchanged(["train", "mine.yaml", "--no-publish"], place)


def test_links_in_the_folder_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/link").symlink_to("/etc")
    assert not paths.inside(tmp_path / "in", "a\0b") and paths._leaves(tmp_path, "a\0b")
    assert not paths.inside(tmp_path / "in", "link/passwd") and paths.inside(tmp_path / "in", "a/b.csv")


def test_other_manifests_make_no_net_a_strangers(tmp_path: Path) -> None:
    for text in ('{"name": "my web app"}', "[]", "not json", '"net_sha256 files"'):
        (tmp_path / "manifest.json").write_text(text)
        assert not paths.published(tmp_path / "net.yaml")
    os.remove(tmp_path / "manifest.json")
    os.mkfifo(tmp_path / "manifest.json")
    assert not paths.published(tmp_path / "net.yaml")


def test_the_zoo_of_ones_own_still_trains(place: Path) -> None:
    net = published()
    assert unchanged(["train", net, "--no-publish", "--quiet"], place).startswith("0 ")
    assert np.all([zoo.verify_folder(net.parent) == []])


def test_a_solver_state_names_no_weights_outside(place: Path) -> None:
    folder = published(text="name: x").parent
    (place.parent / "secret.caffemodel").write_bytes(b"")
    for name in (str(place.parent / "secret.caffemodel"), "../../../../secret.caffemodel"):
        with pytest.raises(SnapshotError, match="neither in the current folder"):
            _learned(str(folder / "x.solverstate"), name)
