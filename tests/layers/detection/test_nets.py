"""Nets that find objects, with random weights, compared with OpenCV's dnn."""

from pathlib import Path

import numpy as np
import pytest

from netc.caffe import TEST, Net
from tests.layers.detection import nets
from tests.layers.detection.record_opencv import FILE, OUTPUTS


@pytest.mark.parametrize("name", nets.NETS)
def test_opencvs_results(name: str, tmp_path: Path) -> None:
    path, inputs = nets.write(tmp_path, name)
    net = Net(str(path), str(path.with_suffix(".caffemodel")), TEST)
    net.forward(**inputs)
    with np.load(FILE) as file:
        wanted = {blob: file[f"{name}/{blob}"] for blob in OUTPUTS[name]}
    for blob, value in wanted.items():
        found = net.blobs[blob].data
        if blob == "detection_out":
            found, value = in_order(found), in_order(value)
        scale = max(1, np.abs(value).max())
        np.testing.assert_allclose(found.reshape(value.shape), value, rtol=0, atol=1e-4 * scale, err_msg=blob)


def in_order(boxes: np.ndarray) -> np.ndarray:
    """The rows by image, label and score, which OpenCV has in another order, without those that OpenCV leaves empty."""
    rows = boxes.reshape(-1, 7)
    rows = rows[rows.any(1)]
    return rows[np.lexsort((rows[:, 4], rows[:, 3], -rows[:, 2], rows[:, 1], rows[:, 0]))]
