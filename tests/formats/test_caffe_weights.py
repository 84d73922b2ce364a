"""Caffe's binary weight files."""

from pathlib import Path

import numpy as np
import pytest

from netc import netc_pb2 as pb
from netc.errors import SpecError
from netc.formats.caffe_weights import read_blob, read_weights, to_array, to_blob, write_weights
from tests.conftest import REFERENCE, needs_reference


@needs_reference
def test_lenets_start_weights(tmp_path: Path) -> None:
    weights = read_weights(REFERENCE / "caffe" / "lenet" / "init.caffemodel")
    shapes = {name: [blob.shape for blob in blobs] for name, blobs in weights.items()}
    assert shapes == {
        "conv1": [(20, 1, 5, 5), (20,)],
        "conv2": [(50, 20, 5, 5), (50,)],
        "ip1": [(500, 800), (500,)],
        "ip2": [(10, 500), (10,)],
    }
    assert weights["conv1"][0].dtype == np.float32
    assert 0 < np.abs(weights["conv1"][0]).max() <= np.sqrt(3 / 25)

    net = pb.NetParameter(name="n", layer=[pb.LayerParameter(name=name) for name in ("data", *weights)])
    write_weights(tmp_path / "w.caffemodel", net, weights)
    again = read_weights(tmp_path / "w.caffemodel")
    assert again.keys() == weights.keys()
    for name, blobs in weights.items():
        for a, b in zip(blobs, again[name], strict=True):
            np.testing.assert_array_equal(a, b)


@needs_reference
def test_a_mean_image() -> None:
    assert read_blob(REFERENCE / "caffe" / "data" / "mean.binaryproto").ndim == 4


def test_old_shapes_stay_four_numbers_and_doubles_stay_doubles() -> None:
    old = pb.BlobProto(num=1, channels=1, height=1, width=3, data=[1, 2, 3])
    assert to_array(old, "").shape == (1, 1, 1, 3)
    double = pb.BlobProto(shape=pb.BlobShape(dim=[2]), double_data=[0.1, 0.2])
    assert to_array(double, "").tolist() == [0.1, 0.2]
    assert to_array(to_blob(np.array(3, np.float32)), "").shape == ()


def test_damaged_files(tmp_path: Path) -> None:
    path = tmp_path / "w.caffemodel"
    layer = pb.LayerParameter(name="a", blobs=[pb.BlobProto(shape=pb.BlobShape(dim=[4]), data=[1, 2, 3])])
    path.write_bytes(pb.NetParameter(layer=[layer]).SerializeToString())
    with pytest.raises(SpecError, match=r"Layer 'a', blob 0: 3 values do not fill the shape \(4,\)"):
        read_weights(path)
    layer.blobs[0].data.append(4)
    path.write_bytes(pb.NetParameter(layer=[layer, layer]).SerializeToString())
    with pytest.raises(SpecError, match="Layer 1: An earlier layer with blobs is also named 'a'"):
        read_weights(path)
    path.write_bytes(pb.NetParameter(layer=[layer]).SerializeToString()[:-2])
    with pytest.raises(SpecError, match="w.caffemodel: This is not a binary NetParameter, or the file is truncated: it ends"):
        read_weights(path)


@needs_reference
def test_old_format() -> None:
    old, new = (read_weights(REFERENCE / "caffe" / "upgrade" / f"a2_deploy.{when}.caffemodel") for when in ("before", "after"))
    assert old.keys() == new.keys() == {"c", "f"}
    for layer, blobs in old.items():
        for a, b in zip(blobs, new[layer], strict=True):
            np.testing.assert_array_equal(a.ravel(), b.ravel())
