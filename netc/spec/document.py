"""What reading a text gives: the message, and where in the text each of its fields stands."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any

from netc.errors import Argument, Diagnostic, Place

FieldPath = tuple[str | int, ...]
Position = tuple[int, int]


@dataclass(frozen=True)
class Dropped:
    """Which fields that netc does not have are dropped: `outside` all that stand outside of layers, `fields` those that are named.

    A field of a layer may change what the layer computes, so only its name drops it: `pooling_param.foo`, or `foo_param`.
    """

    outside: bool = False
    fields: tuple[str, ...] = ()

    def has(self, path: FieldPath, name: str) -> bool:
        """Whether the field `name` of the message at `path` is dropped."""
        named = [part for part in path if isinstance(part, str)]
        inside = bool(set(named) & {"layer", "layers"})
        return self.name(path, name) in self.fields or (self.outside and not inside)

    @staticmethod
    def name(path: FieldPath, name: str) -> str:
        """What names a field of the message at `path`."""
        named = [part for part in path if isinstance(part, str)]
        return name if not named or named[-1] in ("layer", "layers") else f"{named[-1]}.{name}"


NOTHING = Dropped()


@dataclass(frozen=True)
class Document:
    """A message with the text that it was read from. `text` is "" for binary files.

    `positions` maps the path of a field, such as ("layer", 3, "convolution_param", "kernel_size", 0), to its line and
    column, both from 1. `warnings` are what was dropped on the way, `errors` what is wrong with the text: `broken` are the layers (and
    "solver") that it leaves in doubt, `guessed` those that it does not, as near names must be meant. They are named by position.
    `overrides` has the fields that the command line set: the argument, and the column in it. `allow_python`: whether who reads the
    text lets its Python layers run.
    """

    message: Any
    path: str
    text: str
    positions: Mapping[FieldPath, Position] = field(default_factory=dict)
    warnings: tuple[Diagnostic, ...] = ()
    errors: tuple[Diagnostic, ...] = ()
    broken: frozenset[Position] = frozenset()
    guessed: frozenset[Position] = frozenset()
    overrides: Mapping[FieldPath, Argument] = field(default_factory=dict)
    allow_python: bool = False

    def place(self, *path: str | int) -> Place:
        """The place of a field, or of the nearest field around it: in the file, or in the argument that set it. Else the file alone."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.overrides:
                return self.overrides[path[:end]]
            if path[:end] in self.positions:
                return Place(self.path, *self.positions[path[:end]])
        return Place(self.path)

    def is_broken(self, *path: str | int) -> bool:
        """Whether the text of a layer, or of the solver, leaves in doubt what it says."""
        return self.positions.get(path, (0, 0)) in self.broken

    def is_guessed(self, *path: str | int) -> bool:
        """Whether near names were taken for those in the text of a layer."""
        return self.positions.get(path, (0, 0)) in self.guessed

    def states(self, *path: str | int) -> bool:
        """Whether the text has this field."""
        return path in self.positions

    def fields_of(self, *path: str | int) -> tuple[FieldPath, ...]:
        """The paths of the fields below that of a list's element, such as ("layer", 3)."""
        return self._fields.get(path, ())

    @cached_property
    def _fields(self) -> Mapping[FieldPath, tuple[FieldPath, ...]]:
        found: dict[FieldPath, list[FieldPath]] = {}
        for path in self.positions:
            found.setdefault(path[:2], []).append(path)
        return {path: tuple(paths) for path, paths in found.items()}

    @property
    def sha256(self) -> str:
        """Of the text; of the message where there is no text."""
        data = self.text.encode() if self.text else self.message.SerializeToString(deterministic=True)
        return sha256(data).hexdigest()
