"""Listing, showing, verifying and downloading, from a directory and from a web server on the loopback."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from netc import zoo
from netc.errors import UnknownModelError, ZooError
from tests.conftest import pseudo_terminal
from tests.zoo.toy import contents, stated


@pytest.fixture(params=["directory", "server"])
def source(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue("toy_zoo" if request.param == "directory" else "served"))


def files(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_download(source: str, toy_zoo: Path, tmp_path: Path) -> None:
    done = zoo.download("toy", source, tmp_path / "here")
    assert done == zoo.Downloaded("toy", "1.0.0", tmp_path / "here/toy/1.0.0", True)
    assert files(done.path) == files(toy_zoo / "toy/1.0.0")
    assert [p.name for p in (tmp_path / "here").iterdir()] == ["toy"]
    assert zoo.verify(done.path) == []


def test_downloads_at_once(source: str, toy_zoo: Path, tmp_path: Path) -> None:
    """One fetches, the others wait for it and find it there."""
    with ThreadPoolExecutor(5) as pool:
        done = list(pool.map(lambda _: zoo.download("toy", source, tmp_path / "here"), range(5)))
    assert sorted(d.new for d in done) == [False] * 4 + [True]
    assert [p.name for p in (tmp_path / "here").iterdir()] == ["toy"] and zoo.verify(done[0].path) == []


def test_download_of_what_is_there(source: str, toy_zoo: Path, tmp_path: Path) -> None:
    first = zoo.download("toy", source, tmp_path)
    stamp = (first.path / "model.onnx").stat().st_mtime_ns
    (toy_zoo / "toy/1.0.0/model.onnx").unlink()  # nothing is fetched again
    again = zoo.download("toy@1.0.0", source, tmp_path)
    assert not again.new and again.path == first.path
    assert (again.path / "model.onnx").stat().st_mtime_ns == stamp


def test_download_never_overwrites(source: str, tmp_path: Path) -> None:
    path = zoo.download("toy", source, tmp_path).path
    (path / "labels.txt").write_text("mine")
    with pytest.raises(ZooError, match="labels.txt.*\n.*exists already"):
        zoo.download("toy", source, tmp_path)
    assert (path / "labels.txt").read_text() == "mine"


def test_download_takes_the_highest_version(source: str, toy_zoo: Path, tmp_path: Path) -> None:
    for version in ("1.9.0", "1.10.0"):
        zoo.publish(toy_zoo, "toy", contents(version.encode()), stated(), version)
    assert zoo.download("toy", source, tmp_path).version == "1.10.0"
    assert zoo.download("toy@1.9.0", source, tmp_path).version == "1.9.0"
    assert [e.version for e in zoo.entries(source)] == ["1.0.0", "1.9.0", "1.10.0"]


def test_unknown_model_and_version(source: str, tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match="no model 'toi'. Did you mean 'toy'?"):
        zoo.download("toi", source, tmp_path)
    with pytest.raises(UnknownModelError, match="no version 2.0.0; it has 1.0.0"):
        zoo.download("toy@2.0.0", source, tmp_path)


def test_default_source(toy_zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETC_ZOO", str(toy_zoo))
    assert zoo.download("toy", to=tmp_path / "a").new
    monkeypatch.delenv("NETC_ZOO")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ZooError, match="model_zoo is not a zoo"):
        zoo.download("toy", to=tmp_path / "b")
    toy_zoo.rename(tmp_path / "model_zoo")
    assert zoo.download("toy", to="b").new
    assert not zoo.download("toy", to="model_zoo").new, "a zoo holds its own models already"


def test_no_zoo_on_a_server(served: str, tmp_path: Path) -> None:
    with pytest.raises(ZooError, match="index.json: the server returned 404"):
        zoo.entries(f"{served}/toy")
    with pytest.raises(ZooError, match="refused"):
        zoo.entries("http://127.0.0.1:1")
    with pytest.raises(ZooError, match="sent an invalid response"):
        zoo.entries("http://127.0.0.1:port")
    with pytest.raises(ZooError, match="got nosuch://"):
        zoo.entries("nosuch://example.org/zoo")


def test_python_m_http_server(toy_zoo: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(toy_zoo)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        port = server.stdout.readline().split(" port ")[1].split()[0]
        try:
            assert zoo.download("toy", f"http://127.0.0.1:{port}/", tmp_path).new
        finally:
            server.terminate()


def test_verify(source: str) -> None:
    assert zoo.verify(source) == []
    assert zoo.verify(source, "toy@1.0.0") == []
    assert "no model" in zoo.verify(source, "lenet")[0]


@pytest.mark.parametrize(
    "damage, said",
    [
        (lambda f: (f / "labels.txt").write_bytes(b"a\nb\nd\n"), "labels.txt.*sha256"),
        (lambda f: (f / "labels.txt").write_bytes(b"a\n"), "labels.txt.*bytes"),
        (lambda f: (f / "labels.txt").write_bytes(b"a\nb\nc\nd\n"), "labels.txt.*longer"),
        (lambda f: (f / "labels.txt").unlink(), "labels.txt.*No such file|labels.txt.*404"),
        (lambda f: (f / "manifest.json").write_text("{}"), "manifest.json.*sha256"),
        (lambda f: (f / "manifest.json").unlink(), "manifest.json.*No such file|manifest.json.*404"),
    ],
)
def test_damage_is_found_and_not_downloaded(source: str, toy_zoo: Path, tmp_path: Path, damage: Callable[..., Any], said: str) -> None:
    damage(toy_zoo / "toy/1.0.0")
    for found in (zoo.verify(source), zoo.verify(source, "toy")):
        assert len(found) == 1
        with pytest.raises(ZooError, match=said):
            raise ZooError(found[0])
    with pytest.raises(ZooError, match=said):
        zoo.download("toy", source, tmp_path / "here")
    assert not (tmp_path / "here/toy").exists() and not list(tmp_path.glob("here/.*"))


def test_an_unexpected_file_is_found(toy_zoo: Path) -> None:
    (toy_zoo / "toy/1.0.0/extra.txt").touch()
    assert zoo.verify(toy_zoo) == [f"{toy_zoo}/toy/1.0.0/extra.txt: is not in the manifest"]


def test_a_full_disk_leaves_nothing_behind(toy_zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ZooError, match="No space left"):
        zoo.download("toy", toy_zoo, tmp_path / "here")
    assert list((tmp_path / "here").iterdir()) == []


def test_progress_on_a_terminal_only(toy_zoo: Path, tmp_path: Path) -> None:
    program = "import sys; from netc import zoo; zoo.download('toy', sys.argv[1], sys.argv[2])"
    terminal, its_end = pseudo_terminal()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    command = [sys.executable, "-c", program, str(toy_zoo)]
    subprocess.run([*command, str(tmp_path / "a")], stderr=its_end, env=environment, check=True)
    os.close(its_end)
    assert b"toy 1.0.0" in os.read(terminal, 10000)
    os.close(terminal)
    done = subprocess.run([*command, str(tmp_path / "b")], capture_output=True, env=environment, check=True)
    assert done.stdout == done.stderr == b""


def test_a_link_in_the_place_of_a_broken_download_is_not_followed(toy_zoo: Path, tmp_path: Path) -> None:
    entry, outside, to = zoo.find(toy_zoo, "toy"), tmp_path / "outside", tmp_path / "to"
    outside.mkdir()
    to.mkdir()
    partial = to / f".download-toy-1.0.0-{entry.manifest_sha256[:12]}"
    partial.symlink_to(outside)
    with pytest.raises(ZooError, match="is not a partial download of yours"):
        zoo.download("toy", toy_zoo, to)
    partial.unlink()
    partial.mkdir()
    (partial / "labels.txt").symlink_to(outside / "evil")
    with pytest.raises(ZooError, match="is not part of a partial download"):
        zoo.download("toy", toy_zoo, to)
    assert not list(outside.iterdir())


def test_downloads_that_broke_off_long_ago_go(toy_zoo: Path, tmp_path: Path) -> None:
    to = tmp_path / "to"
    for name, days in (("old", 30), ("new", 1)):
        (to / f".download-{name}-1.0.0-0").mkdir(parents=True)
        (to / f".download-{name}-1.0.0-0/model.onnx").touch()
        for path in (to / f".download-{name}-1.0.0-0/model.onnx", to / f".download-{name}-1.0.0-0"):
            os.utime(path, (time.time() - days * 86400,) * 2)
    zoo.download("toy", toy_zoo, to)
    assert {p.name for p in to.iterdir()} == {"toy", ".download-new-1.0.0-0"}
