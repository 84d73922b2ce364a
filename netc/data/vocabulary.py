"""The vocabulary of a net: words and their numbers."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

UNKNOWN = "<unknown>"


@dataclass(frozen=True)
class Vocabulary:
    """Words or characters by number. If word 0 is `<unknown>`, it represents all others.

    The words may be the tokens of a tokenizer, see `netc.data.subwords`.
    """

    words: tuple[str, ...]
    tokenizer: str = ""

    @classmethod
    def of(cls, tokens: Iterable[str], size: int | None = None) -> "Vocabulary":
        """The most frequent words of `tokens`, at most `size` including the unknown word. Ties are in alphabetical order."""
        ordered = sorted(Counter(tokens).items(), key=lambda entry: (-entry[1], entry[0]))
        return cls((UNKNOWN, *(word for word, _ in ordered))[:size])

    @property
    def is_closed(self) -> bool:
        """Whether the vocabulary has no number for unknown words."""
        return UNKNOWN not in self._numbers

    def __contains__(self, token: str) -> bool:
        return token in self._numbers

    def ids(self, tokens: Iterable[str]) -> np.ndarray:
        """The number of each token as int64."""
        return np.array([self._numbers.get(token, 0) for token in tokens], np.int64)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words)}
