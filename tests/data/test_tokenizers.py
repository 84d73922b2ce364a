"""Data layers whose texts a tokenizer splits: language models, classes of texts, and weights with their tokenizer."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import data
from netc import netc_pb2 as pb
from netc.data import subwords
from netc.errors import DataError
from tests.conftest import needs_data
from tests.data.layers import data_layer
from tests.some import some

pytest.importorskip("tokenizers", reason="pip install 'netc[tokens]'")

BPE, WORDPIECE = pb.DataParameter.BPE, pb.DataParameter.WORDPIECE
TRAINED = "the cat sat on the mat, the dog sat on the log; " * 50
TESTED = "qqqq zzzz qqqq zzzz. " * 20


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "t.txt"
    path.write_text(TRAINED + TESTED)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for part in ("train", "test"):
        for name, words in (("good", "a fine film, truly fine"), ("bad", "a bad film, truly bad, so bad that I left")):
            (tmp_path / "reviews" / part / name).mkdir(parents=True)
            for k in range(6):
                (tmp_path / "reviews" / part / name / f"{k}.txt").write_text(f"{words} {k}")
    return tmp_path / "reviews"


def layer_of(path: Path, **fields: Any) -> pb.LayerParameter:
    return data_layer(str(path), 4, **({"steps": 8, "tokens": BPE, "most_tokens": 270} | fields))


def test_windows_of_tokens(text: Path) -> None:
    layer = layer_of(text, test_fraction=0.1)
    opened = data.open(layer, "TRAIN", seed=0)
    tokens, labels = opened.batch(0)
    units = data.Units("tokens", some(data.vocabulary(layer)))
    assert tokens.shape == (8, 4) and (tokens[1:] == labels[:-1]).all()
    assert TRAINED.startswith(units.decode(tokens[:, 0])) and opened.description.tokens == "tokens"
    assert units.encode(units.decode(tokens[:, 0]), "x").tolist() == tokens[:, 0].tolist()


def test_the_tokenizer_learns_from_the_training_part(text: Path) -> None:
    share = len(TESTED) / len(TRAINED + TESTED)
    words = some(data.vocabulary(layer_of(text, test_fraction=share))).words
    assert not any("q" in w and len(w) > 1 for w in words) and any("q" in w and len(w) > 1 for w in _words(text, 0.0))


def _words(text: Path, fraction: float) -> tuple[str, ...]:
    return some(data.vocabulary(layer_of(text, test_fraction=fraction, most_tokens=300))).words


@pytest.mark.parametrize("fraction", [0.0, 0.1])
def test_the_mean_length_of_the_tested_tokens(text: Path, fraction: float) -> None:
    layer = layer_of(text, test_fraction=fraction)
    opened = data.open(layer, "TEST", seed=0)
    units = data.Units("tokens", some(data.vocabulary(layer)))
    labels = opened.stored(1, np.arange(some(opened.rows))).reshape(-1)
    assert opened.description.characters == pytest.approx(len(units.decode(labels)) / len(labels), rel=1e-9)


def test_a_tokenizer_from_a_file(text: Path, tmp_path: Path) -> None:
    made = subwords.trained((TRAINED,), WORDPIECE, 60)
    (tmp_path / "w.json").write_text(made)
    layer = data_layer("t.txt", 4, steps=8, tokenizer="w.json")
    assert some(data.vocabulary(layer, tmp_path)).words == subwords.vocabulary(made)


@pytest.mark.parametrize("fields, expected", [
    ({"tokenizer": "t.json", "tokens": pb.DataParameter.WORDS}, "`tokens` is WORDS, but `tokenizer` names a tokenizer."),
    ({"tokenizer": "t.json", "most_tokens": 300}, "`most_tokens` is for tokenizers that netc trains"),
    ({"most_tokens": 0}, "`most_tokens` is missing."),
    ({"steps": 0}, "`steps` is missing."),
    ({"steps": 100_000}, "Expected more than 100000"),
])  # fmt: skip
def test_fields_that_do_not_fit(text: Path, tmp_path: Path, fields: dict[str, Any], expected: str) -> None:
    (tmp_path / "t.json").write_text(subwords.trained((TRAINED,), BPE, 280))
    if "tokenizer" in fields:
        fields = fields | {"tokenizer": str(tmp_path / "t.json")}
    with pytest.raises(DataError, match=expected):
        data.describe(layer_of(text, **fields), "TRAIN")


def read(layer: pb.LayerParameter, known: data.Learned, phase: str = "TRAIN") -> data.Reader:
    return data.Tables().reader(layer, phase, known)


def test_weights_bring_their_tokenizer(text: Path, tmp_path: Path) -> None:
    known = data.Learned.from_json(data.Learned.of(data.describe(layer_of(text), "TRAIN")).as_json())
    other = tmp_path / "other.txt"
    other.write_text("another text about another world, with zebras and quagmires. " * 30)
    for said in (known, known.for_training()):
        reader = read(layer_of(other), said)
        assert reader.description.tokenizer == known.tokenizer and some(reader.vocabulary()).tokenizer == known.tokenizer
        assert reader.description.classes == known.classes
        (tmp_path / "same.json").write_text(known.tokenizer)
        assert read(layer_of(other, tokenizer=str(tmp_path / "same.json")), said).description.tokenizer == known.tokenizer


@pytest.mark.parametrize("fields, expected", [
    ({"tokenizer": 270}, "The tokenizer has another vocabulary than that of the weights.$"),
    ({"tokenizer": 260}, "The tokenizer has another vocabulary than that of the weights: 260 tokens, not 270."),
    ({"tokens": WORDPIECE}, "`tokens` is WORDPIECE, but the tokenizer of the weights is BPE."),
    ({"most_tokens": 265}, "`most_tokens` is 265, but the tokenizer of the weights has 270 tokens."),
    ({"tokens": pb.DataParameter.CHARACTERS, "most_tokens": 0}, "The weights are for the tokens of a tokenizer."),
])  # fmt: skip
@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_a_tokenizer_of_another_vocabulary(text: Path, tmp_path: Path, fields: dict[str, Any], expected: str, phase: str) -> None:
    known = data.Learned.of(data.describe(layer_of(text), "TRAIN"))
    if "tokenizer" in fields:
        (tmp_path / "other.json").write_text(subwords.trained(("how now brown cow, who knows why " * 9,), BPE, fields["tokenizer"]))
        fields = {"tokenizer": str(tmp_path / "other.json"), "most_tokens": 0}
    with pytest.raises(DataError, match=expected):
        read(layer_of(text, **fields), known, phase)


def test_weights_of_characters_are_not_for_tokens(text: Path) -> None:
    known = data.Learned.of(data.describe(data_layer(str(text), 4, steps=8), "TRAIN"))
    with pytest.raises(DataError, match="The weights are for characters or words"):
        read(layer_of(text), known)


def test_a_folder_of_texts(folder: Path) -> None:
    layer = layer_of(folder, steps=9, tokens=BPE, most_tokens=290)
    layer.top[:] = ["data", "label", "cont"]
    opened = data.open(layer, "TRAIN", seed=0)
    units = data.Units("tokens", some(data.vocabulary(layer)))
    tokens, labels, cont = opened.batch(0)
    assert opened.description.classes == ("bad", "good") and opened.rows == 12
    for column, label, marks in zip(tokens.T, labels, cont.T, strict=True):
        text = units.decode(column[: 1 + int(marks.sum())])
        assert ("a bad film" if label == 0 else "a fine film, truly fine").startswith(text[:10]) and len(text) > 5
    tested = data.open(layer, "TEST", seed=0)
    assert tested.rows == 12 and tested.description.tokenizer == opened.description.tokenizer


def test_texts_of_other_classes_keep_the_tokenizer(folder: Path, tmp_path: Path) -> None:
    known = data.Learned.of(data.describe(layer_of(folder), "TRAIN"))
    for name in ("x", "y", "z"):
        (tmp_path / "other" / name).mkdir(parents=True)
        (tmp_path / "other" / name / "1.txt").write_text(f"a text of {name}")
    found = read(layer_of(tmp_path / "other"), known.for_training()).description
    assert found.classes == ("x", "y", "z") and found.tokenizer == known.tokenizer
    with pytest.raises(DataError, match="The training texts have no classes x, y, z"):
        read(layer_of(tmp_path / "other"), known)


def test_held_out_texts_teach_the_tokenizer_nothing(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "x" / name).mkdir(parents=True)
        for k in range(10):
            (tmp_path / "x" / name / f"{k}.txt").write_text(f"{name}{k}{name}{k}{name}{k} " * 5)
    layer = layer_of(tmp_path / "x", test_fraction=0.5, most_tokens=400)
    layer.top[:] = ["data", "label", "cont"]
    source = data.open(layer, "TEST", seed=0)
    words = "".join(some(data.vocabulary(layer)).words)
    rows = source.in_file(np.arange(some(source.rows)))
    held = [f"{'a' if r < 10 else 'b'}{r % 10}" for r in rows]
    assert len(held) == 10 and not any(text * 2 in words for text in held)


@pytest.mark.parametrize("fields, expected", [
    ({"steps": 0}, "`steps` is missing. Add the number of tokens"),
    ({"tokens": pb.DataParameter.WORDS}, "A Data layer splits the texts of a folder by `tokens: BPE`"),
])  # fmt: skip
def test_a_folder_of_texts_that_cannot_be_read(folder: Path, fields: dict[str, Any], expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        data.describe(layer_of(folder, **fields), "TRAIN")


def test_a_text_that_is_none(folder: Path) -> None:
    (folder / "train" / "bad" / "9.txt").write_bytes(b"caf\xe9")
    with pytest.raises(DataError, match=r"9.txt:1:4: The byte 0xe9 is not UTF-8."):
        data.describe(layer_of(folder), "TRAIN")


@needs_data("sst")
def test_sentences() -> None:
    layer = data_layer("sst_sentences2", 8, tops=("data", "label", "cont"), steps=120, tokens=WORDPIECE, most_tokens=2000)
    opened = data.open(layer, "TEST", seed=0)
    units = data.Units("tokens", some(data.vocabulary(layer)))
    tokens, labels, cont = opened.batch(0)
    text = units.decode(tokens[: 1 + int(cont[:, 0].sum()), 0])
    assert len(text.split()) > 3 and set(labels) <= {0, 1} and len(units.vocabulary.words) <= 2000
