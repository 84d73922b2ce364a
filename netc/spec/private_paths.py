"""What is given away says nothing of the machine that it was made on: paths lose the folders that only that machine has."""

import re
from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message

# Names and free texts, which are no paths.
WORDS = {
    "name", "type", "bottom", "top", "layer", "stage", "not_stage", "monitor", "description", "licence", "dataset_licence",
    "intended_use", "limits",
}  # fmt: skip
_OUTSIDE = re.compile(r"([/\\~]|[A-Za-z]:[/\\]|file:|(.*[/\\])?\.\.([/\\]|$))")
_WITHIN = re.compile(r"(^|[\s\[{(,\"']|:(?!//))([/\\~]|[A-Za-z]:[/\\]|\.\.[/\\])")
QUOTES = "\"' "
OWN = ("--runs", "--zoo", "--sign")  # options of a command that only say where this machine keeps things


def plain_path(text: str) -> str:
    """A path that is absolute, or leads out of the folder that it is read from, as its last part; any other text as it is."""
    bare = text.strip(QUOTES)
    return re.split(r"[/\\]", bare.rstrip("/\\"))[-1] if _OUTSIDE.match(bare) else text


def without_folders(message: Any) -> Any:
    """A copy of a protobuf message with every path in it plain."""
    copy = type(message)()
    copy.CopyFrom(message)
    _plain(copy)
    return copy


def plain_command(arguments: Sequence[str]) -> list[str]:
    """A command's arguments with plain paths, less those that say where this machine keeps things."""
    pairs = zip(("", *arguments), arguments, strict=False)
    kept = [a for before, a in pairs if before not in OWN and a not in OWN and not a.startswith(tuple(f"{o}=" for o in OWN))]
    return [_plain_argument(a) for a in kept]


def _plain_argument(text: str) -> str:
    """`FILE,FILE`, `--option=FILE`, `field=FILE`: each file plain. A value with a path somewhere inside it is left out."""
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
