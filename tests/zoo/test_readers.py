"""What a zoo says of itself, with a value of another kind in each place: a sentence, never an error in netc."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netc import zoo
from netc.errors import ZooError
from netc.zoo import card, pages
from netc.zoo.aliases import aliases_of
from tests.zoo.toy import contents, stated

OTHERS: list[Any] = [None, True, -1, 1e308, 10**400, "", "../x\x00", "x" * 5000, [], [[None]], {}, {"a": {"b": []}}]


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything in a document."""
    yield at
    for key, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(part, (*at, key))


def changed(document: Any, at: tuple[Any, ...], value: Any) -> Any:
    if not at:
        return value
    made = copy.deepcopy(document)
    part = made
    for key in at[:-1]:
        part = part[key]
    part[at[-1]] = value
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("readers") / "zoo"
    more = {
        "intended_use": "a",
        "limits": "b",
        "preprocessing": ["c"],
        "parameters": 3,
        "tolerance": {"test_vectors.npz": {"relative": 0, "absolute": 0}},
    }
    parent = {"name": "toy", "version": "1.0.0", "manifest_sha256": "0" * 64}
    zoo.publish(here, "toy", contents(), stated(parent=parent, **more))
    zoo.alias(here, "toy", "stable")
    return here


def refused_or_fine(*calls: Any) -> None:
    for call in calls:
        try:
            call()
        except ZooError as error:
            assert str(error) and len(str(error)) < 20_000


@pytest.mark.parametrize("name", ["index.json", "toy/1.0.0/manifest.json", "toy/aliases.json"])
def test_every_value_of_every_kind(folder: Path, tmp_path: Path, name: str) -> None:
    path, index = folder / name, folder / "index.json"
    before, listed = path.read_bytes(), index.read_bytes()
    document = json.loads(before)
    try:
        for at in places(document):
            for value in OTHERS:
                path.write_text(json.dumps(changed(document, at, value)))
                refused_or_fine(
                    lambda: [card.human_size(e.size) for e in zoo.entries(folder)],
                    lambda: pages.list_page(zoo.entries(folder), "x"),
                    lambda: zoo.show(folder, "toy@stable"),
                    lambda: card.model_card(zoo.show(folder, "toy")),
                    lambda: aliases_of(folder, "toy"),
                )
                if name != "index.json":  # which is made of the others
                    refused_or_fine(
                        lambda: zoo.reindex(folder),
                        lambda: pages.list_page(zoo.entries(folder)),
                        lambda: card.model_card(zoo.show(folder, "toy")),
                    )
                    index.write_bytes(listed)
    finally:
        path.write_bytes(before)
        index.write_bytes(listed)
    assert zoo.verify(folder) == []


TEXTS = [
    b"",
    b"\xff\xfe",
    b"[" * 200_000,
    b'{"a":' * 200_000,
    b"nul",
    b"1" * 5000,
    b'{"format": 1, "format": 1}',
    b"NaN",
    b'"\\ud800"',
    b"\xef\xbb\xbf{}",
    b"{}" * 2,
]


@pytest.mark.parametrize("k", range(len(TEXTS)))
@pytest.mark.parametrize("name", ["index.json", "toy/1.0.0/manifest.json", "toy/aliases.json"])
def test_texts_that_are_no_documents(folder: Path, name: str, k: int) -> None:
    path = folder / name
    before = path.read_bytes()
    try:
        path.write_bytes(TEXTS[k])
        refused_or_fine(lambda: zoo.entries(folder), lambda: zoo.show(folder, "toy"), lambda: aliases_of(folder, "toy"))
        assert zoo.verify(folder) or name == "toy/aliases.json"
    finally:
        path.write_bytes(before)
