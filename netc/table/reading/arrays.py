"""The result of a query as NumPy arrays, streamed through Arrow."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import duckdb

PLAIN = {"l": np.int64, "i": np.int32, "s": np.int16, "c": np.int8, "L": np.uint64, "I": np.uint32, "S": np.uint16, "C": np.uint8}
FLOATS = {"g": np.float64, "f": np.float32}
TIMES = {"tsu:": "datetime64[us]", "tdD": "datetime64[D]"}


def arrays(relation: "duckdb.DuckDBPyRelation", rows: int) -> Iterator[list[np.ndarray]]:
    """Yield the columns of a relation, at most `rows` rows at a time."""
    import nanoarrow

    stream = nanoarrow.ArrayStream(relation)
    formats = [(child.format, child.dictionary is not None) for child in nanoarrow.c_schema(stream.schema).children]
    for batch in stream:
        array = nanoarrow.c_array(batch)
        view = array.view()
        whole = [_array(view.child(k), *formats[k]) for k in range(len(formats))]
        for start in range(0, array.length, rows):
            yield [column[start : start + rows] for column in whole]


def _array(view: Any, form: str, coded: bool) -> np.ndarray:
    """A column of a batch. Nothing of it refers to the memory of the batch."""
    start, count = view.offset, view.length
    if form in ("u", "U"):
        return _texts(view)
    if form == "b":
        bits = np.unpackbits(np.frombuffer(view.buffer(1), np.uint8), bitorder="little")
        return bits[start : start + count].astype(bool)
    kind = PLAIN.get(form) or FLOATS.get(form) or TIMES.get(form)
    if kind is None:
        raise TypeError(f"no array for the Arrow type {form!r}")
    values = np.frombuffer(view.buffer(1), kind if form[0] != "t" or form != "tdD" else np.int32)[start : start + count]
    values = values.astype(kind if not coded else np.int32)
    missing = _missing(view)
    if missing is None:
        return values
    if form in FLOATS:
        values[missing] = np.nan
    elif form in TIMES:
        values[missing] = np.datetime64("NaT")
    else:
        values[missing] = -1 if coded else 0
    return values


def _missing(view: Any) -> np.ndarray | None:
    """Which rows are NULL; None if there are none."""
    if not view.null_count:
        return None
    bits = np.unpackbits(np.frombuffer(view.buffer(0), np.uint8), bitorder="little")
    missing: np.ndarray = bits[view.offset : view.offset + view.length] == 0
    return missing


def _texts(view: Any) -> np.ndarray:
    """A column of texts. It decodes all of them at once and cuts them apart, as this is many times faster."""
    ends = np.frombuffer(view.buffer(1), np.int32)[view.offset : view.offset + view.length + 1]
    data = bytes(memoryview(view.buffer(2)))[ends[0] : ends[-1]] if len(ends) else b""
    text = data.decode()
    ends = ends - ends[0]
    if len(text) != len(data):  # offsets in bytes become offsets in letters
        letters = np.cumsum((np.frombuffer(data, np.uint8) & 0xC0) != 0x80)
        ends = np.concatenate(([0], letters))[ends]
    places = ends.tolist()
    found = np.empty(view.length, object)
    found[:] = [text[a:b] for a, b in zip(places, places[1:], strict=False)]
    return found
