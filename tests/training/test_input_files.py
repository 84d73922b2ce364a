"""The files that a net reads: a run that goes on notices changed ones, and its net.yaml finds them from anywhere."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netc import netc_pb2 as pb
from netc.formats.caffe_weights import to_blob
from netc.spec.places import Places
from netc.training.input_files import WHOLE, _digest, _in, existing, moved_to
from tests.small_nets import NET, log, netc, write_small

MEAN = NET.replace("test_fraction: 0.2", "test_fraction: 0.2, mean_file: data/mean.binaryproto")


def written(folder: Path, net: str = MEAN) -> Path:
    """A net in `folder`/nets, its rows and its mean beside, as nets have it that say `../`."""
    (folder / "nets").mkdir(parents=True)
    path = Path(write_small(folder / "nets", net.replace("small.npz", "../data/small.npz").replace("data/mean", "../data/mean")))
    (folder / "data").mkdir()
    (folder / "nets/small.npz").rename(folder / "data/small.npz")
    (folder / "data/mean.binaryproto").write_bytes(to_blob(np.full((1, 1, 12, 12), 0.1, np.float32)).SerializeToString())
    return path


def train(net: Path | str, runs: Path, *options: object) -> str:
    result = netc("train", net, "--no-publish", "--runs", runs, "--set", "solver.max_iter=20", *options)
    assert result.exit_code == 0, result.stderr
    return result.output


def test_a_changed_file_stops_a_run_that_goes_on(tmp_path: Path) -> None:
    net = written(tmp_path)
    train(net, tmp_path / "runs")
    mean, rows = tmp_path / "data/mean.binaryproto", tmp_path / "data/small.npz"
    kept = {path: path.read_bytes() for path in (mean, rows)}
    mean.write_bytes(to_blob(np.full((1, 1, 12, 12), 0.2, np.float32)).SerializeToString())
    with np.load(rows) as arrays:
        np.savez(rows, data=arrays["data"] + 1, label=arrays["label"])
    again = ("train", net, "--no-publish", "--runs", tmp_path / "runs", "--set", "solver.max_iter=30", "--resume")
    result = netc(*again)
    assert result.exit_code == 2 and "input files of this net have changed since the run started" in result.stderr
    assert "mean.binaryproto has changed" in result.stderr and "small.npz has changed" in result.stderr
    rows.write_bytes(kept[rows])
    result = netc(*again, "--allow-changed")
    assert result.exit_code == 0 and "changed since the run started: mean.binaryproto has changed" in result.output
    assert netc(*again).exit_code == 0  # from here on it is that content
    mean.write_bytes(kept[mean])
    assert "mean.binaryproto has changed" in netc(*again).stderr
    assert netc("train", net, "--allow-changed").exit_code == 2


def test_a_file_that_is_written_anew_as_it_was_is_none_that_changed(tmp_path: Path) -> None:
    net = written(tmp_path)
    train(net, tmp_path / "runs")
    for path in (tmp_path / "data").iterdir():
        shutil.copyfile(path, path.with_name("x"))
        os.replace(path.with_name("x"), path)
    train(net, tmp_path / "runs", "--resume")


def test_a_changed_plugin_stops_a_run_that_goes_on(tmp_path: Path) -> None:
    net, plugin = written(tmp_path, NET), tmp_path / "own_schedule.py"
    plugin.write_text("import netc\n")
    runs = tmp_path / "runs"
    train(net, runs, "--plugin", plugin)
    plugin.write_text("import netc  # changed\n")
    result = netc("train", net, "--no-publish", "--runs", runs, "--resume", "--plugin", plugin)
    assert result.exit_code == 2 and "own_schedule.py has changed" in result.stderr


@pytest.mark.parametrize("damage", [b"", b"\xff", b"[]", b'{"small.npz": 3}', b"[" * 100_000])
def test_fingerprints_that_are_damaged(tmp_path: Path, damage: bytes) -> None:
    net = written(tmp_path, NET)
    train(net, tmp_path / "runs")
    (tmp_path / "runs/small/1/inputs.json").write_bytes(damage)
    result = netc("train", net, "--runs", tmp_path / "runs", "--no-publish", "--set", "solver.max_iter=20", "--resume")
    assert (
        result.exit_code == 2
        and "inputs.json: The file is invalid. netc uses it to detect changes" in result.stderr
        and "delete it" in result.stderr
    )
    (tmp_path / "runs/small/1/inputs.json").unlink()
    train(net, tmp_path / "runs", "--resume")


def test_the_net_of_a_run_is_trained_again_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = written(tmp_path)
    train(net, tmp_path / "runs")
    run = tmp_path / "runs/small/1"
    monkeypatch.chdir("/")
    train(run / "net.yaml", tmp_path / "again")
    assert log(tmp_path / "again/small/1") == log(run)
    assert str(tmp_path) not in (run / "net.yaml").read_text()
    assert netc("check", run / "net.yaml").exit_code == 0
    shutil.move(tmp_path, tmp_path.with_name(f"{tmp_path.name}_moved"))  # all of it: paths are from the file
    moved = tmp_path.with_name(f"{tmp_path.name}_moved")
    train(moved / "runs/small/1/net.yaml", moved / "third")
    assert log(moved / "third/small/1") == log(moved / "runs/small/1")
    assert "report " in netc("report", moved / "runs/small/1").output


def test_runs_that_moved_go_on_where_the_files_are_the_same(tmp_path: Path) -> None:
    net = written(tmp_path)
    train(net, tmp_path / "runs")
    (tmp_path / "far/away").mkdir(parents=True)
    shutil.move(tmp_path / "runs", tmp_path / "far/away/runs")
    train(net, tmp_path / "far/away/runs", "--resume")


def test_another_file_or_set_is_another_net(tmp_path: Path) -> None:
    net = written(tmp_path)
    train(net, tmp_path / "runs")
    shutil.copy(tmp_path / "data/small.npz", tmp_path / "data/other.npz")
    for source in ("../data/other.npz", "digits"):
        result = netc("train", net, "--no-publish", "--runs", tmp_path / "runs", "--resume", "--set", f"layers.data.source={source}")
        assert result.exit_code == 2 and ("data_param.source" in result.stderr or "digits" in result.stderr), result.stderr


def test_images_of_a_list_are_found_from_the_run(tmp_path: Path) -> None:
    """A list's paths begin in the net's folder; those of the run's net.yaml do so too."""
    (tmp_path / "nets").mkdir()
    random = np.random.default_rng(0)
    for k in range(8):
        Image.fromarray(random.integers(0, 255, (6, 6), np.uint8)).save(tmp_path / f"nets/{k}.png")
    (tmp_path / "list.txt").write_text("".join(f"{k}.png {k % 2}\n" for k in range(8)))
    layers = (
        "name: pictures\nlayers:\n  - ImageData: {source: ../list.txt, batch_size: 4, is_color: false}\n  - InnerProduct: {num_output: 2}\n"
    )
    (tmp_path / "nets/p.yaml").write_text(layers + "  - SoftmaxWithLoss\nsolver: {base_lr: 0.001, max_iter: 5}\n")
    train(tmp_path / "nets/p.yaml", tmp_path / "runs")
    train(tmp_path / "runs/pictures/1/net.yaml", tmp_path / "again")
    assert log(tmp_path / "again/pictures/1") == log(tmp_path / "runs/pictures/1")
    Image.fromarray(random.integers(0, 255, (6, 6), np.uint8)).save(tmp_path / "nets/3.png")
    result = netc("train", tmp_path / "nets/p.yaml", "--runs", tmp_path / "runs", "--no-publish", "--resume")
    assert result.exit_code == 2 and "list.txt has changed" in result.stderr


def test_resume_of_a_run_that_is_named(tmp_path: Path) -> None:
    net, runs = written(tmp_path, NET), tmp_path / "runs"
    for _ in range(3):
        train(net, runs)
    longer = ("--set", "solver.max_iter=30")

    def ended(number: int) -> int:
        return max(int(line["iteration"]) for line in log(runs / f"small/{number}"))

    train(net, runs, "--resume", "1", *longer)
    assert [ended(k) for k in (1, 2, 3)] == [30, 20, 20]
    train(net, runs, "--resume", runs / "small/2", *longer)
    assert [ended(k) for k in (1, 2, 3)] == [30, 30, 20]
    result = netc("train", "--no-publish", "--runs", runs, *longer, "--resume", net)  # the net behind it: the newest
    assert result.exit_code == 0 and [ended(k) for k in (1, 2, 3)] == [30, 30, 30]
    result = netc("train", "--no-publish", "--runs", runs, "--set", "solver.max_iter=40", "--resume", runs / "small/2")
    assert result.exit_code == 0 and [ended(k) for k in (1, 2, 3)] == [30, 40, 30], result.stderr
    result = netc("train", net, "--runs", runs, "--resume", "7")
    assert result.exit_code == 2 and "there is no such run; existing runs: 1, 2, 3" in result.stderr
    result = netc("train", net, "--runs", runs, "--resume", tmp_path)
    assert result.exit_code == 2 and "there is no such run" in result.stderr
    assert "Missing argument 'NET'" in netc("train", "--resume").output


def test_the_paths_of_a_net_from_another_folder(tmp_path: Path) -> None:
    (tmp_path / "nets").mkdir()
    (tmp_path / "runs/n/1").mkdir(parents=True)
    (tmp_path / "rows.csv").write_text("a\n")
    net = pb.NetParameter()
    sources = ["../rows.csv", "mnist", str(tmp_path / "rows.csv"), ""]
    for source in sources:
        net.layer.add(name="d", type="Data").data_param.source = source
    net.layer.add(name="i", type="ImageData").image_data_param.source = "../rows.csv"
    moved = moved_to(tmp_path / "runs/n/1", net, Places(tmp_path / "nets"))
    assert [layer.data_param.source for layer in moved.layer[:4]] == ["../../../rows.csv", "mnist", str(tmp_path / "rows.csv"), ""]
    assert moved.layer[4].image_data_param.source == "../../../rows.csv" and moved.layer[4].image_data_param.root_folder == "../../../nets"
    assert net.layer[0].data_param.source == "../rows.csv" and existing("x" * 5000, ".") is None and existing("a\0b", ".") is None


def test_fingerprints(tmp_path: Path) -> None:
    """Of small files every byte counts; of large ones their sizes and parts; what readers change in a database does not."""
    folder = tmp_path / "db"
    folder.mkdir()
    (folder / "data.mdb").write_bytes(b"abc")
    one = _digest(_in(folder))
    (folder / "lock.mdb").write_bytes(b"x")
    assert _digest(_in(folder)) == one
    (folder / "data.mdb").write_bytes(b"abd")
    two = _digest(_in(folder))
    (folder / "data.mdb").rename(folder / "other.mdb")
    assert len({one, two, _digest(_in(folder))}) == 3
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(WHOLE + 5)
    seen = [_digest(_in(large))]
    for place in (0, WHOLE + 4, WHOLE + 5):
        with large.open("r+b") as file:
            file.seek(place)
            file.write(b"y")
        seen.append(_digest(_in(large)))
    assert len(set(seen)) == 4
    os.mkfifo(tmp_path / "db/pipe")
    assert _digest(_in(folder)) == _digest({n: p for n, p in _in(folder).items() if n != "pipe"})
