"""`netc init` for series: the date and the frequency are found, the written net trains, and other tables are no series."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from netc.commands.init import KINDS, Wanted, series
from netc.spec import load
from netc.table.profile import ColumnProfile, profile
from netc.table.reading import RawColumn, RawTable
from tests.series import write_series
from tests.small_nets import netc


def test_the_written_net_trains(tmp_path: Path) -> None:
    table, net = write_series(tmp_path / "shops.csv"), tmp_path / "shops.yaml"
    result = netc("init", table, "--label", "visitors", "-o", net)
    assert result.exit_code == 0 and "2 series by 'shop' with a row every 1d" in result.output, result.output
    assert "1 of 320 times are missing, such as 2024-04-10" in result.output
    param = load(str(net)).message.layer[0].table_param
    assert (param.series.time, param.series.group, param.series.horizon) == ("day", "shop", 7) and list(param.label) == ["visitors"]
    result = netc("train", net, "--no-publish", "--runs", tmp_path / "runs", "--set", "solver.max_epoch=2")
    assert result.exit_code == 0, result.output


def write(path: Path, days: list[str], values: list[str], names: str = "day,x") -> Path:
    path.write_text("\n".join([names, *(f"{d},{v}" for d, v in zip(days, values, strict=True))]) + "\n")
    return path


def kind(path: Path, label: str = "x") -> str:
    wanted = Wanted(str(path), path.with_suffix(".yaml"), (label,))
    return next(k.name for k in KINDS if k.recognise(wanted))


ROWS = 80
NUMBERS = [f"{k % 9 + 0.5}" for k in range(ROWS)]
MONTHS = [str(np.datetime64("2015-01") + np.timedelta64(k, "M")) + "-01" for k in range(ROWS)]


def test_months_and_hours_are_series(tmp_path: Path) -> None:
    assert kind(write(tmp_path / "a.csv", MONTHS, NUMBERS)) == "series"
    hours = [str(np.datetime64("2020-01-01T00") + np.timedelta64(k, "h")).replace("T", " ") + ":00" for k in range(ROWS)]
    assert kind(write(tmp_path / "b.csv", hours, NUMBERS)) == "series"


@pytest.mark.parametrize("reason", ["classes", "no order", "irregular", "few"])
def test_other_tables_with_dates_are_no_series(tmp_path: Path, reason: str) -> None:
    rng = np.random.default_rng(0)
    days, values = list(MONTHS), list(NUMBERS)
    if reason == "classes":
        values = [rng.choice(["yes", "no"]) for _ in days]
    if reason == "no order":
        days = [days[k] for k in rng.integers(0, ROWS, ROWS)]
    if reason == "irregular":
        days = [str(np.datetime64("2020-01-01") + np.timedelta64(int(k), "D")) for k in np.cumsum(rng.integers(1, 30, ROWS))]
    if reason == "few":
        days, values = days[:20], values[:20]
    assert kind(write(tmp_path / "a.csv", days, values)) != "series"


def test_a_table_of_classes_is_told_by_its_label_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.csv").write_text("a,b,y\n" + "".join(f"{k},{k % 3},{'pq'[k % 2]}\n" for k in range(100)))
    read = list[str]()

    def seen(raw: RawTable, columns: Sequence[RawColumn] = ()) -> dict[str, ColumnProfile]:
        read.extend(column.name for column in columns or raw.columns)
        return profile(raw, columns)

    monkeypatch.setattr(series, "profile", seen)
    assert not series.recognise(Wanted(str(tmp_path / "t.csv"), tmp_path / "n.yaml", ("y",))) and read == ["y"]
