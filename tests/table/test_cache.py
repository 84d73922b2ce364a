"""The cache of encoded tables: it is used, made again when it is damaged, and bounded."""

import multiprocessing
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import data
from netc.table import cache
from netc.table.cache import FACTS, Entry, entry, folder, key_of, remove_old
from netc.table.mapped import Mapped
from netc.table.reading import open_table
from netc.table.source import digest_of
from tests.table.test_source import columns, every, layer, opened, write


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETC_CACHE", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def made(place: Path) -> dict[str, Any]:
    np.save(place / "rows.npy", np.arange(6.0).reshape(3, 2))
    return {"name": "t"}


def rows(found: Entry) -> np.ndarray:
    return np.asarray(found.arrays["rows"][np.arange(3)])


def never(place: Path) -> dict[str, Any]:
    raise AssertionError("it was made again")


def test_an_entry_is_made_once() -> None:
    first, again = entry("k", made), entry("k", never)
    assert first.said == again.said == {"name": "t"}
    assert np.array_equal(rows(first), rows(again)) and again.arrays["rows"].shape == (3, 2)
    assert sorted(p.name for p in folder().iterdir()) == ["k"] and sorted(p.name for p in (folder() / "k").iterdir()) == [FACTS, "rows.npy"]


@pytest.mark.parametrize("name", ["rows.npy", FACTS])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "empty"])
def test_a_damaged_entry_is_made_again(name: str, damage: str) -> None:
    entry("k", made)
    path = folder() / "k" / name
    content = path.read_bytes()
    if damage == "remove":
        path.unlink()
    else:
        half = len(content) // 2
        path.write_bytes({"flip": content[:-1] + b"\xff", "cut": content[:half], "empty": b""}[damage])
    assert np.array_equal(rows(entry("k", made)), np.arange(6.0).reshape(3, 2))
    assert path.read_bytes() == content


def test_an_entry_of_another_format_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    entry("k", made)
    monkeypatch.setattr(cache, "FORMAT", cache.FORMAT + 1)
    with pytest.raises(AssertionError, match="made again"):
        entry("k", never)


def test_what_fails_leaves_nothing() -> None:
    def fails(place: Path) -> dict[str, Any]:
        made(place)
        raise ValueError("stopped")

    with pytest.raises(ValueError, match="stopped"):
        entry("k", fails)
    assert list(folder().iterdir()) == []


def test_without_a_cache_an_entry_is_temporary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "IN_MEMORY", 0)
    monkeypatch.setenv("NETC_CACHE", "0")
    places = list[Path]()
    found = entry("k", lambda place: places.append(place) or made(place))  # type: ignore[func-returns-value]  # None, so `or`
    assert not places[0].exists() and found.arrays["rows"][np.arange(3)].tolist() == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_cache_that_cannot_be_written_is_not_needed(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir(mode=0o500)
    assert entry("k", made).arrays["rows"].shape == (3, 2)


def test_a_cache_whose_folder_is_a_file_is_not_needed(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "netc").write_text("")
    assert entry("k", made).arrays["rows"].shape == (3, 2)


def test_large_arrays_are_mapped_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "IN_MEMORY", 100)
    for found in (entry("k", made).arrays["rows"], entry("k", never).arrays["rows"]):
        assert isinstance(found, Mapped) and (found.shape, found.dtype.name) == ((3, 2), "float64")
        for chosen in ([2, 0, 2], [1], [], [0, 1, 2]):
            assert found[np.array(chosen, int)].tolist() == np.arange(6.0).reshape(3, 2)[np.array(chosen, int)].tolist()


def test_old_entries_and_the_oldest_of_too_many_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    for k in range(5):
        entry(f"k{k}", made)
        os.utime(folder() / f"k{k}" / FACTS, (time.time() - 100 + k,) * 2)
    os.utime(folder() / "k1" / FACTS, (time.time() - cache.MOST_SECONDS - 1,) * 2)
    size = sum(p.stat().st_size for p in (folder() / "k0").iterdir())
    monkeypatch.setattr(cache, "MOST_BYTES", int(2.5 * size))
    remove_old("k0")
    assert sorted(p.name for p in folder().iterdir()) == ["k0", "k4"]


def _slow(place: Path) -> dict[str, Any]:
    time.sleep(0.3)
    (folder() / f"made{os.getpid()}").touch()
    return made(place)


def _enter(_: int) -> int:
    return int(rows(entry("k", _slow)).sum())


def test_of_processes_that_need_an_entry_one_makes_it() -> None:
    with multiprocessing.get_context("fork").Pool(3) as pool:
        assert pool.map(_enter, range(3), chunksize=1) == [15, 15, 15]
    assert len(list(folder().glob("made*"))) == 1


def test_a_key_separates_its_parts() -> None:
    assert len({key_of("ab", "c"), key_of("a", "bc"), key_of(b"ab", "c"), key_of(["ab"], "c"), key_of("ab")}) == 5


def test_a_table_is_read_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, columns())
    first = opened(tmp_path)
    monkeypatch.setattr("netc.table.source.Making", never)
    again = opened(tmp_path)
    assert again.description == first.description and np.array_equal(every(again, 0), every(first, 0))
    assert again.raw(np.arange(3)) is not None and again.notes() == first.notes()
    described = data.describe(layer(shuffle=False), "TEST", tmp_path)
    assert described.rows == 8
    for changed in ({"split": {"test": 0.3}}, {"columns": {"x": "number"}}, {"classes": ["yes", "no"]}):
        with pytest.raises((AssertionError, TypeError)):
            opened(tmp_path, **changed)
    write(tmp_path, columns(x=range(40)))
    with pytest.raises((AssertionError, TypeError)):
        opened(tmp_path)


@pytest.mark.parametrize("damaged", [False, True])
def test_raw_values_are_in_the_cache_or_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damaged: bool) -> None:
    write(tmp_path, columns(x=["", *range(39)], d=[f"2024-01-{1 + k % 28:02d}" for k in range(40)], c=["", "b", "ä", "a"] * 10))
    kinds = {"x": "number", "c": "category", "d": "date"}
    opened(tmp_path, columns=kinds)
    asked = list[str]()
    monkeypatch.setattr("netc.table.source.open_table", lambda *a: asked.append("") or open_table(*a))  # type: ignore[func-returns-value]  # None, so `or`
    if damaged:
        (path,) = folder().glob("*/raw_float64.npy")
        path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
    source = opened(tmp_path, columns=kinds)
    raw = source.raw(np.array([2, 0, 2]))
    numbers = source.in_file(np.array([2, 0, 2]))
    assert raw is not None and len(asked) == damaged
    np.testing.assert_array_equal(raw["x"], np.array([np.nan, *range(39)], np.float32)[numbers])
    assert raw["c"].tolist() == [["", "b", "ä", "a"][k % 4] for k in numbers] and raw["x"].dtype == np.float32
    assert raw["d"].tolist() == [1704067200 + 86400 * (int(k) % 28) for k in numbers]


def test_a_hash_of_files_depends_on_their_content_and_order(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n")
    (tmp_path / "b.csv").write_text("x\n2\n")
    both = digest_of("*.csv", tmp_path)
    assert both and both != digest_of("a.csv", tmp_path) and digest_of("c.csv", tmp_path) == digest_of("sqlite:///a.csv", tmp_path) == ""
    (tmp_path / "b.csv").write_text("x\n3\n")
    assert digest_of("*.csv", tmp_path) != both
    (tmp_path / "a.csv").write_bytes(b"SQLite format 3\x00 and the rest")
    assert digest_of("a.csv", tmp_path) == ""
