"""A Table layer with `series`: windows, labels, what is known ahead, and the same inputs in a deployed model."""

from pathlib import Path

import numpy as np
import pytest

from netc import registry
from netc.data import Source, Tables
from netc.errors import DataError
from netc.spec import parse_yaml
from tests.series import DAYS, NET, write_series

registry.load()
STEPS, HORIZON = 14, 3


def opened(folder: Path, phase: str = "TRAIN", text: str = NET) -> Source:
    write_series(folder / "shops.csv")
    found = parse_yaml(text).message.layer[0]
    return Tables(folder).reader(found, phase).source()


def test_windows_and_labels_are_consecutive_rows_of_one_series(tmp_path: Path) -> None:
    source = opened(tmp_path)
    data, label, past, ahead = (source.stored(k, np.arange(source.rows or 0)) for k in range(4))
    assert data.shape[1] == STEPS and label.shape[1:] == (HORIZON, 1) and past.shape[1:] == (STEPS, 1) and ahead.shape[1] == HORIZON
    first = past[0, :, 0]
    assert np.allclose(label[0, :, 0], past[HORIZON, -HORIZON:, 0], equal_nan=True) and np.isfinite(first).all()
    assert np.isfinite(label).all() and np.isnan(past).any()
    raw = source.raw(np.array([0]))
    assert raw is not None and np.allclose(raw["visitors"][0], first) and raw["price"].shape == (1, STEPS + HORIZON)
    assert (np.diff(raw["day"][0]) == 86400).all() and raw["visitors"].dtype == np.float32


def test_test_windows_are_the_last_days_and_share_no_label(tmp_path: Path) -> None:
    days = {}
    for phase in ("TRAIN", "TEST"):
        source = opened(tmp_path, phase)
        raw = source.raw(np.arange(source.rows or 0))
        assert raw is not None
        days[phase] = {*raw["day"][:, STEPS:].reshape(-1).tolist()}
    assert max(days["TRAIN"]) < min(days["TEST"]) and len(days["TEST"]) == round(0.2 * DAYS)


def test_the_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    wanted = opened(tmp_path).batch(0)
    write_series(tmp_path / "shops.csv", shuffled=True)
    found = Tables(tmp_path).reader(parse_yaml(NET).message.layer[0], "TRAIN").source().batch(0)
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(wanted, found, strict=True))


def test_a_missing_day_is_a_note_and_a_gap(tmp_path: Path) -> None:
    assert [text for text in opened(tmp_path).notes() if "1 of 320 times are missing, such as 2024-04-10" in text]


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("time: day, ", "", "A series needs `time`"),
        ("group: shop, ", "", "name their column in `group`"),
        ("steps: 14", "steps: 150", "No window of 150 \\+ 3 rows is for TRAIN"),
        ("split: {test: 0.2}", "split: {group: shop}", "A series is split by time"),
        ("time: day", "time: shop", "Column 'shop': 319 of 319 cells are wrong|holds text"),
        ("label: visitors", "label: shop", "shop"),
    ],
)
def test_what_is_no_series(tmp_path: Path, old: str, new: str, wanted: str) -> None:
    with pytest.raises(DataError, match=wanted):
        opened(tmp_path, text=NET.replace(old, new))
