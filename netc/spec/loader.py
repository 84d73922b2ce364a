"""Read files and texts into documents, by the suffix of the file, or by its content if the suffix is unknown."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError, Message

from netc import netc_pb2 as pb
from netc.errors import Diagnostic, Place, SpecError, near, not_utf8
from netc.files import read_file
from netc.spec import file_kinds, values
from netc.spec.document import NOTHING, Document, Dropped
from netc.spec.fork_numbers import translate
from netc.spec.prototxt_reader import parse_prototxt as _parse_prototxt
from netc.spec.unknown_fields import MOST_SHOWN, check_texts, discard
from netc.spec.upgrade import upgraded
from netc.spec.wire import cut_off
from netc.spec.yaml_reader import parse_yaml as _parse_yaml

YAML = (".yaml", ".yml")
PROTOTXT = (".prototxt", ".pbtxt", ".txt")
BINARY = (".caffemodel", ".binaryproto", ".solverstate")


def parse_yaml(text: str, message_type: type[Message] = pb.NetParameter, path: str = "<text>") -> Document:
    """Parse a YAML text into a message in the current format. SpecError lists all errors in the text."""
    return _whole(_upgraded(_parse_yaml(text, message_type, path)))


def parse_prototxt(text: str, message_type: type[Message] = pb.NetParameter, path: str = "<text>", dropped: Dropped = NOTHING) -> Document:
    """Parse a protobuf text into a message in the current format. SpecError lists all errors in the text.

    `dropped` are fields of Caffe forks that may be left out. The document has a warning for each.
    """
    return _whole(_upgraded(_parse_prototxt(text, message_type, path, dropped)))


def load(path: str | Path, message_type: type[Message] = pb.NetParameter, dropped: Dropped = NOTHING) -> Document:
    """Load the message in a file, which is YAML, protobuf text or binary (see `form_of`), in the current format.

    `dropped` as in `parse_prototxt`. SpecError lists all errors, each with its place.
    """
    return _whole(read(path, message_type, dropped))


def read(path: str | Path, message_type: type[Message] = pb.NetParameter, dropped: Dropped = NOTHING) -> Document:
    """Like `load`, but returns a document with errors if the rest can be read. SpecError if it cannot."""
    name, suffix = str(path), Path(path).suffix
    data = read_bytes(path)
    form = form_of(data, suffix, message_type)
    if not form:
        raise SpecError(Diagnostic(Place(name), _wrong_suffix(data, suffix)))
    if form == BINARY:
        message = _decoded(data, message_type, name)
        check_texts(message, name)
        warnings = discard(message, name, dropped) if message_type is not pb.BlobProto else ()  # only the numbers of a BlobProto are read
        return _upgraded(Document(message, name, "", warnings=warnings))
    text = _text(data, name)
    old = _parse_yaml(text, message_type, name) if form == YAML else _parse_prototxt(text, message_type, name, dropped)
    document = _upgraded(old)
    if not document.message.ListFields() and not document.errors:
        wanted = f"Expected a {message_type.DESCRIPTOR.name}."
        if message_type is pb.NetParameter:
            wanted = "A net has `layers` and, for training, a `solver`. `netc init net.yaml` writes one to start from."
        raise SpecError(Diagnostic(Place(name), f"The file is empty. {wanted}"))
    return document


def form_of(data: bytes, suffix: str, message_type: type[Message] = pb.NetParameter) -> tuple[str, ...]:
    """YAML, PROTOTXT or BINARY: the form of a file by its suffix; by its content if the suffix says nothing. () for another file."""
    for form in (YAML, PROTOTXT, BINARY):
        if suffix in form:
            return form
    known = tuple(field.name for field in message_type.DESCRIPTOR.fields)
    if file_kinds.is_text(data):
        return YAML if file_kinds.is_yaml_net(data) else PROTOTXT if file_kinds.is_prototxt(data, known) else ()
    return BINARY if file_kinds.is_message(data, message_type) else ()


def _whole(document: Document) -> Document:
    """Return `document` if it has no errors; else raise them."""
    if document.errors:
        raise SpecError(*document.errors)
    return document


def _upgraded(document: Document) -> Document:
    try:
        new = upgraded(document)
        return replace(new, errors=(*new.errors, *values.errors(new)))
    except SpecError as e:
        raise SpecError(*document.errors, *e.diagnostics) from e


def parse_binary(data: bytes, message_type: type[Message], path: str = "<data>") -> Any:
    """Parse protobuf's binary format into a message in the current format.

    Unknown fields stay in the message. SpecError if the data is not such a message.
    """
    try:
        return upgraded(Document(_decoded(data, message_type, path), path, "")).message
    except UnicodeDecodeError as e:
        raise SpecError(Diagnostic(Place(path), f"The file contains a text that is not UTF-8: {e.object[:MOST_SHOWN]!r}")) from e


def _decoded(data: bytes, message_type: type[Message], path: str) -> Any:
    try:
        message = message_type.FromString(data)
        if message_type is pb.NetParameter:
            translate(message)
        return message
    except DecodeError as e:
        kind, where = message_type.DESCRIPTOR.name, cut_off(data, {f.number: f.name for f in message_type.DESCRIPTOR.fields})
        text = f"This is not a binary {kind}, or the file is truncated ({e})."
        if known := file_kinds.known(data):
            text = f"Expected a binary {kind}. This is {known}."
        elif where:
            text = f"This is not a binary {kind}, or the file is truncated: {where}."
        raise SpecError(Diagnostic(Place(path), text)) from e


def read_bytes(path: str | Path) -> bytes:
    """Read a file. SpecError, with similar names, if that fails."""
    path = Path(path)
    try:
        return read_file(path)
    except IsADirectoryError as e:
        nets = sorted(str(p) for p in path.iterdir() if p.suffix in (*YAML, *PROTOTXT))
        inside = f"The nets in it are {', '.join(nets[:5])}{', ...' if len(nets) > 5 else ''}." if nets else "There is no net in it."
        raise SpecError(Diagnostic(Place(str(path)), f"This is a folder. Expected the file of a net. {inside}")) from e
    except FileNotFoundError as e:
        if not path.parent.is_dir():
            raise SpecError(Diagnostic(Place(str(path)), f"There is no folder {str(path.parent)!r}.")) from e
        others = [p.name for p in path.parent.iterdir() if p.suffix in (*YAML, *PROTOTXT, *BINARY)]
        raise SpecError(Diagnostic(Place(str(path)), "There is no such file.", near(path.name, others) if others else None)) from e
    except OSError as e:
        raise SpecError(Diagnostic(Place(str(path)), f"Cannot read the file: {e.strerror}")) from e


def _wrong_suffix(data: bytes, suffix: str) -> str:
    if file_kinds.is_onnx(data):
        return "Expected the text of a net. This is an ONNX model: run it with `netc predict`."
    kinds = f"{', '.join(YAML)} for YAML, {', '.join(PROTOTXT)} for protobuf text, {', '.join(BINARY)} for Caffe's binary files"
    return f"The suffix {suffix!r} is unknown. Use {kinds}."


def _text(data: bytes, path: str) -> str:
    """Decode a UTF-8 text, without a byte-order mark."""
    if b"\0" in data:
        raise SpecError(Diagnostic(Place(path), f"Expected the text of a net. This is {file_kinds.described(data)}."))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        raise SpecError(not_utf8(path, e)) from e
