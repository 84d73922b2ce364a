"""States on disk: exact round trips, damage noticed, nothing lost by a crash or a full disk."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from netc.errors import RunError, SnapshotError
from netc.files import sweep
from netc.runtime import snapshot

STATES: dict[str, np.ndarray] = {
    "conv1.0": np.random.default_rng(0).standard_normal((4, 3, 2)).astype(np.float32),
    "step": np.array(7, np.int64),
    "scale": np.array(0.5, np.float32),
    "mask": np.array([True, False, True]),
    "empty": np.zeros((0, 3), np.float32),
    "ids": np.arange(5, dtype=np.int64),
}
SAID = {"format": 1, "net_sha256": "ab" * 32, "stage": 0, "iteration": 500, "seed": 3, "loss": 0.1 + 0.2}


def assert_same(got: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    assert got.keys() == wanted.keys()
    for name, array in wanted.items():
        assert got[name].dtype == array.dtype and got[name].shape == array.shape, name
        assert got[name].tobytes() == array.tobytes(), name


def take(folder: Path, iteration: int) -> Path:
    states = {"w": np.full(3, iteration, np.float32)}
    return snapshot.write(folder / snapshot.file_name(iteration), states, {"iteration": iteration})


def test_what_is_written_is_read_bit_for_bit(tmp_path: Path) -> None:
    path = snapshot.write(tmp_path / snapshot.file_name(500), STATES, SAID)
    got = snapshot.read(path)
    assert_same(got.states, STATES)
    assert got.metadata == SAID and got.path == path
    assert [p.name for p in tmp_path.iterdir()] == ["iter_00000500.safetensors"]


def test_views_keep_their_order(tmp_path: Path) -> None:
    states = {
        "transposed": np.arange(6.0).reshape(2, 3).T,
        "strided": np.arange(10)[::2],
        "big": np.arange(3, dtype=">i4"),
    }
    got = snapshot.read(snapshot.write(tmp_path / "s.safetensors", states, {})).states
    for name, array in states.items():
        np.testing.assert_array_equal(got[name], array)


def test_metadata_comes_back_as_json_has_it(tmp_path: Path) -> None:
    said = {"shape": (1, 2), "by_number": {10: "b", 2: "a"}, "best": float("inf"), "name": "größe"}
    got = snapshot.read(snapshot.write(tmp_path / "s.safetensors", {}, said)).metadata
    assert got == {"shape": [1, 2], "by_number": {"10": "b", "2": "a"}, "best": float("inf"), "name": "größe"}


def test_any_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = snapshot.write(tmp_path / "s.safetensors", {"w": np.arange(4, dtype=np.float32)}, {"iteration": 5})
    whole = path.read_bytes()
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        with pytest.raises(SnapshotError, match="s.safetensors"):
            snapshot.read(path)


@pytest.mark.parametrize("size", [0, 5, 8, 100, -1])
def test_truncated(tmp_path: Path, size: int) -> None:
    path = take(tmp_path, 1)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(SnapshotError, match="Cannot read .* as safetensors"):
        snapshot.read(path)


def test_missing_and_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match="no such file"):
        snapshot.read(tmp_path / "none.safetensors")
    with pytest.raises(SnapshotError, match="Cannot read .* as safetensors"):
        snapshot.read(tmp_path)


def test_weights_of_others(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"w": np.arange(3.0)}, path)
    assert_same(snapshot.read_weights(path), {"w": np.arange(3.0)})
    with pytest.raises(
        SnapshotError, match="other.safetensors: The file has weights, but no state of a training run. netc cannot resume from it"
    ):
        snapshot.read(path)


def test_weights_of_a_type_that_numpy_lacks(tmp_path: Path) -> None:
    header = json.dumps({"w": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [0, 2]}}).encode()
    path = tmp_path / "half.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\0\0")
    with pytest.raises(SnapshotError, match="half.safetensors"):
        snapshot.read_weights(path)


def test_damaged_snapshot_gives_no_weights_either(tmp_path: Path) -> None:
    path = take(tmp_path, 1)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(SnapshotError, match="checksum"):
        snapshot.read_weights(path)


def test_newest_that_verifies(tmp_path: Path) -> None:
    for iteration in (500, 99999999, 100000000, 1000):
        take(tmp_path, iteration)
    (tmp_path / "best.safetensors").write_bytes(b"")
    found, skipped = snapshot.newest(tmp_path)
    assert found is not None and found.metadata["iteration"] == 100000000 and skipped == {}
    found.path.write_bytes(b"x" * 100)
    (tmp_path / snapshot.file_name(99999999)).write_bytes(b"")
    found, skipped = snapshot.newest(tmp_path)
    assert found is not None and found.metadata["iteration"] == 1000
    assert [path.name for path in skipped] == ["iter_100000000.safetensors", "iter_99999999.safetensors"]
    assert all(path.name in reason for path, reason in skipped.items())


def test_newest_of_nothing(tmp_path: Path) -> None:
    assert snapshot.newest(tmp_path) == (None, {})
    assert snapshot.newest(tmp_path / "none") == (None, {})
    (tmp_path / snapshot.file_name(1)).write_bytes(b"")
    found, skipped = snapshot.newest(tmp_path)
    assert found is None and len(skipped) == 1


def test_prune(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [take(tmp_path, iteration) for iteration in (1, 2, 3, 4, 5)]
    (tmp_path / "best.safetensors").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    removed = snapshot.prune(tmp_path, 2, also={Path(paths[1].name)})
    assert sorted(removed) == [paths[0], paths[2]]
    assert {p.name for p in tmp_path.iterdir()} == {paths[i].name for i in (1, 3, 4)} | {"best.safetensors"}
    with pytest.raises(ValueError, match="keep is 0"):
        snapshot.prune(tmp_path, 0)


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    path = take(tmp_path, 1)
    before = path.read_bytes()

    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(RunError, match="iter_00000001.*No space left"):
        snapshot.write(path, {"w": np.zeros(9)}, {})
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_a_write_that_the_system_cuts_short(tmp_path: Path) -> None:
    """RLIMIT_FSIZE makes the write itself fail, half way."""
    program = (
        "import resource, sys, numpy as np\n"
        "from netc.runtime import snapshot\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10000, 10000))\n"
        "try: snapshot.write(sys.argv[1], {'w': np.zeros(100000)}, {})\n"
        "except snapshot.RunError as error: print(error)\n"
    )
    path = take(tmp_path, 1)
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True)
    assert "File too large" in done.stdout and path.name in done.stdout, done.stderr
    assert list(tmp_path.iterdir()) == [path] and snapshot.read(path).metadata == {"iteration": 1}


def test_kill_inside_a_write(tmp_path: Path) -> None:
    """A process that dies just before the rename leaves the snapshot before it as the newest."""
    take(tmp_path, 1)
    program = (
        "import os, sys, numpy as np\n"
        "from netc.runtime import snapshot\n"
        "os.replace = lambda *a: os.kill(os.getpid(), 9)\n"
        "snapshot.write(sys.argv[1], {'w': np.zeros(3)}, {})\n"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path / snapshot.file_name(2)])
    assert done.returncode == -9 and len(list(tmp_path.iterdir())) == 2
    found, skipped = snapshot.newest(tmp_path)
    assert found is not None and found.metadata == {"iteration": 1} and skipped == {}
    sweep(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [found.path.name]


def test_missing_directory(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="No such file or directory"):
        snapshot.write(tmp_path / "none" / "s.safetensors", STATES, SAID)
