"""Zoos behind fsspec, as s3:// and hf:// are: read from its memory, and what is said where a library is missing."""

import builtins
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from netc import zoo
from netc.errors import ZooError
from tests.small_nets import netc


@pytest.fixture
def memory(toy_zoo: Path) -> Iterator[str]:
    system = fsspec.filesystem("memory")
    system.put(f"{toy_zoo}/", "/bucket/zoo", recursive=True)
    yield "memory://bucket/zoo"
    system.rm("/bucket", recursive=True)


def test_list_download_and_verify(memory: str, toy_zoo: Path, tmp_path: Path) -> None:
    assert [e.name for e in zoo.entries(memory)] == ["toy"]
    done = zoo.download("toy", memory, tmp_path / "to")
    for path in (toy_zoo / "toy/1.0.0").iterdir():
        assert (done.path / path.name).read_bytes() == path.read_bytes()
    assert zoo.verify(memory) == [] and netc("zoo", "list", "--from", memory).stdout.startswith("toy@1.0.0")


def test_what_is_not_there(memory: str) -> None:
    with pytest.raises(ZooError, match="memory://bucket/none/index.json: There is no such file"):
        zoo.entries("memory://bucket/none")
    fsspec.filesystem("memory").pipe("/bucket/zoo/toy/1.0.0/labels.txt", b"other")
    assert "labels.txt" in zoo.verify(memory)[0]


def test_a_library_that_fails_is_asked_again(memory: str, toy_zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that fails in the middle of a file: the next call begins where that one ended."""
    system, positions = fsspec.filesystem("memory"), []
    open_file = system.open

    class Broken:
        def __init__(self, file: Any) -> None:
            self.file = file

        def __enter__(self) -> "Broken":
            return self

        def __exit__(self, *said: Any) -> None:
            self.file.close()

        def seek(self, position: int) -> None:
            positions.append(position)
            self.file.seek(position)

        def read(self, size: int) -> bytes:
            if self.file.tell() > positions[-1]:
                raise RuntimeError("the line is dead")
            return bytes(self.file.read(2))

    monkeypatch.setattr(
        type(system), "open", lambda self, path, mode: Broken(open_file(path, mode)) if "labels" in path else open_file(path, mode)
    )
    assert zoo.verify(zoo.download("toy", memory, tmp_path / "to").path) == []
    assert positions == [0, 2, 4]


@pytest.mark.parametrize(
    "address, said", [("s3://b/z", r"pip install 'netc\[s3\]'"), ("hf://u/z", r"pip install 'netc\[hf\]'"), ("gs://b/z", "gcsfs")]
)
def test_what_gets_a_missing_library(address: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name.partition(".")[0] in ("s3fs", "huggingface_hub", "gcsfs"):
            raise ImportError(f"No module named {name!r}")
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ZooError, match=said):
        zoo.entries(address)


@pytest.mark.parametrize(
    "address, said", [("nosuch://x", "s3:// or hf://; got nosuch://"), ("file:///srv/zoo", "path of a local zoo instead: /srv/zoo")]
)
def test_addresses_that_are_none(address: str, said: str) -> None:
    with pytest.raises(ZooError, match=said):
        zoo.entries(address)
