"""Files out of archives, and what archives must not do."""

import contextlib
import gzip
import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from netc.data.named.packages import read_plain
from netc.errors import DataError
from netc.formats.archive import members


def tar(path: Path, *entries: Any) -> Path:
    """A .tar.gz of (name, content) and of TarInfos."""
    with tarfile.open(path, "w:gz") as archive:
        for entry in entries:
            info = entry if isinstance(entry, tarfile.TarInfo) else tarfile.TarInfo(entry[0])
            if info is not entry:
                info.size = len(entry[1])
            archive.addfile(info, None if info is entry else io.BytesIO(entry[1]))
    return path


def link(name: str, to: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, to
    return info


def packed_zip(path: Path, **files: Any) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"trees/{name}", content)
    return path


def test_files_come_by_their_names(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar.gz", ("in/a.bin", b"abc"), ("../../evil", b"x"), ("in/b.bin", b"defg"))
    assert members(path, {"in/a.bin": 3, "in/b.bin": 4}) == {"in/a.bin": b"abc", "in/b.bin": b"defg"}
    path = packed_zip(tmp_path / "a.zip", train=b"one", test=b"two")
    assert members(path, {"trees/test": 3}) == {"trees/test": b"two"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tar.gz", "a.zip"]  # nothing was written


@pytest.mark.parametrize("size, said", [(2, "has more bytes. Expected 2"), (4, "has 3 bytes. Expected 4")])
def test_a_file_of_another_size(tmp_path: Path, size: int, said: str) -> None:
    for path, name in ((tar(tmp_path / "a.tar.gz", ("a", b"abc")), "a"), (packed_zip(tmp_path / "a.zip", a=b"abc"), "trees/a")):
        with pytest.raises(DataError, match=said):
            members(path, {name: size})


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a is not a regular file"):
        members(tar(tmp_path / "a.tar.gz", link("a", "/etc/passwd")), {"a": 3})
    with pytest.raises(DataError, match="The archive has no file b"):
        members(tar(tmp_path / "a.tar.gz", ("a", b"abc")), {"b": 3})


@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip"])
def test_a_damaged_archive(tmp_path: Path, name: str) -> None:
    whole = tar(tmp_path / name, ("a", bytes(9999))) if name.endswith("gz") else packed_zip(tmp_path / name, a=bytes(9999))
    whole.write_bytes(whole.read_bytes()[:60])
    with pytest.raises(DataError, match="Cannot read .* as an archive"):
        members(whole, {"a" if name.endswith("gz") else "trees/a": 9999})


def test_what_unfolds_without_end_is_not_unfolded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Members that nobody wants, and the headers of a member, are unpacked on the way to the one that is wanted."""
    monkeypatch.setattr("netc.formats.archive.BESIDE", 1 << 20)
    zeros = bytes(8 << 20)
    path = tar(tmp_path / "member.tar.gz", ("zeros", zeros), ("in/a.bin", b"abc"))
    with pytest.raises(DataError, match=r"Cannot read .*member.tar.gz as an archive: it unpacks to more than 1,048,582 bytes"):
        members(path, {"in/a.bin": 3})
    with tarfile.open(tmp_path / "header.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("x")
        info.pax_headers = {"comment": "0" * (4 << 20)}
        archive.addfile(info)
    with pytest.raises(DataError, match=r"Cannot read .*header.tar.gz as an archive: it unpacks to more than 1,048,582 bytes"):
        members(tmp_path / "header.tar.gz", {"in/a.bin": 3})


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_each_way_to_pack(tmp_path: Path, mode: Any) -> None:
    with tarfile.open(tmp_path / "a.tar", mode) as archive:
        info = tarfile.TarInfo("in/a.bin")
        info.size = 3
        archive.addfile(info, io.BytesIO(b"abc"))
    assert members(tmp_path / "a.tar", {"in/a.bin": 3}) == {"in/a.bin": b"abc"}
    content = (tmp_path / "a.tar").read_bytes()
    for cut in range(0, len(content), 23):
        (tmp_path / "a.tar").write_bytes(content[:cut] + b"\xff" + content[cut + 1 :])
        with contextlib.suppress(DataError):
            assert members(tmp_path / "a.tar", {"in/a.bin": 3}).keys() == {"in/a.bin"}


def test_a_gzip_file_is_unpacked_to_its_size_and_no_further(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(bytes(1 << 24)))
    assert len(read_plain(tmp_path / "a.gz", 1000)) == 1001
