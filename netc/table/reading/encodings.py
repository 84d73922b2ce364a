"""The encoding of a text file, and its text as UTF-8 for DuckDB."""

import codecs
import re
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from netc.errors import DataError, Diagnostic, Place, near
from netc.files import open_plain

BLOCK = 1 << 20
MARKS = {  # the longer ones first
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
LIKELY = ("cp1252", "cp1250", "cp1251", "shift_jis", "gb18030")
SHOWN, CUTS = 24, (b",", b";", b"\t", b"|", b"\n", b'"')  # bytes around a wrong one that a message shows, and what ends a cell
KNOWN = ("utf-8", "utf-16", "latin-1", "cp1252", "cp1250", "cp1251", "cp437", "shift_jis", "euc-jp", "gb18030", "big5", "euc-kr", "koi8-r")


@dataclass(frozen=True)
class Text:
    """A text file as UTF-8 on this machine, and what a look at all of its bytes told."""

    path: Path
    sha256: str  # of the file as it was
    encoding: str
    look: "Look"


def encoding_of(name: str, start: bytes, options_encoding: str) -> str:
    """The encoding of a file with these first bytes. DataError if the one that is asked for is unknown."""
    if not options_encoding:
        marked = next((encoding for mark, encoding in MARKS.items() if start.startswith(mark)), None)
        return marked or _unmarked(start)
    try:
        found = codecs.lookup(options_encoding)
        if not found._is_text_encoding:
            raise LookupError
    except LookupError:
        suggestion = near(options_encoding, KNOWN)
        raise DataError(Diagnostic(Place(name), f"The encoding {options_encoding!r} is unknown.", suggestion)) from None
    return found.name


def codec(encoding: str) -> str:
    """The codec that leaves out the mark at the begin of UTF-8."""
    return "utf-8-sig" if encoding == "utf-8" else encoding


def _unmarked(start: bytes) -> str:
    """UTF-8, or UTF-16 if every second byte of a text in a Latin script is zero."""
    zeros = [start[at::2].count(0) * 2 > len(start[at::2]) for at in (0, 1)] if len(start) > 3 else [False, False]
    return "utf-16-be" if zeros[0] and not zeros[1] else "utf-16-le" if zeros[1] and not zeros[0] else "utf-8"


def as_utf8(path: Path, name: str, encoding: str, comment: str, target: Path) -> Text:
    """Check a text file and write it as UTF-8 to `target`, unless it is UTF-8 already. DataError with the place of a wrong byte."""
    look, digest = Look(name, comment), sha256()
    stored_so = codecs.lookup(encoding).name in ("utf-8", "ascii")
    with open_plain(path) as file, nullcontext() if stored_so else target.open("wb") as copy:
        for block, text in _decoded(file, name, encoding, look):
            digest.update(block)
            data = block if copy is None else text.encode()
            look.at(data)
            if copy is not None:
                copy.write(data)
    return Text(path if stored_so else target, digest.hexdigest(), encoding, look)


def _decoded(file: BinaryIO, name: str, encoding: str, look: "Look") -> Iterator[tuple[bytes, str]]:
    """Yield the bytes of a file in blocks, each with its text."""
    decoder = codecs.getincrementaldecoder(codec(encoding))()
    while True:
        block = file.read(BLOCK)
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            raise DataError(_undecodable(name, encoding, error, look.lines)) from None
        except UnicodeError as error:  # such as UTF-16 without a mark
            raise DataError(f"{name}: The file is not {encoding}: {error}.") from None
        yield block, text
        if not block:
            return


def _undecodable(name: str, encoding: str, error: UnicodeDecodeError, lines: int) -> Diagnostic:
    """The first byte that is not in the encoding, and how its cell reads in others."""
    read, at = error.object, error.start
    place = Place(name, lines + read.count(b"\n", 0, at) + 1, at - read.rfind(b"\n", 0, at))
    if encoding != "utf-8":
        return Diagnostic(place, f"The byte {read[at]:#04x} is not {encoding}. Set another `encoding`.")
    begin, end = max(read.rfind(mark, max(0, at - SHOWN), at) for mark in CUTS) + 1, min(at + SHOWN, len(read))
    cell = re.split(rb"[,;\t|\r\n\"]", read[max(begin, at - SHOWN) : end])[0]
    reads = []
    for likely in LIKELY:
        with suppress(UnicodeDecodeError):
            reads.append(f"`{likely}` reads {cell.decode(likely)!r}")
    hint = f": {', '.join(reads)}" if reads else ""
    return Diagnostic(place, f"The byte {read[at]:#04x} is not UTF-8. Set the `encoding` of the file{hint}.")


class Look:
    """Counts line ends and comments in UTF-8. DataError if there is a NUL byte."""

    def __init__(self, name: str, comment: str):
        self.name = name
        self.comment = re.compile(b"[\r\n]" + re.escape(comment.encode())) if comment else None
        self.kept, self.tail = max(1, len(comment.encode())), b"\n"
        self.lines = self.returns = self.both = self.comments = 0

    def at(self, data: bytes) -> None:
        """Look at the next bytes."""
        if (at := data.find(0)) >= 0:
            place = Place(self.name, self.lines + data.count(b"\n", 0, at) + 1, at - data.rfind(b"\n", 0, at))
            raise DataError(Diagnostic(place, "There is a NUL byte. Expected a text file; this one is damaged or of another kind."))
        self.lines += data.count(b"\n")
        self.returns += data.count(b"\r")
        self.both += data.count(b"\r\n") + (self.tail.endswith(b"\r") and data.startswith(b"\n"))
        if self.comment:
            self.comments += len(self.comment.findall(self.tail + data))
        self.tail = (self.tail + data[-self.kept :])[-self.kept :]

    @property
    def mixed(self) -> bool:
        """Whether lines end in more than one way."""
        return (self.returns != self.both and self.lines > 0) or 0 < self.both < self.lines
