"""Well-known nets in the vocabulary of forks, read from .prototxt and .caffemodel, against NumPy and against OpenCV's recorded results."""

from pathlib import Path

import numpy as np
import pytest

import netc.caffe as caffe
from tests.forks import straight
from tests.forks.nets import NETS, end_of, image_of, weights_of, write

RECORDED = Path(straight.__file__).with_name("opencv.npz")
TOLERANCE = 1e-4


@pytest.fixture(scope="module", params=NETS)
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, np.ndarray]:
    """The name of a net, and the values at its end that netc computes."""
    name = str(request.param)
    net = caffe.Net(*map(str, write(name, tmp_path_factory.mktemp(name))), caffe.TEST)
    net.blobs["data"].data[...] = image_of(NETS[name]())
    net.forward()
    return name, np.array(net.blobs[end_of(NETS[name]())].data)


def test_numpy_agrees(ran: tuple[str, np.ndarray]) -> None:
    name, got = ran
    text = NETS[name]()
    wanted = straight.run(text, weights_of(text), data=image_of(text))[end_of(text)]
    assert got.shape == wanted.shape and np.abs(wanted).max() > 0.01
    np.testing.assert_allclose(got, wanted, rtol=TOLERANCE, atol=TOLERANCE * np.abs(wanted).max())


def test_opencv_agrees(ran: tuple[str, np.ndarray]) -> None:
    name, got = ran
    with np.load(RECORDED) as recorded:
        wanted = recorded[name] if name in recorded.files else None
    if wanted is None:
        pytest.skip(f"OpenCV cannot read {name}, or computes another Axpy")
    np.testing.assert_allclose(got, wanted, rtol=TOLERANCE, atol=TOLERANCE * np.abs(wanted).max())


def test_opencv_read_the_others() -> None:
    with np.load(RECORDED) as recorded:
        assert set(recorded.files) >= {"densenet121", "hed", "mobilenet_v1", "mobilenet_v2", "shufflenet", "yolov2"}
