"""A folder of texts with one sub-folder per class, split by a tokenizer: sequences of tokens with the number of their class.

A longer text is cut after `steps` tokens, a shorter one is padded with zeros; `cont` marks its steps. Classes and files are in sorted
order. `train/`, `val/` and `test/` are read as such, see `class_folders.py`. A Table layer reads such folders by words.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np

from netc.data import subwords
from netc.data.class_folders import Folder, parts, read_folder
from netc.data.order import held_out
from netc.data.sequences import continues, sequence_tops
from netc.data.source import Column, Description, Request, Table, TopSpec
from netc.data.tokenizers import chosen_tokenizer, kind_of
from netc.data.units import SUBWORDS
from netc.data.vocabulary import Vocabulary
from netc.errors import DataError, not_utf8
from netc.files import read_file
from netc.registry import source

SUFFIXES = (".txt", ".text", ".md")


@source("folder of texts", noun="texts")
def text_folder(request: Request) -> Table:
    """Texts and their class numbers. Reads all texts, since the tokenizer may learn from them."""
    if kind_of(request) != SUBWORDS:
        text = "A Data layer splits the texts of a folder by `tokens: BPE`, `tokens: WORDPIECE` or a `tokenizer`."
        raise DataError(f"{text} A Table layer reads them by words.", field="tokens")
    root = read_folder(request.path, lambda name: name.lower().endswith(SUFFIXES))
    split = parts(root)
    train, part = (split.train, split.of(request.phase)) if split else (root, root)
    classes = tuple(train.classes) if request.classes is None else request.classes
    if unknown := sorted(set(part.classes) - set(classes)):
        raise DataError(f"{part.path}: The training texts have no classes {', '.join(unknown)}.")
    if not (files := _files(part, classes)):
        raise DataError(f"{part.path}: There are no folders of texts, one per class (searched for {' '.join(SUFFIXES)}).")
    tokenizer = chosen_tokenizer(request, lambda: _training_texts(request, _files(train, classes)))
    vocabulary, steps = subwords.vocabulary(tokenizer), _steps(request)

    def load() -> tuple[Column, ...]:
        data, lengths = np.zeros((len(files), steps), np.int64), np.zeros(len(files), np.int64)
        for row, (file, _) in enumerate(files):
            codes = subwords.encode(tokenizer, _text(file))[0][:steps]
            data[row, : len(codes)], lengths[row] = codes, len(codes)
        return data, np.array([number for _, number in files]), continues(lengths, steps)

    tops = sequence_tops(TopSpec("int64", (), classes=len(vocabulary)), TopSpec("int64", (), classes=len(classes)), steps)
    tested = split is not None and bool(split.test or split.validation)
    described = Description(request.path.name, tops, len(files), classes, tokens=SUBWORDS, tokenizer=tokenizer,
                            has_validation=bool(split and split.test and split.validation))  # fmt: skip
    return Table(described, load, has_test_rows=tested, all_phases=not split, vocabulary=lambda: Vocabulary(vocabulary, tokenizer))


def _steps(request: Request) -> int:
    if steps := int(request.layer.data_param.steps):
        return steps
    raise DataError(
        "`steps` is missing. Add the number of tokens that the net reads of each text, for example `steps: 128`.", field="steps"
    )


def _files(folder: Folder, classes: tuple[str, ...]) -> list[tuple[Path, int]]:
    """The texts of a folder with the numbers of their classes."""
    return [(file, number) for number, name in enumerate(classes) if name in folder.classes for file in folder.classes[name].samples]


def _training_texts(request: Request, files: list[tuple[Path, int]]) -> list[str]:
    """The texts that are not held out for testing."""
    fraction = request.layer.data_param.test_fraction
    rows = held_out(len(files), fraction, "TRAIN") if fraction else range(len(files))
    return [_text(files[row][0]) for row in rows]


@lru_cache(maxsize=1 << 14)
def _text(path: Path) -> str:
    try:
        return read_file(path).decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as e:
        raise DataError(not_utf8(str(path), e)) from e
    except OSError as e:
        raise DataError(f"Cannot read {path}: {e.strerror}") from e
