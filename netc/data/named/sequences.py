"""Readers of sequence data sets: texts, series, speech, sentences and trees."""

from functools import lru_cache

import numpy as np

from netc.data import subwords
from netc.data.brackets import read_trees
from netc.data.named.dataset import DataSet
from netc.data.named.lookup import unpacked
from netc.data.named.readers import reader
from netc.data.sequences import padded, sequence_tops
from netc.data.series import Spread, series_table
from netc.data.source import Description, Request, Table, TopSpec
from netc.data.sources.text import text_table, token_table, window_count
from netc.data.tokenizers import chosen_tokenizer, kind_of
from netc.data.units import SUBWORDS, encode, make_vocabulary
from netc.data.vocabulary import Vocabulary
from netc.errors import DataError

LONGEST_SENTENCE = 56  # words in a sentence of the treebank
GRADES, NEUTRAL = 5, 2  # sentiment grades, and the neutral one


@reader("text")
def read_text(request: Request, record: DataSet) -> Table:
    """Read one text file: its characters, which the record lists as classes, or its words."""
    param = request.layer.data_param

    def content() -> str:
        return unpacked(record, record.files[0]).decode()

    if param.tokens != param.CHARACTERS or param.most_tokens or param.tokenizer:
        return token_table(request, record.name, content(), record.sha256, record.licence)
    windows, _ = window_count(request, record.name, record.rows["characters"])
    described = Description(record.name, (), windows, record.classes, record.licence, record.sha256)
    return text_table(request, described, lambda: encode(content(), Vocabulary(record.classes), record.name))


@reader("series")
def read_series(request: Request, record: DataSet) -> Table:
    """Read a CSV file with a header; the second column is the series.

    The options `mean` and `std` are those of the rows before the last fifth.
    """
    if not request.layer.data_param.steps:
        raise DataError("`steps` is missing. Add the number of years of a window, for example `steps: 12`.", field="steps")
    described = Description(record.name, (), record.rows["years"], (), record.licence, record.sha256, columns=record.columns)

    def load() -> np.ndarray:
        lines = unpacked(record, record.files[0]).decode().split()[1:]
        return np.array([[float(line.split(",")[1])] for line in lines], np.float32)

    spread = Spread(tuple(record.options["mean"]), tuple(record.options["std"]))
    return series_table(request, described, 0, spread, load)


@reader("ts")
def read_ts(request: Request, record: DataSet) -> Table:
    """Read two files in aeon's .ts format, for training and testing.

    Channels have different lengths, and classes start at 1.
    """
    steps = int(request.layer.data_param.steps) or record.rows["steps"]
    file = record.files[request.phase != "TRAIN"]

    def load() -> tuple[np.ndarray, ...]:
        lines = unpacked(record, file).decode().partition("@data")[2].split()
        rows = [line.split(":") for line in lines]
        sequences = [np.array([channel.split(",") for channel in channels], np.float32).T for *channels, _ in rows]
        data, cont = padded(sequences, steps, file.name)
        return data, np.array([int(row[-1]) - 1 for row in rows]), cont

    described = record.description(request.phase)
    tops = sequence_tops(described.tops[0], described.tops[1], steps)
    return Table(Description(described.name, tops, described.rows, described.classes, described.licence, described.sha256), load, True)


@reader("trees")
def read_trees_elsewhere(request: Request, record: DataSet) -> Table:
    """Raise a DataError: only TreeData reads trees."""
    raise DataError(
        f"The rows of {record.name!r} are trees. Use a TreeData layer, or '{record.name}_sentences' for the same texts as words."
    )


@reader("sentences")
def read_sentences(request: Request, record: DataSet) -> Table:
    """Read the sentences of a treebank, with five grades, or with two and without the neutral sentences."""
    param, phase = request.layer.data_param, "TRAIN" if request.phase == "TRAIN" else "TEST"
    steps, most = int(param.steps) or LONGEST_SENTENCE, int(param.most_tokens)
    if not most and not param.tokenizer:
        raise DataError("`most_tokens` is missing. Add the size of the vocabulary, for example `most_tokens: 5000`.", field="most_tokens")
    if kind_of(request) == SUBWORDS:
        return _subword_sentences(request, record, steps)
    grades = len(record.classes)
    tops = sequence_tops(TopSpec("int64", (), classes=most), TopSpec("int64", (), classes=grades), steps)

    def load() -> tuple[np.ndarray, ...]:
        chosen, labels = _chosen(record, phase)
        vocabulary = _sentence_vocabulary(record, most)
        data, cont = padded([encode(words, vocabulary, record.name) for words in chosen], steps, record.name)
        return data, labels, cont

    described = Description(record.name, tops, record.rows[phase], record.classes, record.licence, record.sha256, tokens="words")
    return Table(described, load, has_test_rows=True, vocabulary=lambda: _sentence_vocabulary(record, most))


def _subword_sentences(request: Request, record: DataSet, steps: int) -> Table:
    """Sentences, split by a tokenizer that is trained on those for training, unless it is known or read from a file."""
    phase = "TRAIN" if request.phase == "TRAIN" else "TEST"
    tokenizer = chosen_tokenizer(request, lambda: [" ".join(words) for _, words in _sentences(record, "TRAIN")])
    vocabulary = Vocabulary(subwords.vocabulary(tokenizer), tokenizer)
    first, label = TopSpec("int64", (), classes=len(vocabulary.words)), TopSpec("int64", (), classes=len(record.classes))

    def load() -> tuple[np.ndarray, ...]:
        chosen, labels = _chosen(record, phase)
        data, cont = padded([subwords.encode(tokenizer, " ".join(words))[0] for words in chosen], steps, record.name)
        return data, labels, cont

    described = Description(record.name, sequence_tops(first, label, steps), record.rows[phase], record.classes, record.licence,
                            record.sha256, tokens=SUBWORDS, tokenizer=tokenizer)  # fmt: skip
    return Table(described, load, has_test_rows=True, vocabulary=lambda: vocabulary)


def _chosen(record: DataSet, phase: str) -> tuple[list[list[str]], np.ndarray]:
    """The sentences that a data set contains, and their grades: five, or two without the neutral sentences."""
    grades = len(record.classes)
    chosen = [(grade, words) for grade, words in _sentences(record, phase) if grades == GRADES or grade != NEUTRAL]
    return [words for _, words in chosen], np.array([grade if grades == GRADES else int(grade > NEUTRAL) for grade, _ in chosen])


def _sentences(record: DataSet, phase: str) -> list[tuple[int, list[str]]]:
    """The grade of each sentence, 0 to 4, and its words in lower case, which are the leaves of its tree."""
    file = next(f for f in record.files if f.name == f"{phase.lower()}.txt")
    return _graded(unpacked(record, file), file.name)


@lru_cache(maxsize=2)
def _graded(content: bytes, name: str) -> list[tuple[int, list[str]]]:
    return [(tree.label, [word.lower() for word in tree.words]) for tree in read_trees(content.decode(), name)]


def _sentence_vocabulary(record: DataSet, most: int) -> Vocabulary:
    return make_vocabulary([word for _, words in _sentences(record, "TRAIN") for word in words], "words", most)
