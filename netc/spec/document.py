"""The result of reading a text: the message, and the position of each of its fields in the text."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from hashlib import sha256
from typing import Any

from netc.errors import Argument, Diagnostic, Place

FieldPath = tuple[str | int, ...]
Position = tuple[int, int]


@dataclass(frozen=True)
class Dropped:
    """Unknown fields to drop: `outside` drops all outside of layers, `fields` drops those that are named.

    A field of a layer may change what the layer computes, so only its name drops it: `pooling_param.foo` or `foo_param`, of one layer
    `conv1.pooling_param.foo`, of one layer type `Pooling.pooling_param.foo`. `*` and `?` stand for any letters: `pooling_param.*`.
    """

    outside: bool = False
    fields: tuple[str, ...] = ()

    def has(self, path: FieldPath, name: str, *owners: str) -> bool:
        """Whether the field `name` of the message at `path` is dropped. `owners` are the name and the type of its layer."""
        named = [part for part in path if isinstance(part, str)]
        inside = bool(set(named) & {"layer", "layers"})
        if self.outside and not inside:
            return True
        within = named[max((k + 1 for k, part in enumerate(named) if part in ("layer", "layers")), default=0) :]
        whole = ".".join((*within, name))
        known = (self.name(path, name), whole, *(f"{owner}.{whole}" for owner in owners if owner))
        return any(pattern in known or any(fnmatchcase(k, pattern) for k in known) for pattern in self.fields)

    @staticmethod
    def name(path: FieldPath, name: str) -> str:
        """The name by which users drop a field of the message at `path`."""
        named = [part for part in path if isinstance(part, str)]
        return name if not named or named[-1] in ("layer", "layers") else f"{named[-1]}.{name}"


NOTHING = Dropped()


@dataclass(frozen=True)
class Origin:
    """Where a layer that is not in the list of layers itself comes from: the file of its text, and notes for its errors."""

    file: str
    notes: tuple[str, ...] = ()

    def place(self, at: Position) -> Place:
        """The place of a position in that text."""
        return Place(self.file, *at, notes=self.notes)


@dataclass(frozen=True)
class Document:
    """A message with the text that it was read from. `text` is "" for binary files.

    `positions` maps the path of a field, such as ("layer", 3, "convolution_param", "kernel_size", 0), to its line and
    column, counted from 1.

    `warnings` are the dropped fields, and `errors` the errors in the text. `broken` are the layers (and "solver") whose content is
    uncertain because of an error. `guessed` are the layers in which misspelled names were replaced by similar ones.
    Both hold positions.

    `overrides` maps each field that the command line set to its argument and the column in it. `allow_python`: whether the user lets
    the net's Python layers run. `origins` has the layers that come from a block or a repeat, by path. `included` are the texts of the
    files that the text includes.
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
    origins: Mapping[FieldPath, Origin] = field(default_factory=dict)
    included: tuple[str, ...] = ()

    def place(self, *path: str | int) -> Place:
        """The place of a field, or of the nearest enclosing field: in the file, or in the argument that set it.

        If there is none, the file.
        """
        for end in range(len(path), 0, -1):
            if path[:end] in self.overrides:
                return self.overrides[path[:end]]
            if path[:end] in self.positions:
                origin = next((self.origins[path[:k]] for k in range(2, end + 1) if path[:k] in self.origins), Origin(self.path))
                return origin.place(self.positions[path[:end]])
        return Place(self.path)

    def is_broken(self, *path: str | int) -> bool:
        """Whether errors leave the content of a layer, or of the solver, uncertain."""
        return self.positions.get(path, (0, 0)) in self.broken

    def is_guessed(self, *path: str | int) -> bool:
        """Whether misspelled names in a layer were replaced by similar ones."""
        return self.positions.get(path, (0, 0)) in self.guessed

    def states(self, *path: str | int) -> bool:
        """Whether the text contains this field."""
        return path in self.positions

    def fields_of(self, *path: str | int) -> tuple[FieldPath, ...]:
        """The paths of all fields within an element of a list, such as ("layer", 3)."""
        return self._fields.get(path, ())

    @cached_property
    def _fields(self) -> Mapping[FieldPath, tuple[FieldPath, ...]]:
        found: dict[FieldPath, list[FieldPath]] = {}
        for path in self.positions:
            found.setdefault(path[:2], []).append(path)
        return {path: tuple(paths) for path, paths in found.items()}

    @property
    def sha256(self) -> str:
        """The hash of the text; of the message if there is no text."""
        data = self.full_text.encode() if self.text else self.message.SerializeToString(deterministic=True)
        return sha256(data).hexdigest()

    @property
    def full_text(self) -> str:
        """The text with the texts of all included files."""
        return "\0".join((self.text, *self.included))
