"""PriorBox, compared with the boxes of a loop over the cells, and with OpenCV's."""

from math import sqrt

import numpy as np
import pytest

from netc.errors import NetcError
from tests.layers.nets import about, forward

VARIANCES = "variance: [0.1, 0.1, 0.2, 0.2]"


def boxes(sizes: list[tuple[int, int]], ratios: list[float], image: tuple[int, int], cells: tuple[int, int], step: float) -> np.ndarray:
    """The priors of cells `step` pixels apart, of (min_size, max_size) pairs and aspect ratios, as SSD's loop makes them."""
    found = []
    for row in range(cells[0]):
        for column in range(cells[1]):
            y, x = (row + 0.5) * step, (column + 0.5) * step
            for least, most in sizes:
                side = sqrt(least * most)
                shapes = [(least, least), (side, side), *((least * sqrt(r), least / sqrt(r)) for r in ratios)]
                found += [
                    [(x - w / 2) / image[1], (y - h / 2) / image[0], (x + w / 2) / image[1], (y + h / 2) / image[0]] for w, h in shapes
                ]
    return np.asarray(found)


def priors(fields: str, cells: tuple[int, int] = (2, 3), image: tuple[int, int] = (60, 90)) -> np.ndarray:
    return forward(f"PriorBox: {{bottom: [x, z], name: p, {fields}}}", x=np.ones((2, 4, *cells)), z=np.ones((2, 3, *image)))["p"]


@about("PriorBox")
def test_each_cell_has_boxes_of_all_sizes_and_shapes() -> None:
    found = priors(f"min_size: [20, 33], max_size: [40, 50], aspect_ratio: [2, 3], {VARIANCES}")
    wanted = boxes([(20, 40), (33, 50)], [2, 1 / 2, 3, 1 / 3], (60, 90), (2, 3), 30)
    np.testing.assert_allclose(found[0, 0].reshape(-1, 4), wanted, atol=1e-6)
    np.testing.assert_array_equal(found[0, 1].reshape(-1, 4), np.broadcast_to(np.asarray([0.1, 0.1, 0.2, 0.2], np.float32), wanted.shape))


def test_sizes_are_whole_pixels() -> None:
    """SSD's layer reads them as int."""
    np.testing.assert_array_equal(priors("min_size: 20.9"), priors("min_size: 20"))


@pytest.mark.parametrize("more, count", [
    ("", 1), ("max_size: 40", 2), ("aspect_ratio: 2", 3), ("aspect_ratio: 2, flip: false", 2), ("aspect_ratio: [1, 2, 2, 0.5]", 3),
    ("max_size: 40, aspect_ratio: [2, 3]", 6),
])  # fmt: skip
def test_the_number_of_boxes(more: str, count: int) -> None:
    assert priors(f"min_size: 20, {more}").shape == (1, 2, 2 * 3 * count * 4)


def test_steps_offset_and_the_size_of_the_image() -> None:
    found = priors("min_size: 20, step: 16, offset: 0.25, img_h: 100, img_w: 200")[0, 0].reshape(-1, 4)
    np.testing.assert_allclose(found[0], [(4 - 10) / 200, (4 - 10) / 100, (4 + 10) / 200, (4 + 10) / 100], atol=1e-7)
    np.testing.assert_array_equal(
        priors("min_size: 20, step_h: 16, step_w: 16, img_size: 100"), priors("min_size: 20, step: 16, img_size: 100")
    )


def test_clipped_boxes_stay_in_the_image() -> None:
    free, cut = (priors(f"min_size: 50, aspect_ratio: 2, clip: {clip}")[0, 0] for clip in ("false", "true"))
    assert free.min() < 0 and free.max() > 1
    np.testing.assert_array_equal(cut, np.clip(free, 0, 1))


@pytest.mark.parametrize("fields, text", [
    ("max_size: 3", "`min_size` is missing"),
    ("min_size: 0.5", "`min_size` is 0.5. Expected at least 1 pixel."),
    ("min_size: [20, 30], max_size: 40", "There are 1 `max_size` for 2 `min_size`"),
    ("min_size: 20, max_size: 20", "`max_size` is 20. Expected more than its `min_size`, 20."),
    ("min_size: 20, variance: [1, 2]", "There are 2 numbers in `variance`. Expected 1 or 4."),
    ("min_size: 20, step: 8, step_h: 8, step_w: 8", "`step` and `step_h` exclude each other"),
    ("min_size: 20, img_w: 300", "`img_w` needs `img_h` too"),
    ("min_size: 20, img_size: 0", "`img_size` is 0. Expected a number above 0."),
])  # fmt: skip
def test_fields_that_do_not_fit(fields: str, text: str) -> None:
    with pytest.raises(NetcError, match=text.replace(".", r"\.")):
        priors(fields)
