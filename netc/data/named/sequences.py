"""Data sets of sequences that go by name: a text, a series, speech, sentences."""

from functools import lru_cache

import numpy as np

from netc.data.brackets import read_trees
from netc.data.named.dataset import DataSet, File, unpacked
from netc.data.named.packages import Package
from netc.data.named.sst import BINARY, SST
from netc.data.sequences import padded, sequence_tops
from netc.data.series import Spread, series_table
from netc.data.source import Description, Request, Table, TopSpec
from netc.data.sources.text import encode, make_vocabulary, text_table, token_table, window_count
from netc.data.vocabulary import Vocabulary
from netc.errors import DataError
from netc.registry import dataset

SHAKESPEARE = DataSet(
    name="tinyshakespeare",
    files=(
        File("tinyshakespeare.txt", 1115394, "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed", at="input.txt"),
    ),
    addresses=("https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/",),
    licence="a text in the public domain, selected in github.com/karpathy/char-rnn (MIT)",
    tops=(),
    rows={"characters": 1115394},
    classes=tuple("\n !$&',-.3:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
    folder="text",
    url="https://github.com/karpathy/char-rnn",
)  # fmt: skip

SUNSPOTS = DataSet(
    name="sunspots",
    files=(File("sunspots.csv", 2944, "f67889b1d9002cd5227f0e0ef54e35b419cdd85a31279adef6f73fb41e5c0a9b"),),
    addresses=("https://raw.githubusercontent.com/statsmodels/statsmodels/v0.14.5/statsmodels/datasets/sunspots/",),
    licence="public domain (National Geophysical Data Center), in statsmodels (BSD-3-Clause)",
    tops=(),
    rows={"years": 309},
    columns=("SUNACTIVITY",),
    package=Package("statsmodels", "statsmodels/datasets/sunspots"),
    url="https://www.statsmodels.org/stable/datasets/generated/sunspots.html",
)
SUNSPOTS_SPREAD = Spread((43.72672,), (34.061066,))  # of the first 247 years, four fifths

VOWELS = DataSet(
    name="japanese_vowels",
    files=(
        File("JapaneseVowels_TRAIN.ts", 487971, "68a430eabd919cc77f40b1f5f3bc0dcafacc1486bca9260785aeb7d262cc78cd"),
        File("JapaneseVowels_TEST.ts", 649132, "b3d41d6a0ca3bcad3afb9ca7d4365382aa51341e2e58bae2a574babdda5b9462"),
    ),
    addresses=("https://raw.githubusercontent.com/aeon-toolkit/aeon/v1.6.0/aeon/datasets/data/JapaneseVowels/",),
    licence="CC BY 4.0 (UCI Machine Learning Repository); Kudo, Toyama and Shimbo 1999",
    tops=(TopSpec("float32", (12,)), TopSpec("int64", (), classes=9)),
    rows={"TRAIN": 270, "TEST": 370, "steps": 29},
    classes=tuple("123456789"),
    package=Package("aeon", "aeon/datasets/data/JapaneseVowels", version="1.6.0"),
    url="https://archive.ics.uci.edu/dataset/128/japanese+vowels",
)

LONGEST_SENTENCE, NEUTRAL = 56, 2  # words of a sentence of the treebank, and the grade in its middle


@dataset("tinyshakespeare", record=SHAKESPEARE, noun="tokens")
def tinyshakespeare(request: Request) -> Table:
    """A million characters of Shakespeare's plays (Karpathy 2015), 65 of them distinct, or their words."""
    record, param = SHAKESPEARE, request.layer.data_param

    def content() -> str:
        return unpacked(record, record.files[0]).decode()

    if param.tokens == param.WORDS or param.most_tokens:
        return token_table(request, record.name, content(), record.sha256, record.licence)
    windows, _ = window_count(request, record.name, record.rows["characters"])
    described = Description(record.name, (), windows, record.classes, record.licence, record.sha256)
    return text_table(request, described, lambda: encode(content(), Vocabulary(record.classes), record.name))


@dataset("sunspots", record=SUNSPOTS, noun="windows")
def sunspots(request: Request) -> Table:
    """Sunspots a year, 1700 to 2008."""
    record = SUNSPOTS
    if not request.layer.data_param.steps:
        raise DataError("`steps` is missing. Add the number of years of a window, for example `steps: 12`.", field="steps")
    described = Description(record.name, (), record.rows["years"], (), record.licence, record.sha256, columns=record.columns)

    def load() -> np.ndarray:
        lines = unpacked(record, record.files[0]).decode().split()[1:]
        return np.array([[float(line.split(",")[1])] for line in lines], np.float32)

    return series_table(request, described, 0, SUNSPOTS_SPREAD, load)


@dataset("japanese_vowels", record=VOWELS, noun="sequences")
def japanese_vowels(request: Request) -> Table:
    """Nine men say two vowels: 12 cepstral coefficients of 7 to 29 times, the label is the speaker."""
    record, steps = VOWELS, int(request.layer.data_param.steps) or VOWELS.rows["steps"]
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


@dataset("sst", record=SST)
def sst(request: Request) -> Table:
    """Sentences of film reviews as trees, every phrase with a grade of sentiment (Socher et al. 2013). For TreeData."""
    raise DataError("The rows of 'sst' are trees. Use a TreeData layer, or 'sst_sentences' for the same texts as sequences of words.")


@dataset("sst_sentences", record=SST, noun="sentences")
def sst_sentences(request: Request) -> Table:
    """Sentences of film reviews with five grades of sentiment (Socher et al. 2013), in lower case."""
    return _sentences(request, SST, "sst_sentences")


@dataset("sst_sentences2", record=BINARY, noun="sentences")
def sst_sentences2(request: Request) -> Table:
    """The sentences that are not neutral, negative or positive."""
    return _sentences(request, BINARY, "sst_sentences2")


def _sentences(request: Request, record: DataSet, name: str) -> Table:
    param, phase = request.layer.data_param, "TRAIN" if request.phase == "TRAIN" else "TEST"
    steps, most = int(param.steps) or LONGEST_SENTENCE, int(param.most_tokens)
    if not most:
        raise DataError("`most_tokens` is missing. Add the size of the vocabulary, for example `most_tokens: 5000`.", field="most_tokens")
    tops = sequence_tops(TopSpec("int64", (), classes=most), TopSpec("int64", (), classes=len(record.classes)), steps)

    def load() -> tuple[np.ndarray, ...]:
        chosen = [(grade, words) for grade, words in _graded(phase) if record is SST or grade != NEUTRAL]
        vocabulary = _sentence_vocabulary(most)
        data, cont = padded([encode(words, vocabulary, name) for _, words in chosen], steps, name)
        return data, np.array([grade if record is SST else int(grade > NEUTRAL) for grade, _ in chosen]), cont

    described = Description(name, tops, record.rows[phase], record.classes, record.licence, record.sha256, tokens="words")
    return Table(described, load, has_test_rows=True, vocabulary=lambda: _sentence_vocabulary(most))


@lru_cache(maxsize=2)
def _graded(phase: str) -> list[tuple[int, list[str]]]:
    """The grade of each sentence, 0 to 4, and its words in lower case: the leaves of its tree."""
    file = next(f for f in SST.files if f.name == f"{phase.lower()}.txt")
    trees = read_trees(unpacked(SST, file).decode(), file.name)
    return [(tree.label, [word.lower() for word in tree.words]) for tree in trees]


@lru_cache(maxsize=2)
def _sentence_vocabulary(most: int) -> Vocabulary:
    return make_vocabulary([word for _, words in _graded("TRAIN") for word in words], "words", most)
