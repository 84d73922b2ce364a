"""Binary files of forks: fields at the numbers of other fields."""

import struct
from pathlib import Path

import numpy as np
import pytest

from netc import netc_pb2 as pb
from netc.formats.caffe_weights import read_weights, to_blob
from netc.spec import load
from netc.spec.fields import LAYER_FIELDS
from netc.spec.forks import NUMBERS
from netc.spec.loader import parse_binary


def key(number: int, kind: int) -> bytes:
    out, value = b"", number << 3 | kind
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def whole(number: int, value: int) -> bytes:
    return key(number, 0) + bytes([value])


def layer(type_: str, number: int, inside: bytes) -> bytes:
    """A net with one layer, with a message of a fork at a number."""
    own = pb.LayerParameter(name="a", type=type_, bottom=["x"], top=["y"]).SerializeToString()
    own += key(number, 2) + bytes([len(inside)]) + inside
    return key(100, 2) + bytes([len(own)]) + own


FILLER = pb.FillerParameter(value=1).SerializeToString()
IN_FORKS = [
    ("Interp", 143, whole(1, 9) + whole(2, 5), "interp_param { height: 9 width: 5 }"),
    ("BN", 152, whole(5, 1) + key(3, 5) + struct.pack("<f", 0.5), "bn_param { momentum: 0.5 frozen: true }"),
    ("BN", 45, key(1, 2) + bytes([len(FILLER)]) + FILLER + whole(3, 1), "bn_param { scale_filler { value: 1 } bn_mode: INFERENCE }"),
    ("Upsample", 137, whole(1, 2) + whole(4, 1), "upsample_param { scale: 2 pad_out_h: true }"),
    ("Upsample", 147, whole(6, 4) + whole(7, 3), "upsample_param { upsample_h: 4 upsample_w: 3 }"),
    ("ShuffleChannel", 166, whole(1, 3), "shuffle_channel_param { group: 3 }"), ("Reorg", 159, whole(1, 2), "reorg_param { stride: 2 }"),
    ("Permute", 202, whole(1, 0) + whole(1, 2), "permute_param { order: 0 order: 2 }"),
    ("Normalize", 206, whole(1, 0), "norm_param { across_spatial: false }"),
    ("SmoothL1Loss", 148, key(1, 5) + struct.pack("<f", 3), "smooth_l1_loss_param { sigma: 3 }"),
]  # fmt: skip


@pytest.mark.parametrize("type_, number, inside, wanted", IN_FORKS, ids=[f"{row[0]}_{row[1]}" for row in IN_FORKS])
def test_they_are_read_as_the_text_is(type_: str, number: int, inside: bytes, wanted: str, tmp_path: Path) -> None:
    (tmp_path / "n.caffemodel").write_bytes(layer(type_, number, inside))
    (tmp_path / "n.prototxt").write_text(f'layer {{ name: "a" type: "{type_}" bottom: "x" top: "y" {wanted} }}')
    assert load(tmp_path / "n.caffemodel").message == load(tmp_path / "n.prototxt").message


def test_other_types_keep_the_numbers_of_caffe() -> None:
    net = parse_binary(layer("Input", 143, pb.InputParameter(shape=[pb.BlobShape(dim=[2])]).SerializeToString()), pb.NetParameter)
    assert list(net.layer[0].input_param.shape[0].dim) == [2]


def test_weights_beside_them_stay(tmp_path: Path) -> None:
    net = pb.NetParameter.FromString(layer("BN", 45, whole(3, 1)))
    net.layer[0].blobs.extend([to_blob(np.array(a)) for a in ([1.0, 2.0], [3.0])])
    (tmp_path / "n.caffemodel").write_bytes(net.SerializeToString())
    assert [b.tolist() for b in read_weights(tmp_path / "n.caffemodel")["a"]] == [[1, 2], [3]]


def test_every_move_ends_in_a_field() -> None:
    for (_, number), move in NUMBERS.items():
        assert number != LAYER_FIELDS[move.to].number
