"""Tokenizers that split texts into parts of words: byte pair encoding and WordPiece, through the library `tokenizers`.

A tokenizer is its text, the content of a file tokenizer.json of that library. It is trained on a text or read from a file.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from netc import netc_pb2 as pb
from netc.errors import DataError
from netc.files import open_plain

MOST_BYTES = 1 << 26  # of a file
MOST_TOKENS = 1 << 20
BYTES = 256  # tokens of BPE that stand for single bytes
UNKNOWN = "[UNK]"
NAMES: dict[int, str] = {pb.DataParameter.BPE: "BPE", pb.DataParameter.WORDPIECE: "WordPiece"}  # as the library names them


def library() -> ModuleType:
    """The library `tokenizers`. DataError if it is not installed."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # its threads would not survive the forks of the data loader
    try:
        import tokenizers
    except ImportError as e:
        raise DataError("Tokenizers need the library tokenizers: pip install 'netc[tokens]'", field="tokens") from e
    return tokenizers


@lru_cache(maxsize=4)
def trained(texts: tuple[str, ...], tokens: int, size: int) -> str:
    """Train a tokenizer of at most `size` tokens on texts. `tokens` is BPE or WORDPIECE of DataParameter. DataError for a bad size."""
    least = BYTES + 1 if tokens == pb.DataParameter.BPE else 2
    if not least <= size <= MOST_TOKENS:
        given = f"is {size}" if size else "is missing"
        text = (
            f"`most_tokens` {given}. {NAMES[tokens]} needs the number of tokens: {least} to {MOST_TOKENS}, for example `most_tokens: 1000`."
        )
        raise DataError(text, field="most_tokens")
    lib = library()
    if tokens == pb.DataParameter.BPE:
        made = lib.Tokenizer(lib.models.BPE())
        made.pre_tokenizer, made.decoder = lib.pre_tokenizers.ByteLevel(add_prefix_space=False), lib.decoders.ByteLevel()
        alphabet = lib.pre_tokenizers.ByteLevel.alphabet()
        trainer = lib.trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, special_tokens=[], show_progress=False)
    else:
        made = lib.Tokenizer(lib.models.WordPiece(unk_token=UNKNOWN))
        made.normalizer = lib.normalizers.BertNormalizer(lowercase=False, strip_accents=False)
        made.pre_tokenizer, made.decoder = lib.pre_tokenizers.BertPreTokenizer(), lib.decoders.WordPiece()
        trainer = lib.trainers.WordPieceTrainer(vocab_size=size, special_tokens=[UNKNOWN], show_progress=False)
    made.train_from_iterator(texts, trainer)
    return _plain(made)


def read(path: Path) -> str:
    """Read a tokenizer from a file tokenizer.json. DataError if it is none."""
    library()
    try:
        with open_plain(path) as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise DataError(f"{path}: The tokenizer has more than {MOST_BYTES >> 20} MB.", field="tokenizer")
        text = data.decode()
    except FileNotFoundError as e:
        raise DataError(f"{path}: There is no such file. Expected the tokenizer.json of a tokenizer.", field="tokenizer") from e
    except (OSError, ValueError) as e:
        raise DataError(f"{path}: Cannot read the tokenizer: {e}", field="tokenizer") from e
    try:
        made = _tokenizer(text)
    except DataError as e:
        raise DataError(f"{path}: {e}", field="tokenizer") from e
    if not 0 < made.get_vocab_size() <= MOST_TOKENS:
        raise DataError(f"{path}: The tokenizer has {made.get_vocab_size()} tokens. Expected 1 to {MOST_TOKENS}.", field="tokenizer")
    return _plain(made)


def vocabulary(tokenizer: str) -> tuple[str, ...]:
    """The tokens of a tokenizer by their numbers."""
    with _judged():
        by_number = {number: token for token, number in _tokenizer(tokenizer).get_vocab(with_added_tokens=True).items()}
    size = max(by_number) + 1
    if size > MOST_TOKENS:
        raise DataError(f"The tokenizer has a token with the number {size - 1}. Expected at most {MOST_TOKENS} tokens.", field="tokenizer")
    return tuple(by_number.get(k, f"<{k}>") for k in range(size))


def kind(tokenizer: str) -> str:
    """The name of the model of a tokenizer: BPE, WordPiece or Unigram."""
    name: str = json.loads(tokenizer)["model"].get("type", "")
    return name


def encode(tokenizer: str, text: str) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the tokens of a text, and the position in the text after each of them."""
    with _judged():
        found = _tokenizer(tokenizer).encode(text, add_special_tokens=False)
    return np.array(found.ids, np.int64), np.array([end for _, end in found.offsets], np.int64)


def decode(tokenizer: str, ids: Sequence[int]) -> str:
    """The text of tokens."""
    with _judged():
        text: str = _tokenizer(tokenizer).decode([int(k) for k in ids], skip_special_tokens=False)
    return text


def is_tokenizer(value: Any) -> bool:
    """Whether a value from an untrusted file has the form of the text of a tokenizer. The library may be absent."""
    try:
        said = json.loads(value) if isinstance(value, str) and len(value) <= MOST_BYTES else None
    except (ValueError, RecursionError):
        return False
    return isinstance(said, dict) and isinstance(said.get("model"), dict)


@lru_cache(maxsize=8)
def _tokenizer(text: str) -> Any:
    """The tokenizer that a text describes. DataError if it is none."""
    lib = library()
    with _judged():
        made = lib.Tokenizer.from_str(text)
    made.no_truncation()
    made.no_padding()
    return made


@contextmanager
def _judged() -> Iterator[None]:
    """Turn the exceptions of the library, which may be plain ones and panics, into a DataError."""
    try:
        yield
    except (DataError, MemoryError, KeyboardInterrupt):
        raise
    except BaseException as e:
        if not isinstance(e, Exception) and type(e).__name__ != "PanicException":
            raise
        raise DataError(f"It is no tokenizer.json of the library tokenizers ({str(e)[:200]}).", field="tokenizer") from e


def _plain(made: Any) -> str:
    """The text of a tokenizer in ASCII, so that every file can hold it. It does not cut or fill up texts."""
    made.no_truncation()
    made.no_padding()
    return json.dumps(json.loads(made.to_str()))
