"""A text as a sequence of tokens, cut into windows of `steps` tokens. The label of each token is the next one.

The vocabulary comes from the training part: the start of the text, up to `test_fraction`. See `netc.data.units` for the kinds of tokens.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import numpy as np

from netc.data import subwords
from netc.data.order import held_count
from netc.data.source import Description, Request, Table, TopSpec
from netc.data.tokenizers import check_known, chosen_tokenizer, kind_of
from netc.data.units import SUBWORDS, encode, make_vocabulary, split
from netc.data.vocabulary import Vocabulary
from netc.errors import DataError, not_utf8
from netc.registry import source


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
    param, kind = request.layer.data_param, kind_of(request)
    if kind == SUBWORDS:
        return _subword_table(request, name, content, digest, licence)
    check_known(request, "")
    tokens = split(content, kind)
    windows, tested = window_count(request, name, len(tokens))
    trained = tokens[: (windows - tested) * param.steps + 1] if tested else tokens
    vocabulary = Vocabulary(request.classes) if request.classes else make_vocabulary(trained, kind, param.most_tokens)
    codes = encode(tokens, vocabulary, name)
    return text_table(request, Description(Path(name).name, (), windows, vocabulary.words, licence, digest), lambda: codes)


def _subword_table(request: Request, name: str, content: str, digest: str, licence: str) -> Table:
    """The table of a text whose tokens a tokenizer makes. It is trained on the training part, unless it is known or read from a file."""
    tested = request.layer.data_param.test_fraction
    tokenizer = chosen_tokenizer(request, lambda: [content[: round(len(content) * (1 - tested))]])
    codes, ends = subwords.encode(tokenizer, content)
    windows, held = window_count(request, name, len(codes))
    param = request.layer.data_param
    count, batch, steps = held or windows, int(param.test_batch_size or param.batch_size or 1), int(param.steps)
    start = windows - count
    first, last = start * steps, (start + (count // batch * batch or count)) * steps  # the last rows fill no batch
    described = Description(Path(name).name, (), windows, subwords.vocabulary(tokenizer), licence, digest, tokenizer=tokenizer)
    described = replace(described, characters=float(ends[last] - ends[first]) / (last - first))
    return text_table(request, described, lambda: codes)


def text_table(request: Request, described: Description, codes: Callable[[], np.ndarray]) -> Table:
    """The table of a text whose token numbers codes() returns. `described` has the windows, and the vocabulary as classes."""
    steps, classes = int(request.layer.data_param.steps), described.classes
    top = TopSpec("int64", (steps,), batch_axis=1, input=True, classes=len(classes))
    label = TopSpec("int64", (steps,), batch_axis=1, classes=len(classes))
    description = replace(described, tops=(top, label), tokens=kind_of(request))

    def load() -> tuple[Windows, ...]:
        tokens = codes()
        return Windows(tokens, steps, 0), Windows(tokens, steps, 1)

    return Table(description, load, series=True, stream=True, vocabulary=lambda: Vocabulary(classes, described.tokenizer))


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
