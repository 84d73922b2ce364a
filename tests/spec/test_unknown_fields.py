"""Fields of forks in binary files: never left out without a word, and harmless where only blobs are read."""

from pathlib import Path

import numpy as np
import pytest

import netc.caffe as caffe
from netc import netc_pb2 as pb
from netc.commands.upgrade import upgrade_file
from netc.errors import SpecError
from netc.formats.caffe_weights import read_weights, to_blob
from netc.spec import load
from netc.spec.document import Dropped
from tests.small_nets import netc

VARINT_40 = b"\xc0\x02\x07"  # field 40: 7
POOL_9 = b"\x08\x09"  # field 1, `pool`, with a number that its enum lacks


def written(folder: Path, inside: bytes = b"", outside: bytes = b"", of_layer: bytes = b"") -> Path:
    """A binary net with foreign fields in two layers' pooling_param, in the net, and in the second layer itself."""
    net = pb.NetParameter(name="n")
    net.layer.add(name="data", type="Input", top=["data"]).input_param.shape.add(dim=[1, 1, 4, 4])
    for name, bottom in (("p", "data"), ("q", "p")):
        layer = net.layer.add(name=name, type="Pooling", bottom=[bottom], top=[name])
        layer.pooling_param.kernel_size = 2
        layer.pooling_param.MergeFromString(inside)
    net.layer[2].MergeFromString(of_layer)
    net.layer.add(name="ip", type="InnerProduct", bottom=["q"], top=["ip"]).inner_product_param.num_output = 1
    net.layer[3].blobs.extend([to_blob(np.ones((1, 4), np.float32)), to_blob(np.zeros(1, np.float32))])
    (folder / "n.caffemodel").write_bytes(net.SerializeToString() + outside)
    return folder / "n.caffemodel"


@pytest.mark.parametrize(
    ("inside", "of_layer", "wanted"),
    [
        (VARINT_40, b"", "n.caffemodel: Layers 'p', 'q': PoolingParameter has no field with the number 40"),
        (POOL_9, b"", "n.caffemodel: Layers 'p', 'q': PoolingParameter.pool has an unknown value. netc "),
        (b"", b"\xf8\x7f\x01", "n.caffemodel: Layer 'q': LayerParameter has no field with the number 2047. netc "),
    ],
)
def test_a_field_of_a_layer_is_an_error_that_names_it(tmp_path: Path, inside: bytes, of_layer: bytes, wanted: str) -> None:
    path = written(tmp_path, inside, of_layer=of_layer)
    with pytest.raises(SpecError, match=wanted):
        load(path)
    with pytest.raises(SpecError, match=wanted):  # --allow-unknown is for fields outside of layers
        load(path, dropped=Dropped(outside=True))
    with pytest.raises(SpecError, match=wanted):
        upgrade_file(str(path), str(tmp_path / "new.prototxt"))
    with pytest.raises(SpecError, match=wanted):
        caffe.Net(str(path), caffe.TEST)
    assert netc("convert", path).exit_code == 2
    assert [b.shape for b in read_weights(path)["ip"]] == [(1, 4), (1,)]  # of which nothing but blobs is read


def test_a_field_that_is_named_is_dropped_and_said(tmp_path: Path) -> None:
    path = written(tmp_path, VARINT_40)
    document = load(path, dropped=Dropped(fields=("pooling_param.40",)))
    assert [f.text for f in document.warnings] == ["Layers 'p', 'q': PoolingParameter has no field with the number 40. It is ignored."]
    assert VARINT_40 not in document.message.SerializeToString()
    result = netc("convert", path, "--ignore", "pooling_param.40")
    assert result.exit_code == 0 and "It is ignored" in result.stderr


def test_fields_outside_of_layers(tmp_path: Path) -> None:
    path = written(tmp_path, outside=VARINT_40)
    with pytest.raises(SpecError, match="caffemodel: NetParameter has no field with the number 40. `--allow-unknown` ignores it."):
        load(path)
    for dropped in (Dropped(outside=True), Dropped(fields=("40",))):
        assert len(load(path, dropped=dropped).warnings) == 1


def test_pycaffe_ignores_what_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netc.caffe.state._dropped", Dropped())
    text = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 } } }\n'
    text += 'layer { name: "r" type: "ReLU" bottom: "data" top: "r" relu_param { cap: 6 } }\n'
    (tmp_path / "n.prototxt").write_text(text)
    for _ in range(2):
        with pytest.raises(SpecError, match="ReLUParameter has no field 'cap'"):
            caffe.Net(str(tmp_path / "n.prototxt"), caffe.TEST)
        caffe.ignore("relu_param.other")
    caffe.ignore("relu_param.cap")
    assert list(caffe.Net(str(tmp_path / "n.prototxt"), caffe.TEST).blobs) == ["data", "r"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (b"\x0a\x02\xb2\xe2", r"NetParameter.name is not UTF-8: b'\\xb2\\xe2'"),
        (b"\xa2\x06\x06\x1a\x04\xd6\xd0\xce\xc4", r"LayerParameter.bottom is not UTF-8: b'\\xd6\\xd0"),
    ],
)
def test_a_text_that_is_not_utf_8_is_an_error(tmp_path: Path, text: bytes, wanted: str) -> None:
    path = written(tmp_path, outside=text)
    with pytest.raises(SpecError, match=wanted):
        load(path)
    assert list(read_weights(path)) == ["ip"]  # the names of layers with blobs are all that is read
    path.write_bytes(path.read_bytes() + b"\xa2\x06\x08\x0a\x02\xb2\xe2\x3a\x02\x08\x00")
    with pytest.raises(SpecError, match="The name of layer [45] is not UTF-8"):
        read_weights(path)


def test_weights_of_a_net_whose_inputs_are_no_texts(tmp_path: Path) -> None:
    (tmp_path / "n.caffemodel").write_bytes(b"\x1a\x02\xb2\xe2" + pb.NetParameter(input_dim=[1, 1, 1, 1]).SerializeToString())
    with pytest.raises(SpecError, match="n.caffemodel: The file contains a text that is not UTF-8: b'.xb2.xe2'"):
        read_weights(tmp_path / "n.caffemodel")
