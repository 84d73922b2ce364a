"""How a net reads the columns of a table: the facts that were fitted on its training rows."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from netc.formats.typed_json import MisfitError, typed
from netc.registry import column_type


@dataclass(frozen=True)
class FittedColumn:
    """A column as a net reads it. Each column type is a subclass, registered with `@column_type("name")`, whose fields are fitted values.

    `name` is the name of the column in tables, and of the input of a published model.
    """

    name: str

    @property
    def type(self) -> str:
        """The name of the column type."""
        return next(str(name) for name, kind in column_type.items() if kind is type(self))

    @property
    def dtype(self) -> str:
        """The type of a raw value: "float32" or "float64" (NaN: missing), "int64" (the least one: missing) or "string" ("": missing)."""
        raise NotImplementedError

    @property
    def slots(self) -> int:
        """The number of float32 values of this column in an encoded row."""
        raise NotImplementedError

    def as_json(self) -> dict[str, Any]:
        """Return the type and the fitted values as JSON values."""
        return {"type": self.type, **asdict(self)}


def from_json(said: Mapping[str, Any]) -> FittedColumn:
    """Read the result of `as_json`. KeyError, TypeError or ValueError for anything else."""
    rest = {name: value for name, value in said.items() if name != "type"}
    try:
        found: FittedColumn = typed(rest, column_type[said["type"]])
    except MisfitError as e:
        raise ValueError(str(e)) from e
    return found
