"""Words and their numbers."""

from netc.data.vocabulary import UNKNOWN, Vocabulary


def test_the_most_frequent_words_first() -> None:
    words = Vocabulary.of(["the", "cat", "and", "the", "dog", "and", "the", "bird"])
    assert words.words == (UNKNOWN, "the", "and", "bird", "cat", "dog")
    assert Vocabulary.of(["b", "b", "a", "c", "c", "c"], 3).words == (UNKNOWN, "c", "b")


def test_a_word_that_is_not_known_is_number_0() -> None:
    ids = Vocabulary.of(["a", "b"]).ids(["b", "x", "a"])
    assert ids.dtype == "int64" and ids.tolist() == [2, 0, 1]
