"""Folders of texts as tables."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from netc.errors import DataError
from netc.table.reading import RawTable, ReadingOptions, open_table, quoted
from netc.table.reading.text_folder import find_texts, is_text_folder

pytest.importorskip("duckdb")


def write(root: Path, *names: str, **texts: str | bytes) -> Path:
    """Files below a folder: each of `names` has its own name as text."""
    for name, text in {**{name: name for name in names}, **texts}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return root


@contextmanager
def table(path: Path, **options: Any) -> Iterator[tuple[RawTable, list[dict[str, str]]]]:
    """The table of a folder, and its rows."""
    with open_table(str(path), options=ReadingOptions(**options)) as raw:
        names = [column.name for column in raw.columns]
        chunks = list(raw.chunks({name: quoted(name) for name in names}, 2))
        yield raw, [dict(zip(names, row, strict=True)) for chunk in chunks for row in zip(*(chunk[n].tolist() for n in names), strict=True)]


def test_classes(tmp_path: Path) -> None:
    write(tmp_path, "neg/1.txt", "pos/2.txt", "pos/10.txt", "pos/deep/3.txt", **{"neg/0.txt": "  a 'quoted'\n,\ttext \n"})
    with table(tmp_path) as (raw, rows):
        assert [c.name for c in raw.columns] == ["path", "text", "class"] and raw.rows == 5
        assert rows[0] == {"path": "neg/0.txt", "text": "a 'quoted'\n,\ttext", "class": "neg"}
        assert [(row["path"], row["class"]) for row in rows[1:]] == [
            ("neg/1.txt", "neg"), ("pos/10.txt", "pos"), ("pos/2.txt", "pos"), ("pos/deep/3.txt", "pos"),
        ]  # fmt: skip
        assert str(raw.place(1, "text")) == f"{tmp_path}/neg/1.txt"


def test_reviews_as_they_are_published(tmp_path: Path) -> None:
    """aclImdb: parts, texts without a class, and lists of words beside the class folders."""
    root = tmp_path / "aclImdb"
    texts = [f"{part}/{kind}/{k}_7.txt" for part in ("train", "test") for kind in ("pos", "neg") for k in range(3)]
    write(root, *texts, "train/unsup/0_0.txt", "train/urls_pos.txt", "train/labeledBow.feat", "imdb.vocab", "README")
    assert is_text_folder(root) and find_texts(root).notes() == [
        f"Left out: 1 text in no class folder (such as {root}/train/urls_pos.txt).",
        f"Left out: 1 file that can be no text (such as {root}/train/labeledBow.feat).",
        f"Left out: 1 text in {root}/train/unsup, because its name says that they have no class.",
    ]
    with table(root) as (raw, rows):
        assert raw.rows == 12 and [row["part"] for row in rows] == ["train"] * 6 + ["test"] * 6
        assert {row["class"] for row in rows} == {"neg", "pos"} and rows[6]["text"] == "test/neg/0_7.txt"


def test_files_without_a_suffix(tmp_path: Path) -> None:
    """As 20 newsgroups and mails have them; the folders of the parts are named with other words."""
    write(tmp_path, "20news-bydate-train/alt.atheism/49960", "20news-bydate-train/sci.med/1.bfc8d64d", "20news-bydate-test/sci.med/5")
    with table(tmp_path) as (_, rows):
        assert [(row["class"], row["part"]) for row in rows] == [("alt.atheism", "train"), ("sci.med", "train"), ("sci.med", "test")]


def test_encodings(tmp_path: Path) -> None:
    forms = {
        "a/1.txt": "é".encode(),
        "a/2.txt": b"\xe9",
        "a/3.txt": "é".encode("utf-16"),
        "a/4.txt": b"\xef\xbb\xbf\xc3\xa9",
        "b/5.txt": b"",
    }
    write(tmp_path, **forms)
    with table(tmp_path) as (_, rows):
        assert [row["text"] for row in rows] == ["é", "é", "é", "é", ""]
    write(tmp_path, **{"a/3.txt": b"\xe9"})
    with pytest.raises(DataError, match="a/2.txt: The text is not utf-8. 2 of 5 texts are wrong"):
        open_table(str(tmp_path), options=ReadingOptions(encoding="utf-8"))
    with pytest.raises(DataError, match="Python knows no encoding 'none'"):
        open_table(str(tmp_path), options=ReadingOptions(encoding="none"))


def test_many_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netc.table.reading.text_folder.SEVERAL", 3)
    write(tmp_path, *(f"{kind}/{k:02}.txt" for kind in "ab" for k in range(10)))
    with table(tmp_path) as (raw, rows):
        assert [row["text"] for row in rows] == [row["path"] for row in rows] and raw.rows == 20
        first = raw.sha256
    write(tmp_path, **{"b/05.txt": "other"})
    with table(tmp_path) as (raw, _):
        assert raw.sha256 != first


REFUSED = {
    "t: It has 2 texts, but no sub-folder per class.": ["1.txt", "2.txt"],
    "t: All texts are of one class, 'a'.": ["a/1.txt", "a/2.txt"],
    "t/train: All texts are of one class, 'a'.": ["train/a/1.txt", "train/unsup/2.txt", "test/a/1.txt"],
    "t/test has texts of class 'c', and": ["train/a/1.txt", "train/b/1.txt", "test/c/1.txt"],
    "t/train: It has 1 file, but no sub-folder per class.": ["train/1.txt", "test/1.txt"],
}


@pytest.mark.parametrize("message", REFUSED)
def test_folders_that_are_refused(tmp_path: Path, message: str) -> None:
    with pytest.raises(DataError) as caught:
        find_texts(write(tmp_path / "t", *REFUSED[message]))
    assert message in str(caught.value)


def test_a_source_is_read_as_it_is_named(tmp_path: Path) -> None:
    """The folder of a test set may have fewer classes than that of the training set, with folders below."""
    write(tmp_path / "test", "pos/a/1.txt", "pos/b/2.txt")
    with table(tmp_path / "test") as (_, rows):
        assert [row["class"] for row in rows] == ["pos", "pos"]
    write(tmp_path / "flat", "1.txt")
    with pytest.raises(DataError, match="flat: It has 1 text, but no sub-folder per class"):
        open_table("flat", tmp_path)


def test_what_is_no_folder_of_texts(tmp_path: Path) -> None:
    write(tmp_path / "images", "a/1.png", "a/2.png", "b/1.txt")
    write(tmp_path / "other", "a/1.csv")
    assert not any(map(is_text_folder, (tmp_path / "images", tmp_path / "other", tmp_path / "none", tmp_path / "images/b/1.txt")))
