"""Columns of texts."""

from pathlib import Path

import numpy as np
import pytest

from netc.data.fitted import from_json
from netc.table.columns.text import FACTOR, Text
from netc.table.encoded import encoded
from tests.layers.test_table import run, start, vectors
from tests.table.mixed import column, read

ROWS = ["A good film, really good.", "a BAD film!", "Good", "bad bad", "the film", "a rare word", ""]


def text(cells: list[str], **fields: int) -> Text:
    found = column("t", "text", np.array(cells, object), **{"min_count": 2, **fields})
    assert isinstance(found, Text)
    return found


def codes(fitted: Text, *texts: str) -> np.ndarray:
    return encoded([fitted], {"t": np.array(texts, object)})


def test_codes() -> None:
    fitted = text(ROWS, steps=4)
    assert fitted.words == ("a", "film", "bad", "good") and fitted.missing == 1
    found = codes(fitted, "a GOOD, Film", "unseen", "", "?!", "bad. bad bad bad bad", "gOOd")
    np.testing.assert_array_equal(found, [[1, 4, 2, -1], [0, -1, -1, -1], [0, -1, -1, -1], [0, -1, -1, -1], [3, 3, 3, 3], [0, -1, -1, -1]])


def test_spellings_of_the_training_rows() -> None:
    fitted = text(["gOOd 'good' good", "good"])
    assert codes(fitted, "gOOd 'good' GOOD Good")[0].tolist() == [1.0] * 3 + [1.0] * (fitted.steps - 3)


def test_a_word_counts_once_in_a_row() -> None:
    assert text(["x x x", "y", "y"]).words == ("y",)
    assert text(["x", "x"], most_values=1).words == ("x",)
    assert text(["b a", "b a", "b"], most_values=1).words == ("b",)


@pytest.mark.parametrize("cells", [[], ["", ""], ["."], ["one"], ["x"] * 3])
def test_constant_and_empty_columns(cells: list[str]) -> None:
    fitted = text(cells)
    assert fitted.steps == 1 and codes(fitted, "", "x", "!").shape == (3, 1)
    assert from_json(fitted.as_json()) == fitted


def test_steps_cover_most_rows() -> None:
    assert text(["a " * 3] * 95 + ["a " * 100] * 5).steps == 3
    assert text(["a " * 3] * 50 + ["a " * 1000] * 50).steps == 512


@pytest.mark.parametrize("buckets", [0, 5])
def test_the_mean_of_words_and_pairs(buckets: int) -> None:
    fitted = text(ROWS, steps=4, buckets=buckets)
    _, y, weights = vectors([fitted], "N", word_width=3)
    values = start(weights)
    table = values["text"]
    assert table.shape == (5 + buckets, 3)
    found = run(y, codes(fitted, "a good unseen", "", "film"), values)["y"]
    pairs = [5 + (a * FACTOR + b) % 5 for a, b in ((1, 4), (4, 0))] if buckets else []
    np.testing.assert_allclose(found, [table[[1, 4, 0, *pairs]].mean(0), table[0], table[2]], rtol=1e-5, atol=1e-7)


def test_several_columns() -> None:
    first, second = text(ROWS, steps=4), column("u", "text", np.array(["x y", "y x"], object), min_count=1)
    raw = {"t": np.array(["a film", "good"], object), "u": np.array(["y", "x z"], object)}
    found = encoded([first, second], raw)
    np.testing.assert_array_equal(found, np.concatenate([encoded([c], raw) for c in (first, second)], axis=1))
    _, y, weights = vectors([first, second], "N", word_width=2)
    assert list(weights) == ["text", "text2"] and y.shape == ("N", 4)


def test_cells(tmp_path: Path) -> None:
    assert read(tmp_path, "text", ["a b", "", "NA", "3"]) == (["a b", None, None, "3"], 0)


def test_extreme_texts() -> None:
    fitted = text(ROWS)
    assert np.isfinite(codes(fitted, *map(str, fitted.odd))).all()
