"""Forecasts of a published model from a table: the next rows of each series."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from tests.series import DAYS, shop, write_net, write_series
from tests.small_nets import netc

AHEAD = 3


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shops")
    result = netc("train", write_net(folder), "--zoo", folder / "zoo", "--runs", folder / "runs")
    assert result.exit_code == 0, result.output
    return folder / "zoo"


def forecast(zoo: Path, table: Path, output: Path) -> list[dict[str, str]]:
    result = netc("predict", "shops", table, "--from", zoo, "-o", output)
    assert result.exit_code == 0, result.output
    return list(csv.DictReader(output.read_text().splitlines()))


def test_the_next_rows_of_each_series(zoo: Path, tmp_path: Path) -> None:
    rows = forecast(zoo, write_series(tmp_path / "new.csv", AHEAD), tmp_path / "out.csv")
    assert [row["shop"] for row in rows] == ["north"] * AHEAD + ["south"] * AHEAD
    assert [row["day"] for row in rows[:AHEAD]] == [day for day, *_ in shop(0)[-AHEAD:]]
    truth = [v for seed in (0, 1) for _, v, _ in shop(seed)[-AHEAD:]]
    errors = [abs(float(row["visitors"]) - float(v or 0)) for row, v in zip(rows, truth, strict=True)]
    assert np.mean(errors) < 3  # the price alone moves them by 6, the weekday by 8


def test_the_order_of_rows_and_columns_does_not_matter(zoo: Path, tmp_path: Path) -> None:
    wanted = forecast(zoo, write_series(tmp_path / "new.csv", AHEAD), tmp_path / "out.csv")
    table = write_series(tmp_path / "mixed.csv", AHEAD, shuffled=True)
    cells = list(csv.reader(table.read_text().splitlines()))
    table.write_text("\n".join(",".join(reversed(row)) for row in cells) + "\n")
    assert forecast(zoo, table, tmp_path / "out2.csv") == wanted


def test_json_and_the_terminal(zoo: Path, tmp_path: Path) -> None:
    table = write_series(tmp_path / "new.csv", AHEAD)
    netc("predict", "shops", table, "--from", zoo, "-o", tmp_path / "out.jsonl")
    first = json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])
    assert first["shop"] == "north" and first["day"] == shop(0)[-AHEAD][0] and set(first["outputs"]) == {"visitors"}
    said = netc("predict", "shops", table, "--from", zoo).stdout
    assert said.startswith(f"north {shop(0)[-AHEAD][0]}: visitors ") and len(said.splitlines()) == 2 * AHEAD


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (None, "The model reads 'price' of the next 3 rows. Add these rows to the table."),
        ("day,shop,visitors,price\n2024-01-01,north,3,1\n2024-01-02,north,3,1\n", "Expected 14 or more"),
        ("day,visitors,price\n2024-01-01,3,1\n", "There is no column 'shop'"),
        ("shop,visitors,price\nnorth,3,1\n", "There is no column 'day'"),
    ],
)
def test_tables_that_do_not_do(zoo: Path, tmp_path: Path, text: str | None, wanted: str) -> None:
    table = tmp_path / "new.csv"
    if text is None:
        write_series(table)  # its last days have visitors, so the price of the next days is unknown
    else:
        table.write_text(text)
    result = netc("predict", "shops", table, "--from", zoo, "-o", tmp_path / "out.csv")
    assert result.exit_code == 2 and wanted in " ".join(result.output.split()) and not (tmp_path / "out.csv").exists()
    assert DAYS > 14
