"""Texts to numbers and back: characters, words, or the tokens of a tokenizer.

A character outside of a vocabulary is an error with its position. Words outside of it share one token. With `most_tokens`, characters do
too. A tokenizer reads every text.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from netc.data import subwords
from netc.data.vocabulary import Vocabulary
from netc.errors import DataError, Diagnostic, Place

WORDS = re.compile(r"\w+?(?=n['’]t\b)|n['’]t\b|['’]\w+|\w+|\n|[^\w\s]")  # splits off clitics, as treebanks do: is n't, film 's
SUBWORDS = "tokens"  # the kind of the tokens of a tokenizer


@dataclass(frozen=True)
class Units:
    """The units of a text: their `kind`, their vocabulary, and the tokenizer that makes them, if there is one."""

    kind: str
    vocabulary: Vocabulary

    def encode(self, text: str, file: str) -> np.ndarray:
        """The numbers of the units of a text. DataError, with places in `file`, for units without a number."""
        if self.vocabulary.tokenizer:
            return subwords.encode(self.vocabulary.tokenizer, text)[0]
        return encode(split(text, self.kind), self.vocabulary, file)

    def decode(self, numbers: Sequence[int] | np.ndarray) -> str:
        """The text of units."""
        if self.vocabulary.tokenizer:
            return subwords.decode(self.vocabulary.tokenizer, [int(k) for k in numbers])
        return join([self.vocabulary.words[k] for k in numbers], self.kind)


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
