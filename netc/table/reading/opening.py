"""Open a table by its source."""

from pathlib import Path

from netc.errors import DataError
from netc.table.reading.columnar import read_parquet
from netc.table.reading.delimited import read_delimited
from netc.table.reading.options import FOUND_OUT, ReadingOptions
from netc.table.reading.raw import RawTable
from netc.table.reading.text_folder import read_texts

HERE = Path()
PARQUET = b"PAR1"


def open_table(source: str, base: Path = HERE, options: ReadingOptions = FOUND_OUT) -> RawTable:
    """Open the table at `source`, a path that may be relative to `base`. DataError lists everything that is wrong."""
    path = base / source
    if path.is_dir():
        return read_texts(path, source, options)
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as e:
        raise DataError(f"Cannot read {source}: {e.strerror or e}.") from e
    return (read_parquet if start == PARQUET else read_delimited)(path, source, options)
