"""DummyData."""

import numpy as np
import pytest
from google.protobuf import text_format

from netc import data
from netc import netc_pb2 as pb
from netc.errors import DataError


def dummy(text: str, tops: str | tuple[str] = ("a",)) -> pb.LayerParameter:
    return text_format.Parse(f"dummy_data_param {{ {text} }}", pb.LayerParameter(name="dummy", type="DummyData", top=tops))


def test_a_constant_stays_and_random_tops_move_on() -> None:
    layer = dummy(
        """shape { dim: 50 dim: 3 dim: 7 } data_filler { value: 2 }
                     data_filler { type: "uniform" min: 4 max: 6 }
                     data_filler { type: "gaussian" mean: 5 std: 0.5 }""",
        "abc",
    )
    description, opened = data.describe(layer, "TRAIN"), data.open(layer, "TRAIN", 0)
    assert [t.shape for t in description.tops] == [(3, 7)] * 3 and description.rows is None
    assert data.test_batches(opened) is None and opened.batch_size == 50
    first, second = opened.batch(0), opened.batch(1)
    assert all(x.shape == (50, 3, 7) and x.dtype == np.float32 for x in first)
    assert np.unique(first[0]).tolist() == [2] and np.array_equal(first[0], second[0])
    assert first[1].min() >= 4 and first[1].max() < 6 and abs(first[1].mean() - 5) < 0.1
    assert abs(first[2].mean() - 5) < 0.1 and abs(first[2].std() - 0.5) < 0.05
    assert not np.array_equal(first[1], second[1]) and len(np.unique(first[2])) > 1000
    assert all(np.array_equal(x, y) for x, y in zip(second, data.open(layer, "TRAIN", 0).batch(1), strict=True))


def test_a_row_is_the_same_in_every_batch() -> None:
    small, large = (data.open(dummy(f'shape {{ dim: {n} dim: 13 }} data_filler {{ type: "gaussian" }}'), "TRAIN", 0) for n in (2, 6))
    assert np.array_equal(np.concatenate([small.batch(i)[0] for i in range(3)]), large.batch(0)[0])


def test_the_old_four_numbers_and_shapes_of_one_axis() -> None:
    layer = dummy("num: 2 channels: 3 height: 4 width: 5 width: 6", "ab")
    assert data.describe(layer, "TRAIN").tops[1].shape == (3, 4, 6)
    assert data.open(dummy("shape { dim: 4 }"), "TRAIN", 0).batch(0)[0].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    "text, tops, message",
    [
        ("", "a", "There are 0 `shape`. Expected 1 or 1, one per top, with at least one dimension each"),
        ("shape { dim: 1 } shape { dim: 1 }", "abc", "There are 2 `shape`. Expected 1 or 3, one per top, with at least one dimension each"),
        ("shape { dim: 1 } data_filler {} data_filler {}", "abc", "There are 2 `data_filler`. Expected 0, 1 or 3, one per top"),
        ('shape { dim: 1 } data_filler { type: "guassian" }', "a", "There is no filler 'guassian' for data. Did you mean 'gaussian'"),
        ('shape { dim: 1 } data_filler { type: "gaussian" sparse: 3 }', "a", "A `data_filler` cannot be `sparse`"),
    ],
)
def test_errors(text: str, tops: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        data.describe(dummy(text, tops), "TRAIN")


def test_tops_of_different_batch_sizes() -> None:
    text = 'shape { dim: 2 dim: 3 } shape { dim: 1 } data_filler { type: "gaussian" } data_filler { type: "uniform" }'
    opened = data.open(dummy(text, "ab"), "TRAIN", 0)
    assert [a.shape for a in opened.batch(0)] == [(2, 3), (1,)]
    assert len({float(opened.batch(k)[1][0]) for k in range(5)}) == 5  # new numbers every time
