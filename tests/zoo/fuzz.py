"""Files of a zoo with something wrong in them: `python -m tests.zoo.fuzz [COUNT [FIRST]]` makes so many of each kind and reads each.

A case is its kind and number: the same file every time. Reading may take 5 seconds and 1 GiB, and ends well or in a NetcError
that says where. What a manifest or index says when it is read well also makes a card or a page.
"""

import copy
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from netc import zoo
from netc.errors import NetcError
from netc.runtime import snapshot
from tests.fuzz import BINARY, TEXT, limits, tried
from tests.zoo.toy import contents, stated

NAMES = {
    "manifest": "manifest.json",
    "index": "index.json",
    "aliases": "aliases.json",
    "weights": "weights.safetensors",
    "snapshot": "snapshot.safetensors",
    "vectors": "v.npz",
}
VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 10**400, 1.5, -0.0, 1e308, float("nan"), float("inf"), "", " ", "x", "1.0.0"),
    *("../x", "/etc", "a\0", "\ud800", "\u202e", "\x1b[2J", "```", "|", "<script>", "con", "0" * 64, "N", "a" * 200),
    *([], {}, [[]], [{}], {"": ""}, [None] * 2000),
]


def originals() -> dict[str, bytes]:
    """A file of each kind with nothing wrong."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        vectors = zoo.npz({"input.x": np.ones((2, 3), np.float32), "output.y": np.zeros(2, np.int64)})
        said = {"intended_use": "Adding.", "preprocessing": ["as it is"], "tolerance": {"v.npz": {"relative": 0.1, "absolute": 0.1}}}
        parent = {"name": "old", "version": "1.0.0", "manifest_sha256": "0" * 64}
        path = zoo.publish(here, "toy", contents() | {"v.npz": vectors}, stated(**said, parent=parent)).path
        zoo.publish(here, "other", contents(), stated())
        zoo.alias(here, "toy", "stable")
        arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b.c": np.zeros((0, 2), np.float32), "d": np.array(1, np.float32)}
        snapshot.write(here / "snapshot", arrays, {"iteration": 3, "net_sha256": "a" * 64})
        (here / "weights").write_bytes(snapshot.weights_bytes(arrays))
        places = {"manifest": path / "manifest.json", "index": here / "index.json", "aliases": here / "toy/aliases.json"}
        places |= {"weights": here / "weights", "snapshot": here / "snapshot", "vectors": path / "v.npz"}
        return {kind: place.read_bytes() for kind, place in places.items()}


def mutated(kind: str, number: int, data: bytes) -> bytes:
    """Case `number` of a kind. Half of the JSON stays JSON, with other values in it."""
    random = Random(f"{kind} {number}")
    if kind in ("weights", "snapshot", "vectors"):
        return _changed(random, data, BINARY)
    if number % 2:
        return _changed(random, data, TEXT if number % 4 == 1 else BINARY)
    document = json.loads(data)
    for _ in range(random.choice([1, 1, 1, 2, 5])):
        _value(random, document)
    return json.dumps(document).encode()


def _changed(random: Random, data: bytes, ways: list[Callable[[Random, bytes], bytes]]) -> bytes:
    for _ in range(random.choice([1, 1, 1, 2, 3, 8])):
        data = random.choice(ways)(random, data)
    return data


def _value(random: Random, document: Any) -> None:
    """Another value, key or number of entries somewhere in a document."""
    places = [node for node in _nodes(document) if node]
    if not places:
        return
    node = random.choice(places)
    key = random.choice(list(node) if isinstance(node, dict) else range(len(node)))
    way = random.randrange(5)
    if way == 0:
        del node[key]
    elif way == 1 and isinstance(node, dict):
        node[str(random.choice(VALUES))] = node[key]
    elif way == 2:
        node[key] = copy.deepcopy(random.choice(places))
    else:
        node[key] = copy.deepcopy(random.choice(VALUES))


def _nodes(document: Any) -> list[Any]:
    """All mappings and lists of a document."""
    inner = document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    return ([document] if isinstance(document, dict | list) else []) + [node for part in inner for node in _nodes(part)]


def _read(kind: str, path: Path) -> None:
    from netc.zoo.aliases import aliases_of
    from netc.zoo.pages import list_page

    if kind == "manifest":
        zoo.model_card(zoo.checked_manifest(path.read_bytes(), str(path), "toy", "1.0.0"))
    elif kind == "index":
        list_page(zoo.entries(path.parent), "toy")
    elif kind == "aliases":
        aliases_of(path.parent.parent, path.parent.name)
    elif kind == "weights":
        snapshot.read_weights(path)
    elif kind == "snapshot":
        snapshot.read(path)
    else:
        zoo.read_arrays(path)


def end(kind: str, path: Path, data: bytes) -> str:
    """What reading ended in: "loads" or "refused". AssertionError where an error does not say where."""
    path.write_bytes(data)
    try:
        with limits():
            _read(kind, path)
    except NetcError as e:
        assert str(path) in str(e), f"no place in: {str(e)[:300]}"
        assert len(str(e)) < 20_000, "an error that nobody reads to its end"
        return "refused"
    return "loads"


def cases(count: int, first: int, folder: Path) -> Iterator[tuple[str, str, Callable[[], str]]]:
    """`count` mutations of each kind of file, read in `folder`."""
    for kind, original in originals().items():
        for number in range(first, first + count):
            yield f"{kind} {number}", kind, partial(end, kind, folder / NAMES[kind], mutated(kind, number, original))


def main(count: int, first: int) -> int:
    """Reads `count` cases of each kind."""
    with tempfile.TemporaryDirectory() as folder:
        return tried(cases(count, first, Path(folder)))


if __name__ == "__main__":
    numbers = [int(a) for a in sys.argv[1:]] + [5000, 0][len(sys.argv) - 1 :]
    sys.exit(main(*numbers))
