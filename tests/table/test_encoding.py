"""Rows that are encoded in parts, each text once, equal rows that are encoded one by one."""

from typing import Any

import numpy as np
import pytest

from netc import registry
from netc.table import encoding
from netc.table.cells import Codes, Column, Numbers, Texts, Wanted
from netc.table.columns.define import Cells
from netc.table.encoded import encoded
from netc.table.encoding import encode
from tests.table.mixed import KINDS, fitted, raw_rows


class Raw:
    """A table of one column of texts."""

    def __init__(self, texts: np.ndarray):
        self.texts = texts

    def chunks(self, select: dict[str, str], rows: int) -> Any:
        (name,) = select
        yield from ({name: self.texts[start : start + rows]} for start in range(0, len(self.texts), rows))


def cells_of(values: np.ndarray, long: bool) -> Column:
    if values.dtype != object:
        return Numbers(values)
    if long:
        return Texts(Raw(values), Wanted("x", Cells("x"), "string"), 10.0)  # type: ignore[arg-type]  # a stand-in
    words = np.array(sorted({*values.tolist()} - {""}), object)
    return Codes(np.where(values == "", -1, np.searchsorted(words.astype(str), values.astype(str))).astype(np.int32), words)


@pytest.mark.parametrize("step", [7, 1 << 20])
@pytest.mark.parametrize("few", [0, 1_000])
@pytest.mark.parametrize("long", [False, True])
def test_each_text_is_encoded_once(monkeypatch: pytest.MonkeyPatch, step: int, few: int, long: bool) -> None:
    monkeypatch.setattr(encoding, "MOST_ROWS", step)
    monkeypatch.setattr(encoding, "FEW", few)
    raw = raw_rows(200)
    columns, ticks = fitted(raw, 100), list[int]()
    out = np.full((200, sum(c.slots for c in columns)), np.nan, np.float32)
    encode(columns, {name: cells_of(values, long) for name, values in raw.items()}, out, lambda: ticks.append(1))
    assert np.array_equal(out, encoded(columns, raw)) and len(ticks) == -(-200 // min(step, encoding.MOST_VALUES // out.shape[1]))


def test_every_type_of_column_is_tried() -> None:
    assert {*KINDS.values()} == registry.column_type.keys()
