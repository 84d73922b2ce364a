"""Encoded rows do not depend on what a row is encoded with."""

import numpy as np
import pytest

from netc.table import encoded as module
from netc.table.encoded import Encoder, encoded
from tests.table.mixed import fitted, raw_rows

RAW = raw_rows(300)
COLUMNS = fitted(RAW)


@pytest.mark.parametrize("cells", [1, 100, 5000])
def test_the_size_of_the_pieces(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    together = encoded(COLUMNS, RAW)
    monkeypatch.setattr(module, "MOST_CELLS", cells)
    np.testing.assert_array_equal(encoded(COLUMNS, RAW), together)


def test_the_rows_beside_it() -> None:
    encoder, order = Encoder(COLUMNS), np.random.default_rng(0).permutation(300)
    together = encoder(RAW)
    assert together.shape == (300, encoder.slots)
    np.testing.assert_array_equal(encoder({name: cells[order] for name, cells in RAW.items()}), together[order])
    alone = np.concatenate([encoder({name: cells[k : k + 1] for name, cells in RAW.items()}) for k in range(300)])
    np.testing.assert_array_equal(alone, together)
    assert encoder({name: cells[:0] for name, cells in RAW.items()}).shape == (0, encoder.slots)


def test_the_order_of_the_columns() -> None:
    """Each column has the same values, at other places."""
    together, turned = encoded(COLUMNS, RAW), encoded(COLUMNS[::-1], RAW)
    np.testing.assert_array_equal(np.sort(turned, axis=1), np.sort(together, axis=1))


def test_the_fit_ignores_test_rows() -> None:
    changed = {name: cells.copy() for name, cells in RAW.items()}
    for name, cells in changed.items():
        cells[200:] = {"O": "something else", "i": 5, "f": 1e9}[cells.dtype.kind]
        assert not np.array_equal(cells, RAW[name])
    assert fitted(changed, 200) == fitted(RAW, 200) and fitted(changed) != fitted(RAW)


def test_columns_without_rows() -> None:
    columns = fitted({name: cells[:0] for name, cells in RAW.items()})
    assert np.isfinite(encoded(columns, RAW)).all()
