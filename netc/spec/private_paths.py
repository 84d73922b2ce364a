"""Published files do not reveal the folders of the machine that made them: paths are shortened."""

import re
from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message

# Names and free texts, which are not paths.
WORDS = {
    "name", "type", "bottom", "top", "layer", "stage", "not_stage", "monitor", "description", "licence", "dataset_licence",
    "intended_use", "limits",
    "query", "label", "classes", "weight", "group", "time", "column", "known", "reason", "parts", "format",
    "freeze", "pattern", "input", "output", "sha256",  # names of tensors may begin with a slash
    "delimiter", "decimal", "thousands", "comment", "quote", "encoding", "sheet", "missing",
}  # fmt: skip
_OUTSIDE = re.compile(r"([/\\~]|[A-Za-z]:[/\\]|file:|(.*[/\\])?\.\.([/\\]|$))")
_WITHIN = re.compile(r"(^|[\s\[{(,\"']|:(?!//))([/\\~]|[A-Za-z]:[/\\]|\.\.[/\\])")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_LOGIN = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)([^/@:]*):[^/]*@")
_PASSWORD = re.compile(r"(?<=[?&])(password|passwd|pwd|token|secret)=[^&]*&?", re.IGNORECASE)
SQLITE = "sqlite:///"  # start of an address that is a path
QUOTES = "\"' "
OWN = ("--runs", "--zoo", "--sign")  # options that only select folders on this machine


def without_password(address: str) -> str:
    """The address of a database or a file without its password."""
    return _PASSWORD.sub("", _LOGIN.sub(r"\1\2@", address))


def plain_path(text: str) -> str:
    """The last part of a path that is absolute or leads outside of its base folder; an address without password and path.

    Any other text is unchanged.
    """
    bare = text.strip(QUOTES)
    if bare.startswith(SQLITE):
        return SQLITE + plain_path(bare.removeprefix(SQLITE))
    if _ADDRESS.match(bare) and not bare.startswith("file:"):
        return without_password(bare)
    return re.split(r"[/\\]", bare.rstrip("/\\"))[-1] if _OUTSIDE.match(bare) else text


def without_folders(message: Any) -> Any:
    """A copy of a protobuf message with all its paths shortened."""
    copy = type(message)()
    copy.CopyFrom(message)
    _plain(copy)
    return copy


def plain_command(arguments: Sequence[str]) -> list[str]:
    """A command's arguments with shortened paths, without options that only select folders on this machine."""
    pairs = zip(("", *arguments), arguments, strict=False)
    kept = [a for before, a in pairs if before not in OWN and a not in OWN and not a.startswith(tuple(f"{o}=" for o in OWN))]
    return [_plain_argument(a) for a in kept]


def _plain_argument(text: str) -> str:
    """Shorten each file in `FILE,FILE`, `--option=FILE` and `field=FILE`.

    A value with a path somewhere inside is left out.
    """
    name, equals, value = text.rpartition("=")
    plain = ",".join(plain_path(part) for part in value.split(","))
    return name + equals + ("..." if _WITHIN.search(plain) else plain)


def _plain(message: Message) -> None:
    for field, value in message.ListFields():
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            for entry in value.values():
                _plain(entry)
        elif field.message_type is not None:
            for inner in value if field.is_repeated else [value]:
                _plain(inner)
        elif field.type == field.TYPE_STRING and field.name not in WORDS:
            if field.is_repeated:
                value[:] = [plain_path(text) for text in value]
            else:
                setattr(message, field.name, plain_path(value))
