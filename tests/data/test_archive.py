"""Files out of archives, and what archives must not do."""

import io
import tarfile
import zipfile

import pytest

from netc.data.archive import members
from netc.errors import DataError


def tar(path, *entries):
    """A .tar.gz of (name, content) and of TarInfos."""
    with tarfile.open(path, "w:gz") as archive:
        for entry in entries:
            info = entry if isinstance(entry, tarfile.TarInfo) else tarfile.TarInfo(entry[0])
            if info is not entry:
                info.size = len(entry[1])
            archive.addfile(info, None if info is entry else io.BytesIO(entry[1]))
    return path


def link(name, to):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, to
    return info


def packed_zip(path, **files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"trees/{name}", content)
    return path


def test_files_come_by_their_names(tmp_path):
    path = tar(tmp_path / "a.tar.gz", ("in/a.bin", b"abc"), ("../../evil", b"x"), ("in/b.bin", b"defg"))
    assert members(path, {"in/a.bin": 3, "in/b.bin": 4}) == {"in/a.bin": b"abc", "in/b.bin": b"defg"}
    path = packed_zip(tmp_path / "a.zip", train=b"one", test=b"two")
    assert members(path, {"trees/test": 3}) == {"trees/test": b"two"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tar.gz", "a.zip"]  # nothing was written


@pytest.mark.parametrize("size, said", [(2, "has more bytes; expected 2"), (4, "has 3 bytes; expected 4")])
def test_a_file_of_another_size(tmp_path, size, said):
    for path, name in ((tar(tmp_path / "a.tar.gz", ("a", b"abc")), "a"), (packed_zip(tmp_path / "a.zip", a=b"abc"), "trees/a")):
        with pytest.raises(DataError, match=said):
            members(path, {name: size})


def test_what_is_no_file(tmp_path):
    with pytest.raises(DataError, match="a is no plain file"):
        members(tar(tmp_path / "a.tar.gz", link("a", "/etc/passwd")), {"a": 3})
    with pytest.raises(DataError, match="has no file b"):
        members(tar(tmp_path / "a.tar.gz", ("a", b"abc")), {"b": 3})


@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip"])
def test_a_damaged_archive(tmp_path, name):
    whole = tar(tmp_path / name, ("a", bytes(9999))) if name.endswith("gz") else packed_zip(tmp_path / name, a=bytes(9999))
    whole.write_bytes(whole.read_bytes()[:60])
    with pytest.raises(DataError, match="cannot be read as an archive"):
        members(whole, {"a" if name.endswith("gz") else "trees/a": 9999})
