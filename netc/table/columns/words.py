"""Words of texts: split by a graph of standard ONNX ops, and by Python in the same way.

A word is what is left between spaces and delimiters. StringSplit cuts at one delimiter at a time, so the words of all rows are one list
that is cut again and again. Empty pieces are removed, because ONNX fills rows of different lengths with empty texts. ONNX has no op that
makes small letters without a locale, so a vocabulary contains words in the usual capitals.
"""

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Iterable

import numpy as np

from netc.graph.ir import Value, constant, op
from netc.graph.tensor_type import STRING

MOST_DELIMITERS = 40
MOST_CUTS = 8  # of a word at one delimiter: a line of dashes must not become a thousand words
APOSTROPHES = "'\u2019\u02bc"
SPACE, LINES = " ", ("\n", "\t", "\r")
EMPTY = ""


def delimiters_of(texts: Iterable[str]) -> tuple[str, ...]:
    """Return line ends and tabs, which any text may have, and the punctuation and other spaces of these texts."""
    letters: Counter[str] = Counter()
    for text in texts:
        letters.update(text)
    found = [(-count, letter) for letter, count in letters.items() if _delimits(letter)]
    return (*LINES, *(letter for _, letter in sorted(found)[:MOST_DELIMITERS]))


def _delimits(letter: str) -> bool:
    if letter in APOSTROPHES or letter in LINES or letter == SPACE:
        return False
    return letter in string.punctuation or letter.isspace() or unicodedata.category(letter).startswith("P")


def split(text: str, delimiters: Iterable[str]) -> list[str]:
    """Return the words of a text, as `words` does."""
    return [word for word in re.split(f"[{re.escape(''.join(delimiters))}{SPACE}]+", text) if word]


def plain(word: str) -> str:
    """Return the word in small letters, without apostrophes at its ends."""
    return word.lower().strip(APOSTROPHES).replace("\u2019", "'")


def words(x: Value, steps: int, delimiters: Iterable[str]) -> tuple[Value, Value]:
    """Return the words of texts (N,), those of all rows in one list, and the number of the row of each.

    At most `steps` pieces between spaces are read.
    """
    found, rows = _cut(x, _numbers(x), "", steps, "pieces")
    for k, delimiter in enumerate(delimiters):
        found, rows = _cut(found, rows, delimiter, MOST_CUTS, f"words{k}")
    return found, rows


def _cut(x: Value, rows: Value, delimiter: str, most: int, size: str) -> tuple[Value, Value]:
    """Cut texts at a delimiter, "" for spaces. The rest of a text after `most` cuts is left out at spaces, else kept as it is."""
    at = {"delimiter": delimiter} if delimiter else {}
    cut, _ = op.StringSplit(x, outputs=2, maxsplit=most, **at, shapes=[(x.shape[0], f"{size}_each"), x.shape])
    if not delimiter:
        cut = op.Slice(cut, [0], [most], [1], shape=(x.shape[0], f"{size}_kept"))
    of = op.Expand(op.Unsqueeze(rows, [1]), op.Shape(cut), shape=cut.shape)
    pieces, of = (op.Reshape(v, [-1], shape=(f"{size}_all",)) for v in (cut, of))
    keep = op.Not(op.Equal(pieces, constant(np.array(EMPTY, STRING))))
    kept, of = (op.Compress(v, keep, axis=0, shape=(size,)) for v in (pieces, of))
    return kept, of


def in_rows(codes: Value, rows: Value, texts: Value, steps: int) -> Value:
    """Return the codes of words as a matrix (N, steps), int64: the first words of each text, and -1 behind them."""
    zero, one, count = constant(np.int64(0)), constant(np.int64(1)), op.Shape(texts)
    none = op.Expand(zero, count, shape=texts.shape)
    each = op.ScatterND(none, op.Unsqueeze(rows, [1]), op.Expand(one, op.Shape(rows), shape=rows.shape), reduction="add")
    start = op.CumSum(each, zero, exclusive=1)
    place = _numbers(rows) - op.Gather(start, rows, axis=0)
    keep = op.Less(place, constant(np.int64(steps)))
    codes, rows, place = (op.Compress(v, keep, axis=0, shape=("words_read",)) for v in (codes, rows, place))
    where = op.Concat(op.Unsqueeze(rows, [1]), op.Unsqueeze(place, [1]), axis=1)
    shape = op.Concat(count, constant(np.array([steps], np.int64)), axis=0)
    return op.ScatterND(op.Expand(constant(np.int64(-1)), shape, shape=(texts.shape[0], steps)), where, codes)


def _numbers(x: Value) -> Value:
    """0, 1, 2, ... for the elements of a list."""
    return op.Range(np.int64(0), op.Squeeze(op.Shape(x), [0]), np.int64(1), shape=x.shape)
