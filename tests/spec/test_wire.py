"""Where a binary file is cut off."""

from pathlib import Path

import pytest

from netc import netc_pb2 as pb
from netc.errors import SpecError
from netc.formats.caffe_weights import read_weights
from netc.spec.wire import cut_off

NAMES = {100: "layer"}
NET = pb.NetParameter(name="n", layer=[pb.LayerParameter(name=f"l{k}", blobs=[pb.BlobProto(data=[1.0] * 9)]) for k in range(3)])


def test_where_a_net_is_cut_off() -> None:
    data = NET.SerializeToString()
    assert cut_off(data, NAMES) == ""
    assert cut_off(data[:-5], NAMES) == "it ends in `layer`, 5 bytes before its end, after 3 complete fields"
    assert all(cut_off(data[:size], NAMES) or pb.NetParameter.FromString(data[:size]) for size in range(1, len(data)))


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (
            NET.SerializeToString()[:-5],
            "or the file is truncated: it ends in `layer`, 5 bytes before its end",
        ),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "This is a pointer of Git LFS: `git lfs pull` fetches the file."),
        (b"<!DOCTYPE html><html></html>", "This is a web page: download the file again."),
    ],
)
def test_weights_that_are_no_weights(tmp_path: Path, data: bytes, wanted: str) -> None:
    (tmp_path / "w.caffemodel").write_bytes(data)
    with pytest.raises(SpecError, match="w.caffemodel") as error:
        read_weights(tmp_path / "w.caffemodel")
    assert wanted in str(error.value)
