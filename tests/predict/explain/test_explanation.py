"""How much is read for an explanation."""

import pytest

from netc.predict.explain.explanation import CELLS, default_rows


@pytest.mark.parametrize("columns, rows", [(1, 5000), (14, 5000), (200, 5000), (500, 800), (1000, 200), (5000, 200)])
def test_many_columns_take_fewer_rows(columns: int, rows: int) -> None:
    assert default_rows(columns, 5) == rows
    assert columns > 1000 or columns**2 * 5 * rows <= CELLS
