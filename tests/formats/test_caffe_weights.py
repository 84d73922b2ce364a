"""Caffe's binary weight files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import data
from netc import netc_pb2 as pb
from netc.caffe import io as caffe_io
from netc.errors import SpecError
from netc.formats.caffe_weights import plain_blob, read_blob, read_weights, to_array, to_blob, write_weights
from tests.conftest import REFERENCE, needs_reference
from tests.small_nets import netc


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


def test_the_last_of_two_layers_of_one_name_counts(tmp_path: Path) -> None:
    layers = [pb.LayerParameter(name="a", blobs=[to_blob(np.full(2, value, np.float32))]) for value in (1, 2)]
    (tmp_path / "w.caffemodel").write_bytes(pb.NetParameter(layer=[*layers, pb.LayerParameter(name="a")]).SerializeToString())
    assert read_weights(tmp_path / "w.caffemodel")["a"][0].tolist() == [2, 2]


VALUES = np.array([[1.5, -2, 0.25], [3, 65504, -0.125]])


def raw(kind: str, values: np.ndarray = VALUES, field: str = "data", **more: Any) -> pb.BlobProto:
    """A BlobProto with bytes, as NVCaffe and OpenCV write it."""
    blob = pb.BlobProto(shape=pb.BlobShape(dim=values.shape), **more)
    setattr(blob, f"raw_{field}_type", {"f8": 0, "f4": 1, "f2": 2}[kind])
    setattr(blob, f"raw_{field}", values.astype(f"<{kind}").tobytes())
    return blob


@pytest.mark.parametrize("kind", ["f8", "f4", "f2"])
def test_values_as_bytes(tmp_path: Path, kind: str) -> None:
    blob = raw(kind)
    assert [field.number for field, _ in blob.ListFields()] == [7, 10, 12]
    found = to_array(blob, "")
    assert found.dtype == (np.float64 if kind == "f8" else np.float32)
    np.testing.assert_array_equal(found, VALUES)
    np.testing.assert_array_equal(to_array(raw(kind, field="diff"), "", "diff"), VALUES)
    (tmp_path / "m.binaryproto").write_bytes(blob.SerializeToString())
    np.testing.assert_array_equal(data.read_blob(tmp_path / "m.binaryproto"), VALUES)
    np.testing.assert_array_equal(read_blob(tmp_path / "m.binaryproto"), VALUES)
    np.testing.assert_array_equal(caffe_io.blobproto_to_array(blob), VALUES)


@pytest.mark.parametrize("kind", ["f8", "f4", "f2"])
def test_values_as_bytes_become_numbers_that_every_caffe_reads(kind: str) -> None:
    both = raw(kind)
    diff = raw(kind, VALUES + 1, "diff")
    diff.ClearField("shape")
    both.MergeFrom(diff)
    plain = plain_blob(both, "")
    assert not plain.HasField("raw_data") and not plain.HasField("raw_diff") and len(plain.double_data if kind == "f8" else plain.data) == 6
    np.testing.assert_array_equal(to_array(plain, ""), VALUES)
    np.testing.assert_array_equal(to_array(plain, "", "diff"), to_array(both, "", "diff"))
    old = pb.BlobProto(num=1, channels=1, height=2, width=3, raw_data_type=pb.BlobProto.FLOAT, raw_data=VALUES.astype("<f4").tobytes())
    assert plain_blob(old, "").width == 3 and to_array(plain_blob(old, ""), "").shape == (1, 1, 2, 3)
    assert plain_blob(plain, "") is plain


BAD_BYTES = {
    "odd bytes": (
        pb.BlobProto(raw_data_type=pb.BlobProto.FLOAT16, raw_data=b"abc"),
        "`raw_data` has 3 bytes, which are no whole number of FLOAT16 values",
    ),
    "truncated": (
        pb.BlobProto(shape=pb.BlobShape(dim=[3]), raw_data_type=pb.BlobProto.FLOAT, raw_data=b"abcd"),
        "1 values do not fill the shape .3,.",
    ),
    "no type": (pb.BlobProto(raw_data=b"abcd"), "`raw_data` has 4 bytes, which are no whole number of DOUBLE values"),
    "twice": (pb.BlobProto(data=[1], raw_data_type=pb.BlobProto.FLOAT, raw_data=b"abcd"), "It has values in both `data` and `raw_data`."),
}


@pytest.mark.parametrize("case", BAD_BYTES)
def test_wrong_bytes(tmp_path: Path, case: str) -> None:
    blob, wanted = BAD_BYTES[case]
    net = pb.NetParameter(layer=[pb.LayerParameter(name="a", type="Bias", blobs=[blob])])
    (tmp_path / "w.caffemodel").write_bytes(net.SerializeToString())
    with pytest.raises(SpecError, match=f"Layer 'a', blob 0: {wanted}"):
        read_weights(tmp_path / "w.caffemodel")
    result = netc("upgrade", tmp_path / "w.caffemodel", tmp_path / "new.caffemodel")
    assert result.exit_code == 2 and not (tmp_path / "new.caffemodel").exists()
