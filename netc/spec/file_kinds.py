"""Recognize files by their content: nets whose suffix says nothing, and other files, so that an error can say how to use them."""

import re
from typing import Any

from google.protobuf.message import DecodeError, Message

# First bytes, what such a file is, and what to do with it.
KINDS = (
    (b"PK\x03\x04", "a ZIP archive (.npz, .pt, .keras)", "arrays are named as `source` of a Data layer"),
    (b"\x93NUMPY", "a NumPy array (.npy)", "arrays are named as `source` of a Data layer"),
    (b"\x89HDF\r\n", "an HDF5 file", "weights go to --weights"),
    (b"\x89PNG", "a PNG image", "images go to `netc predict`"),
    (b"\xff\xd8\xff", "a JPEG image", "images go to `netc predict`"),
    (b"\x1f\x8b", "a gzip file", "unpack it first"),
    (b"\x80\x02", "a pickle of Python", "netc never unpickles"),
    (b"\x80\x04", "a pickle of Python", "netc never unpickles"),
    (b"version https://git-lfs", "a pointer of Git LFS", "`git lfs pull` fetches the file"),
    (b"<!DOCTYPE", "a web page", "download the file again"),
    (b"<html", "a web page", "download the file again"),
    (b"\x7fELF", "a program", ""),
    (b"%PDF", "a PDF", ""),
)


def known(data: bytes) -> str:
    """The end of a sentence that says what a file with known first bytes is, and what to do with it; "" for any other."""
    return next((f"{what}{f': {purpose}' if purpose else ''}" for start, what, purpose in KINDS if data.startswith(start)), "")


def described(data: bytes) -> str:
    """The end of a sentence that says what a binary file is, and what to do with it."""
    if found := known(data):
        return found
    if is_onnx(data):
        return "an ONNX model: run it with `netc predict`"
    if data[:8][7:] == b"\0" and data[8:9] == b"{":
        return "a .safetensors file: use `--weights` for weights"
    return f"a binary file of {len(data)} bytes"


def is_onnx(data: bytes) -> bool:
    """Whether the bytes are an ONNX model: its first field is a small version number, and it has a graph."""
    if data[:1] != b"\x08":
        return False
    import onnx

    try:
        return bool(onnx.ModelProto.FromString(data).graph.node)
    except DecodeError:
        return False


def is_text(data: bytes) -> bool:
    """Whether a file is a UTF-8 text."""
    try:
        return not re.search("[\\x00-\\x08\\x0e-\\x1f]", data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return False


def is_yaml_net(data: bytes) -> bool:
    """Whether a text is a net in YAML: its layers are a list."""
    return bool(re.search(rb"^layers[ \t]*:[ \t]*(\[|#|\r?$)", data, re.MULTILINE))


def is_prototxt(data: bytes, fields: tuple[str, ...]) -> bool:
    """Whether a text is protobuf text: it begins with one of the fields, or has a layer."""
    first = re.match(r"(?:\s|#[^\n]*\n)*(\w+)\s*[:{]", data.decode("utf-8-sig"))
    return bool(first and first[1] in fields) or bool(re.search(rb"^[ \t]*layers?[ \t]*(?::[ \t]*)?\{", data, re.MULTILINE))


def is_message(data: bytes, message_type: type[Message]) -> bool:
    """Whether a binary file is a message of a type, and not a file of another kind."""
    if any(data.startswith(start) for start, *_ in KINDS) or is_onnx(data):
        return False
    try:
        message: Any = message_type.FromString(data)
    except (DecodeError, UnicodeDecodeError):
        return False
    return bool(message.ListFields())
