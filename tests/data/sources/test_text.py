"""Texts: tokens, vocabularies, streams, what lies outside."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import data
from netc.data.units import encode, join, make_vocabulary, split
from netc.data.vocabulary import UNKNOWN, Vocabulary
from netc.errors import DataError
from netc.netc_pb2 import LayerParameter
from tests.data.layers import data_layer
from tests.some import some


def text_layer(path: Path, batch_size: int, steps: int, **fields: Any) -> LayerParameter:
    return data_layer(str(path), batch_size, steps=steps, **fields)


@pytest.fixture
def alphabet(tmp_path: Path) -> Path:
    path = tmp_path / "abc.txt"
    path.write_text("".join(chr(ord("a") + k % 26) for k in range(203)))
    return path


def codes(array: np.ndarray) -> str:
    return "".join(chr(ord("a") + int(k)) for k in array)


def test_each_place_of_a_batch_walks_on_through_a_part_of_its_own(alphabet: Path) -> None:
    """202 tokens have a next one: 20 windows of 10, two streams of ten windows, then from the start."""
    opened = data.open(text_layer(alphabet, 2, 10), "TRAIN", seed=0)
    whole = alphabet.read_text()
    first, label = opened.batch(0)
    assert first.shape == label.shape == (10, 2) and first.dtype == np.int64
    for number in (0, 1, 9):
        tokens, labels = opened.batch(number)
        for place, begin in ((0, 10 * number), (1, 100 + 10 * number)):
            assert codes(tokens[:, place]) == whole[begin : begin + 10]
            assert codes(labels[:, place]) == whole[begin + 1 : begin + 11]
    np.testing.assert_array_equal(opened.batch(10)[0], first)


def test_sub_batches_are_batches_on_end(alphabet: Path) -> None:
    one, two = (data.open(text_layer(alphabet, 2, 10), "TRAIN", seed=0, iter_size=k) for k in (1, 2))
    np.testing.assert_array_equal(two.batch(3, 1)[0], one.batch(7)[0])


def test_the_end_of_the_text_is_for_testing(alphabet: Path) -> None:
    opened = data.open(text_layer(alphabet, 2, 10, test_fraction=0.2), "TEST", seed=0)
    assert opened.rows == 4 and data.test_batches(opened) == 2
    whole = alphabet.read_text()
    assert [codes(opened.batch(k)[0].T.reshape(-1)) for k in (0, 1)] == [whole[160:170] + whole[180:190], whole[170:180] + whole[190:200]]


def test_rows_that_fill_no_batch_are_left_out(alphabet: Path) -> None:
    opened = data.open(text_layer(alphabet, 3, 10), "TEST", seed=0)
    assert opened.rows == 18 and all(opened.batch(k)[0].shape == (10, 3) for k in range(6))


def test_what_a_description_says(alphabet: Path) -> None:
    layer = text_layer(alphabet, 2, 10)
    described = data.describe(layer, "TRAIN")
    assert (
        some(data.vocabulary(layer)).words == described.classes == tuple("abcdefghijklmnopqrstuvwxyz") and described.tokens == "characters"
    )
    assert [(t.shape, t.batch_axis, t.input, t.classes) for t in described.tops] == [((10,), 1, True, 26), ((10,), 1, False, 26)]


def test_words(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("The cat isn't here, it's gone.\nThe end\n" * 10)
    described = data.describe(text_layer(path, 1, 4, tokens="WORDS", most_tokens=5), "TRAIN")
    assert described.classes == (UNKNOWN, "\n", "'s", ",", "The") and described.tokens == "words"
    opened = data.open(text_layer(path, 1, 4, tokens="WORDS", most_tokens=5), "TRAIN", seed=0)
    assert opened.batch(0)[0][:, 0].tolist() == [4, 0, 0, 0]


@pytest.mark.parametrize("text", ["It isn't hers; o'clock's end?\nYes: (no) 3 ones.\n", "a b"])
def test_words_come_together_again(text: str) -> None:
    assert join(split(text, "words"), "words").replace("( ", "(") == text
    assert join(split(text, "characters"), "characters") == text


def test_a_vocabulary_holds_the_most_frequent() -> None:
    assert make_vocabulary("abracadabra", "characters", 3).words == (UNKNOWN, "a", "b")
    assert make_vocabulary(["b", "a", "b"], "words", 0).words == (UNKNOWN, "a", "b")


def test_an_unknown_word_is_looked_up_in_lower_case() -> None:
    assert encode(["Film", "FILM", "x"], Vocabulary((UNKNOWN, "Film", "film")), "here").tolist() == [1, 2, 0]


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_a_character_that_training_lacks_has_its_place(tmp_path: Path, phase: str) -> None:
    path = tmp_path / "t.txt"
    path.write_text("abab\n" * 20 + "ab\nxb\n")
    with pytest.raises(DataError, match=r"t.txt:22:1: The character 'x' is not one of the 3 characters of the training text"):
        data.open(text_layer(path, 1, 4, test_fraction=0.2), phase, seed=0)


def test_a_test_text_of_its_own_keeps_the_vocabulary(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("xyz" * 20)
    (tmp_path / "b.txt").write_text("zz" * 20)
    layer = text_layer(tmp_path / "a.txt", 1, 4, test_source=str(tmp_path / "b.txt"))
    assert data.open(layer, "TEST", seed=0).batch(0)[0][:, 0].tolist() == [2] * 4
    (tmp_path / "b.txt").write_text("zq" * 20)
    with pytest.raises(
        DataError, match=r"b.txt:1:2: The character 'q' is not one of the 3 characters of the training text. It occurs 20 times"
    ):
        data.describe(layer, "TEST")


@pytest.mark.parametrize(
    ("content", "fields", "said"),
    [
        (b"abc", {"steps": 3}, "t.txt: There are 3 tokens. Expected more than 3, the `steps` of the net"),
        (b"abcdefgh", {"steps": 0}, "`steps` is missing. Add the number of tokens of a window, for example `steps: 64`"),
        (b"ab\xff", {"steps": 1}, "t.txt:1:3: The byte 0xff is not UTF-8"),
        (b"abcdefgh", {"steps": 2, "batch_size": 4}, "t.txt: 3 windows of 2 steps are too few for a `batch_size` of 4"),
    ],
)
def test_what_is_wrong(tmp_path: Path, content: bytes, fields: dict[str, int], said: str) -> None:
    (tmp_path / "t.txt").write_bytes(content)
    with pytest.raises(DataError, match=said):
        data.open(data_layer(str(tmp_path / "t.txt"), **dict[str, Any]({"batch_size": 1} | fields)), "TRAIN", seed=0)


def test_a_character_that_is_missing_is_told_once() -> None:
    with pytest.raises(DataError) as caught:
        encode("axbx\nyx", Vocabulary(("\n", "a", "b")), "t.txt")
    assert [str(f) for f in caught.value.diagnostics] == [
        "t.txt:1:2: The character 'x' is not one of the 3 characters of the training text. It occurs 3 times.",
        "t.txt:2:1: The character 'y' is not one of the 3 characters of the training text.",
    ]
