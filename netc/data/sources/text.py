"""A text as a sequence of tokens, cut into windows of `steps` tokens. The label of each token is the next one.

The vocabulary comes from the training part: the start of the text, up to `test_fraction`. A character outside of the vocabulary is an
error with its position. Words outside of the vocabulary share one token. With `most_tokens`, characters do too.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import numpy as np

from netc import netc_pb2 as pb
from netc.data.order import held_count
from netc.data.source import Description, Request, Table, TopSpec
from netc.data.vocabulary import Vocabulary
from netc.errors import DataError, Diagnostic, Place, not_utf8
from netc.registry import source

WORDS = re.compile(r"\w+?(?=n['’]t\b)|n['’]t\b|['’]\w+|\w+|\n|[^\w\s]")  # splits off clitics, as treebanks do: is n't, film 's
NAMES = {pb.DataParameter.CHARACTERS: "characters", pb.DataParameter.WORDS: "words"}


@dataclass(frozen=True)
class Windows:
    """A column of windows: window r is the `steps` tokens from `steps` r on, shifted by `ahead`."""

    tokens: np.ndarray
    steps: int
    ahead: int

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        return self.tokens[np.asarray(rows)[:, None] * self.steps + np.arange(self.ahead, self.steps + self.ahead)]


@source(".txt", noun="tokens")
def text(request: Request) -> Table:
    """Characters or words of a UTF-8 file."""
    stat = request.path.stat()
    content, digest = _content(request.path, stat.st_mtime_ns, stat.st_size)
    return replace(token_table(request, str(request.path), content, digest), all_phases=True)


def token_table(request: Request, name: str, content: str, digest: str, licence: str = "") -> Table:
    """The table of a text. Its vocabulary comes from the training part."""
    param, kind = request.layer.data_param, NAMES[request.layer.data_param.tokens]
    tokens = split(content, kind)
    windows, tested = window_count(request, name, len(tokens))
    trained = tokens[: (windows - tested) * param.steps + 1] if tested else tokens
    vocabulary = Vocabulary(request.classes) if request.classes else make_vocabulary(trained, kind, param.most_tokens)
    codes = encode(tokens, vocabulary, name)
    return text_table(request, Description(Path(name).name, (), windows, vocabulary.words, licence, digest), lambda: codes)


def text_table(request: Request, described: Description, codes: Callable[[], np.ndarray]) -> Table:
    """The table of a text whose token numbers codes() returns. `described` has the windows, and the vocabulary as classes."""
    steps, classes = int(request.layer.data_param.steps), described.classes
    top = TopSpec("int64", (steps,), batch_axis=1, input=True, classes=len(classes))
    label = TopSpec("int64", (steps,), batch_axis=1, classes=len(classes))
    description = replace(described, tops=(top, label), tokens=NAMES[request.layer.data_param.tokens])

    def load() -> tuple[Windows, ...]:
        tokens = codes()
        return Windows(tokens, steps, 0), Windows(tokens, steps, 1)

    return Table(description, load, series=True, stream=True, vocabulary=lambda: Vocabulary(classes))


def split(content: str, tokens: str) -> Sequence[str]:
    """Split a text into tokens: its characters, or its words, punctuation marks and line ends."""
    return content if tokens == "characters" else WORDS.findall(content)


def join(tokens: Sequence[str], kind: str) -> str:
    """The text of tokens. Words are separated by spaces, but punctuation marks and clitics follow the previous word directly."""
    if kind == "characters":
        return "".join(tokens)
    spaced = [t if re.fullmatch(r"[.,;:!?)\n]|n?['’]\w+", t) else f" {t}" for t in tokens]
    return "".join(spaced).replace("\n ", "\n").lstrip(" ")


def make_vocabulary(tokens: Sequence[str], kind: str, most: int) -> Vocabulary:
    """All tokens in sorted order, or only the `most` frequent ones if `most` is not 0.

    `<unknown>` comes first if tokens may be missing.
    """
    if not most and kind == "characters":
        return Vocabulary(tuple(sorted(set(tokens))))
    unknown, *frequent = Vocabulary.of(tokens, most or None).words
    return Vocabulary((unknown, *sorted(frequent)))


def encode(tokens: Sequence[str], vocabulary: Vocabulary, file: str) -> np.ndarray:
    """The number of each token, else that of its lower-case form, else that of `<unknown>`.

    DataError for characters outside of a vocabulary without `<unknown>`: one error per character, with its first line and column.
    """
    if not vocabulary.is_closed:
        return vocabulary.ids(t if t in vocabulary else t.lower() for t in tokens)
    missing: dict[str, list[int]] = {}
    for i, t in enumerate(tokens):
        if t not in vocabulary:
            missing.setdefault(t, []).append(i)
    if missing:
        whole = "".join(tokens)
        raise DataError(*[_outside(whole, found, file, len(vocabulary.words)) for found in missing.values()])
    return vocabulary.ids(tokens)


def _outside(text: str, found: Sequence[int], file: str, count: int) -> Diagnostic:
    """The error for all occurrences of a character."""
    at = found[0]
    line, column = text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1
    more = f" It occurs {len(found):,} times." if len(found) > 1 else ""
    return Diagnostic(
        Place(file, line, column), f"The character {text[at]!r} is not one of the {count} characters of the training text.{more}"
    )


def window_count(request: Request, name: str, tokens: int) -> tuple[int, int]:
    """The number of windows, and how many of them are held out."""
    param = request.layer.data_param
    if not param.steps:
        raise DataError("`steps` is missing. Add the number of tokens of a window, for example `steps: 64`.", field="steps")
    windows = (tokens - 1) // param.steps
    if windows < 1:
        raise DataError(f"{name}: There are {tokens} tokens. Expected more than {param.steps}, the `steps` of the net.", field="steps")
    return windows, held_count(windows, param.test_fraction)


@lru_cache(maxsize=4)
def _content(path: Path, modified: int, size: int) -> tuple[str, str]:
    # `modified` and `size` are part of the cache key: a file that changed is read again.
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n"), sha256(content).hexdigest()
    except UnicodeDecodeError as e:
        raise DataError(not_utf8(str(path), e)) from e
