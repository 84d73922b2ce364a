"""What `netc init` is asked for, and what a kind of data answers."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from netc import registry

HELD_OUT = 0.2  # fraction of the rows for testing, if the data has no test rows


@dataclass(frozen=True)
class Wanted:
    """A request for a starter net.

    `data` is the data as the user names it: a path, an address or the name of a data set. `target` is the net file to write. `labels`
    are the columns or arrays to predict; netc chooses if there are none. `test` and `validation` are paths with rows for these purposes.
    `query` is SQL for the rows of a table. `model` is an ONNX file to go on from.
    """

    data: str
    target: Path
    labels: tuple[str, ...] = ()
    test: Path | None = None
    validation: Path | None = None
    query: str = ""
    model: str = ""

    @property
    def parts(self) -> dict[str, str]:
        """The fields of the data layer that name its validation and test rows."""
        given = {"validation_source": self.validation, "test_source": self.test}
        return {field: self.from_base(path) for field, path in given.items() if path}

    @property
    def path(self) -> Path:
        """The data as a path from the current folder."""
        return Path(self.data).expanduser()

    @property
    def is_named(self) -> bool:
        """Whether the data is a named data set, such as mnist. It wins over a file of the same name."""
        return self.data in registry.dataset

    @property
    def is_address(self) -> bool:
        """Whether the data is an address, such as postgresql://host/name."""
        return "://" in self.data

    @property
    def base(self) -> str:
        """The folder of the net file, which its paths start from."""
        return str(self.target.parent)

    @property
    def source(self) -> str:
        """The data as the net file names it."""
        return self.data if self.is_named or self.is_address else self.from_base(self.path)

    @property
    def model_file(self) -> str:
        """The ONNX file as the net file names it: a path from its folder, an address, or a name in the zoo."""
        path = Path(self.model).expanduser()
        return self.from_base(path) if path.exists() else self.model

    def from_base(self, path: Path) -> str:
        """A path as the net file names it: relative to its folder, or absolute if the user gave an absolute path on another drive."""
        try:
            return os.path.relpath(path, self.target.parent)
        except ValueError:  # Windows has no relative path from one drive to another
            return str(path.absolute())


@dataclass(frozen=True)
class Starter:
    """A starter net: its text, a description of the data in a few words, and notes for the user.

    `text` has no licences yet. `licensed` means that the data states its own licence.
    """

    text: str
    summary: str
    notes: tuple[str, ...] = ()
    licensed: bool = False


@dataclass(frozen=True)
class Kind:
    """A kind of data that `netc init` can write a net for.

    `recognise` looks at the content. It returns False for data that is missing or damaged; the last kind reports that. `takes_labels`:
    --label names what to predict. `takes_query`: --query names the rows.
    """

    name: str
    recognise: Callable[[Wanted], bool]
    starter: Callable[[Wanted], Starter]
    takes_labels: bool = False
    takes_query: bool = False
