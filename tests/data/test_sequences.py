"""Sequences of different lengths out of an .npz file."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import data
from netc.errors import DataError
from tests.data.layers import data_layer

DATA = np.arange(3 * 4 * 2, dtype=np.float32).reshape(3, 4, 2)
LENGTH = np.array([4, 1, 3])
CONT = np.array([[0, 1, 1, 1], [0, 0, 0, 0], [0, 1, 1, 0]])


def opened(folder: Path, tops: tuple[Any, ...] = ("data", "label", "cont"), steps: int = 0, **arrays: Any) -> data.Source:
    whole: dict[str, Any] = {"data": DATA, "label": np.arange(3), "length": LENGTH}
    np.savez(folder / "s.npz", **(whole | arrays))
    layer = data_layer(str(folder / "s.npz"), 3, time_major=True, steps=steps, shuffle=False)
    layer.top[:] = tops
    return data.open(layer, "TRAIN", seed=0)


def test_time_comes_first_and_lengths_become_cont(tmp_path: Path) -> None:
    source = opened(tmp_path)
    rows, label, cont = source.batch(0)
    np.testing.assert_array_equal(rows, DATA.transpose(1, 0, 2))
    np.testing.assert_array_equal(cont, CONT.T)
    assert label.tolist() == [0, 1, 2] and cont.dtype == np.float32
    assert [(t.shape, t.batch_axis, t.input) for t in source.description.tops] == [((4, 2), 1, True), ((), 0, False), ((4,), 1, True)]


def test_sequences_are_padded_to_the_steps_of_the_layer(tmp_path: Path) -> None:
    rows, _, cont = opened(tmp_path, steps=6).batch(0)
    assert rows.shape == (6, 3, 2) and not rows[4:].any() and not cont[4:].any()
    rows, _, cont = opened(tmp_path, steps=3, length=np.array([3, 1, 2])).batch(0)
    np.testing.assert_array_equal(rows, DATA[:, :3].transpose(1, 0, 2))
    assert cont[:, 0].tolist() == [0, 1, 1]


def test_a_label_for_each_step_has_time_too(tmp_path: Path) -> None:
    label = np.arange(12).reshape(3, 4)
    np.testing.assert_array_equal(opened(tmp_path, label=label).batch(0)[1], label.T)


def test_a_cont_of_the_file_is_taken_as_it_is(tmp_path: Path) -> None:
    cont = np.ones((3, 4), np.float32)
    np.testing.assert_array_equal(opened(tmp_path, cont=cont).batch(0)[2], cont.T)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"steps": 3}, "s.npz: Row 0 is a sequence of 4 steps. Expected 1 to 3, the `steps` of the net"),
        ({"length": np.array([1, 0, 5])}, "Row 1 is a sequence of 0 steps.*\n.*Row 2 is a sequence of 5 steps"),
        ({"steps": 3, "tops": ("data", "label")}, "s.npz: The sequences have 4 steps. Expected at most 3, the `steps` of the net"),
        ({"data": np.arange(3)}, "s.npz: The first array has one axis. With `time_major` it must be rows x time x "),
    ],
)
def test_what_is_wrong(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        opened(tmp_path, **change)
