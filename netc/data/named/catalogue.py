"""The built-in data sets: registers every record in `records/` under `registry.dataset`."""

from functools import cache

from netc.data.named import drawn, drawn_boxes, images, sequences, tables  # noqa: F401  (these fill the table of readers)
from netc.data.named.dataset import RECORDS, DataSet, fields, load
from netc.data.named.readers import READERS
from netc.data.source import Request, Table
from netc.registry import dataset

PATHS = {path.stem: path for path in sorted(RECORDS.glob("*.json"))}


@cache
def record(name: str) -> DataSet | None:
    """The record of a built-in data set; None for an unknown name."""
    return load(PATHS[name]) if name in PATHS else None


def _register(name: str) -> None:
    def source(request: Request) -> Table:
        found = record(name)
        assert found is not None
        return READERS[found.reader](request, found)

    said = fields(PATHS[name])
    source.__doc__ = said["summary"]
    dataset(name, **{fact: said[fact] for fact in ("noun", "channels") if fact in said})(source)


for _name in PATHS:
    _register(_name)
