"""Tokenizers: trained, read from files, and what is wrong with them."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from netc import netc_pb2 as pb
from netc.data import subwords
from netc.errors import DataError

pytest.importorskip("tokenizers", reason="pip install 'netc[tokens]'")

BPE, WORDPIECE = pb.DataParameter.BPE, pb.DataParameter.WORDPIECE
TEXT = "the cat sat on the mat\nthe dog sat on the log\n" * 20


def test_byte_pairs_keep_every_text() -> None:
    made = subwords.trained((TEXT,), BPE, 270)
    assert subwords.kind(made) == "BPE" and len(subwords.vocabulary(made)) == 270
    for text in (TEXT, "  two  spaces\n\n\ttab", "Grüße, 世界 🙂", "\0\x7f", ""):
        codes, ends = subwords.encode(made, text)
        assert subwords.decode(made, codes.tolist()) == text
        assert codes.dtype == np.int64 and len(codes) == len(ends) and (not text or ends[-1] == len(text))
    assert len(subwords.encode(made, TEXT)[0]) < len(TEXT) / 2


def test_word_pieces() -> None:
    made = subwords.trained((TEXT,), WORDPIECE, 40)
    words = subwords.vocabulary(made)
    assert subwords.kind(made) == "WordPiece" and words[0] == "[UNK]" and "the" in words and len(words) <= 40
    assert subwords.decode(made, subwords.encode(made, "the cat sat")[0].tolist()) == "the cat sat"
    assert subwords.encode(made, "世")[0].tolist() == [0]


def test_training_depends_on_the_texts_alone() -> None:
    made = [subwords.trained.__wrapped__((TEXT, "more"), BPE, 270) for _ in range(2)]
    assert made[0] == made[1] and made[0].isascii() and subwords.is_tokenizer(made[0])


@pytest.mark.parametrize("tokens, size, expected", [
    (BPE, 0, "`most_tokens` is missing. BPE needs the number of tokens: 257 to 1048576"),
    (BPE, 256, "`most_tokens` is 256. BPE needs"),
    (WORDPIECE, 1, "`most_tokens` is 1. WordPiece needs the number of tokens: 2 to"),
    (BPE, 1 << 21, "`most_tokens` is 2097152."),
])  # fmt: skip
def test_sizes(tokens: int, size: int, expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        subwords.trained((TEXT,), tokens, size)


def test_a_file_is_read_without_what_cuts_or_fills_up_texts(tmp_path: Path) -> None:
    import tokenizers

    made = tokenizers.Tokenizer.from_str(subwords.trained((TEXT,), BPE, 280))
    made.enable_truncation(3)
    made.enable_padding(length=50)
    made.save(str(tmp_path / "t.json"))
    assert subwords.read(tmp_path / "t.json") == subwords.trained((TEXT,), BPE, 280)
    assert len(subwords.encode(subwords.read(tmp_path / "t.json"), "the cat sat on the mat")[0]) > 3


@pytest.mark.parametrize("content, expected", [
    (None, "There is no such file. Expected the tokenizer.json of a tokenizer."),
    (b"", "It is no tokenizer.json of the library tokenizers ("),
    (b"{}", "It is no tokenizer.json of the library tokenizers ("),
    (b'{"model": {"type": "BPE"}}', "It is no tokenizer.json of the library tokenizers ("),
    (b"[" * 100_000, "It is no tokenizer.json of the library tokenizers ("),
    (b"\xff\xfe", "Cannot read the tokenizer: 'utf-8' codec"),
    (b'{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,"pre_tokenizer":null,"post_processor":null,'
     b'"decoder":null,"model":{"type":"WordLevel","vocab":{},"unk_token":"x"}}', "The tokenizer has 0 tokens. Expected 1 to 1048576."),
])  # fmt: skip
def test_files_that_are_none(tmp_path: Path, content: bytes | None, expected: str) -> None:
    if content is not None:
        (tmp_path / "t.json").write_bytes(content)
    with pytest.raises(DataError) as caught:
        subwords.read(tmp_path / "t.json")
    assert str(caught.value).startswith(f"{tmp_path / 't.json'}: {expected}") and caught.value.diagnostics[0].field == "tokenizer"


def test_a_pipe_and_a_large_file_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="it is a pipe, not a file"):
        subwords.read(tmp_path / "pipe")
    monkeypatch.setattr(subwords, "MOST_BYTES", 1 << 20)
    (tmp_path / "t.json").write_bytes(b" " * (1 << 20) + b" ")
    with pytest.raises(DataError, match="has more than 1 MB"):
        subwords.read(tmp_path / "t.json")


def test_a_gap_in_the_numbers_has_a_name_and_a_large_number_is_an_error() -> None:
    said = json.loads(subwords.trained((TEXT,), WORDPIECE, 40))
    said["model"]["vocab"]["far"] = 50
    assert subwords.vocabulary(json.dumps(said))[45:] == ("<45>", "<46>", "<47>", "<48>", "<49>", "far")
    said["model"]["vocab"]["far"] = 1 << 31
    with pytest.raises(DataError, match="has a token with the number 2147483648. Expected at most 1048576 tokens"):
        subwords.vocabulary(json.dumps(said))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"model": {}}'])
def test_an_untrusted_text_is_an_error(text: str) -> None:
    for use in (lambda: subwords.encode(text, "x"), lambda: subwords.decode(text, [1]), lambda: subwords.vocabulary(text)):
        with pytest.raises(DataError, match="It is no tokenizer.json"):
            use()
    assert subwords.is_tokenizer(text) == (text == '{"model": {}}')


def test_a_panic_of_the_library_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicException(BaseException):  # noqa: N818  (its name in the library)
        pass

    def panic(text: str) -> None:
        raise PanicException("index out of range")

    monkeypatch.setattr(subwords, "_tokenizer", panic)
    with pytest.raises(DataError, match="index out of range"):
        subwords.encode("", "x")


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(DataError, match=r"Tokenizers need the library tokenizers: pip install 'netc\[tokens\]'"):
        subwords.trained((TEXT,), BPE, 281)
