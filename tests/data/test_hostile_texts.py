"""Texts of 100 KB that are made to take long, as the rows and as the names of classes: two seconds each."""

import time
from pathlib import Path

import pytest

from netc import data, registry
from netc.errors import DataError
from netc.predict.labels import read_labels
from netc.spec import parse_yaml
from tests.spec.hostile_texts import filled, numbered

SECONDS = 2
TEXTS = {
    "one word": lambda: filled("a"),
    "one word of n": lambda: filled("n"),
    "words cut by apostrophes": lambda: filled("n't"),
    "apostrophes": lambda: filled("'"),
    "newlines": lambda: filled("\n"),
    "spaces": lambda: filled(" "),
    "letters": lambda: filled("a "),
    "different words": lambda: numbered("w# "),
    "different characters": lambda: "".join(chr(k) for k in range(0x4E00, 0x9FFF)) * 2,
    "a character that comes late": lambda: filled("a", "", "é" * 20_000),
    "words that come late": lambda: filled("a ", "", "".join(f"w{k} " for k in range(4000))),
}


@pytest.mark.parametrize("tokens", ["CHARACTERS", "WORDS"])
@pytest.mark.parametrize("name", TEXTS)
def test_a_text(tmp_path: Path, name: str, tokens: str) -> None:
    registry.load()
    (tmp_path / "t.txt").write_text(TEXTS[name]())
    layer = f"Data: {{source: t.txt, tokens: {tokens}, steps: 8, batch_size: 2, test_fraction: 0.2, top: [data, label]}}"
    param = parse_yaml(f"layers:\n  - {layer}\n").message.layer[0]
    start = time.process_time()
    try:
        source = data.open(param, "TRAIN", 0, str(tmp_path))
        source.batch(0)
        data.vocabulary(param, tmp_path)
    except DataError as e:
        assert len(str(e)) < 10_000
    assert time.process_time() - start < SECONDS


@pytest.mark.parametrize("name", TEXTS)
def test_names_of_classes(tmp_path: Path, name: str) -> None:
    (tmp_path / "labels.txt").write_text(TEXTS[name]())
    start = time.process_time()
    assert "\n".join(read_labels(tmp_path / "labels.txt")) == TEXTS[name]().removesuffix("\n")
    assert time.process_time() - start < SECONDS
