"""Statistics of columns."""

from pathlib import Path

import numpy as np
import pytest

from netc.table.profile import ISO, profile, sampled
from tests.table.tables import customers, raw_table


def test_a_number(tmp_path: Path) -> None:
    x = np.random.default_rng(0).gamma(1, 3, 500).round(3)
    cells = ["" if k % 10 == 0 else str(v) for k, v in enumerate(x)]
    known = np.array([float(c) for c in cells if c])
    found = profile(raw_table(tmp_path, {"x": cells, "k": range(500)}))["x"]
    assert (found.rows, found.filled, found.missing, found.numbers) == (500, 450, 50, 450) and found.is_numeric and not found.is_whole
    assert (found.low, found.high) == (known.min(), known.max())
    assert found.mean == pytest.approx(known.mean()) and found.deviation == pytest.approx(known.std())
    assert found.skewness == pytest.approx((((known - known.mean()) / known.std()) ** 3).mean(), rel=0.01)
    assert found.distinct == len(np.unique(known))


def test_whole_numbers_with_zeros_and_leading_zeros(tmp_path: Path) -> None:
    table = profile(raw_table(tmp_path, {"zip": ["007", "010", "300", "300"], "count": [0, 0, 3, -4], "row": [5, 6, 7, 8]}))
    assert (table["zip"].padded, table["zip"].is_whole, table["zip"].common[0]) == (2, True, ("300", 2))
    assert (table["count"].zeros, table["count"].low, table["count"].counts_rows) == (2, -4, False)
    assert table["row"].counts_rows


def test_infinite_and_huge_numbers_do_not_count(tmp_path: Path) -> None:
    found = profile(raw_table(tmp_path, {"x": ["1", "3", "inf", "1e200"], "k": range(4)}))["x"]
    assert (found.whole, found.low, found.high, found.deviation) == (2, 1, 3, 1)


def test_texts(tmp_path: Path) -> None:
    found = profile(raw_table(tmp_path, {"t": ["a b c", "a b c", "a b c", "d", ""], "k": range(5)}))["t"]
    assert (found.filled, found.distinct, found.repeated, found.common) == (4, 2, 3, (("a b c", 3), ("d", 1)))
    assert (found.words, found.length, found.numbers, found.is_numeric) == (2.5, 4.0, 0, False)


@pytest.mark.parametrize(
    ("cells", "formats"),
    [
        (["2020-01-31", "2021-12-01"], [ISO]),
        (["2020-01-31 10:00:00", "2021-12-01T11:30"], [ISO]),
        (["31.01.2020", "01.12.2021"], ["%d.%m.%Y"]),
        (["01/31/2020", "12/01/2021"], ["%m/%d/%Y"]),
        (["01/02/2020", "03/04/2021"], ["%m/%d/%Y", "%d/%m/%Y"]),
        (["31.01.2020 10:15", "01.12.2021 23:59"], ["%d.%m.%Y %H:%M"]),
        (["20200131", "20211201"], ["%Y%m%d"]),
        (["201901", "202012"], []),
        (["3 May 2020", "14 June 2021"], ["%d %B %Y"]),
        (["1.5.2", "nothing"], []),
    ],
)
def test_dates(tmp_path: Path, cells: list[str], formats: list[str]) -> None:
    found = profile(raw_table(tmp_path, {"d": cells, "k": range(len(cells))}))["d"]
    assert [form for form, count in found.dates.items() if count == 2] == formats


def test_only_equal_columns_have_one_fingerprint(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    pairs = {f"c{k}": random.choice(["yes", "no"], 200).tolist() for k in range(40)}
    numbers = {"n1": [f"{k}" for k in range(200)], "n2": [f"{k}.0" for k in range(200)]}
    columns = pairs | {"copy": pairs["c7"]} | numbers
    found = profile(raw_table(tmp_path, columns))
    prints = {name: column.fingerprint for name, column in found.items()}
    same = [(a, b) for a in prints for b in prints if a < b and prints[a] == prints[b]]
    assert same == [("c7", "copy"), ("n1", "n2")]


def test_more_columns_than_one_query_has(tmp_path: Path) -> None:
    columns = {f"c{k}": [k, k + 1, ""] for k in range(120)}
    found = profile(raw_table(tmp_path, columns))
    assert list(found) == list(columns) and all(found[f"c{k}"].low == k and found[f"c{k}"].missing == 1 for k in range(120))


def test_a_sample_is_spread_over_the_table(tmp_path: Path) -> None:
    raw = raw_table(tmp_path, {"k": range(20_000)})
    taken = np.concatenate([chunk["k"] for chunk in raw.chunks({"k": '"k#0"::BIGINT'}, where=sampled(raw.rows, 2000))])
    assert abs(len(taken) - 2000) < 200 and abs(taken.mean() - 10_000) < 500 and len(np.unique(np.diff(taken))) > 1
    assert sampled(100) == ""


def test_the_profile_of_customers(tmp_path: Path) -> None:
    found = profile(raw_table(tmp_path, customers()))
    assert found["since"].dates == {ISO: 600} and found["customer"].counts_rows and found["country"].distinct == 1
