"""Files that are written beside and renamed: no link is followed, no name is known before, nothing is left."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from netc.files import STALE, locked, open_unlinked, replace_file, scratch, sweep


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """A file of somebody's outside the folder that is written into."""
    path = tmp_path / "outside" / "precious"
    path.parent.mkdir()
    path.write_text("keep")
    return path


def test_a_name_made_of_the_process_cannot_lead_elsewhere(tmp_path: Path, precious: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in (f".a.txt.{os.getpid()}.tmp", ".a.txt.tmp", "a.txt"):
        (folder / name).symlink_to(precious)
    replace_file(folder / "a.txt", b"new")
    assert precious.read_text() == "keep" and (folder / "a.txt").read_bytes() == b"new" and not (folder / "a.txt").is_symlink()


def test_the_temporary_name_is_new_and_never_a_link(tmp_path: Path, precious: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda size: "0" * 2 * size)
    left = tmp_path / f".a.netc-{'0' * 16}.tmp"
    left.symlink_to(precious)
    with pytest.raises(FileExistsError):
        replace_file(tmp_path / "a", b"new")
    assert precious.read_text() == "keep" and not (tmp_path / "a").exists()


def test_a_name_of_the_longest_kind_can_be_written(tmp_path: Path) -> None:
    replace_file(tmp_path / ("n" * 255), b"x")
    assert [p.name for p in tmp_path.iterdir()] == ["n" * 255]


def test_a_writer_that_is_killed_leaves_nothing_for_good(tmp_path: Path) -> None:
    program = "import os, signal, sys; os.fsync = lambda d: os.kill(os.getpid(), signal.SIGKILL)\n"
    program += "from pathlib import Path; from netc.files import replace_file; replace_file(Path(sys.argv[1]), b'x' * 1000)"
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "a")])
    assert done.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    replace_file(tmp_path / "b", b"")
    assert left.exists()  # it may be another's that is at work
    old = time.time() - 2 * STALE
    os.utime(left, (old, old))
    replace_file(tmp_path / "b", b"")
    assert [p.name for p in tmp_path.iterdir()] == ["b"]


def test_what_a_writer_holds_and_what_is_anothers_stay(tmp_path: Path, precious: Path) -> None:
    held = tmp_path / f".a.netc-{'1' * 16}.tmp"
    with locked(held):
        sweep(tmp_path)
        assert held.exists()
    others = [tmp_path / ".mine.tmp", tmp_path / ".a.netc-1.tmp", tmp_path / f".a.netc-{'g' * 16}.tmp"]
    for path in others:
        path.touch()
    link = tmp_path / f".a\nb.netc-{'2' * 16}.tmp"
    link.symlink_to(precious)
    os.mkfifo(tmp_path / f"..netc-{'3' * 16}.tmp")
    sweep(tmp_path)
    assert not held.exists() and not link.is_symlink() and all(p.exists() for p in others) and precious.read_text() == "keep"


def test_a_scratch_folder_is_private_and_goes(tmp_path: Path) -> None:
    with scratch(tmp_path) as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "x").touch()
    assert not list(tmp_path.iterdir())


def test_a_plain_file_is_opened_and_nothing_else(tmp_path: Path, precious: Path) -> None:
    (tmp_path / "link").symlink_to(precious)
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        for flags in (os.O_RDONLY, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, os.O_WRONLY | os.O_APPEND):
            with pytest.raises(OSError):
                open_unlinked(tmp_path / name, flags)
    with pytest.raises(OSError), locked(tmp_path / "link"):
        pass
    assert precious.read_text() == "keep"
