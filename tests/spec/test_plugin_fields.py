"""Fields of a fork of Caffe that only a plug-in knows: from text, from binary files, in scripts, and what is not read."""

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import netc.caffe as caffe
from netc import netc_pb2 as pb
from netc import registry
from netc.errors import SpecError
from netc.spec import load
from tests.small_nets import netc

PROTO = """
syntax = "proto2";
package caffe;  // a fork
message LayerParameter {
  optional string name = 1;
  optional ConvolutionParameter convolution_param = 106;
  optional TwistParameter twist_param = 777;
  optional float gain = 778 [default = 1.0];
}
message ConvolutionParameter { optional uint32 deform_group = 40 [default = 4]; }
message TwistParameter {
  enum Mode { PLAIN = 0; NEGATED = 1; }
  repeated uint32 order = 1; /* axes */
  optional float scale = 2 [default = 1];
  optional Mode mode = 3 [default = PLAIN];
}
"""
TYPED = """
from netc import layer, op

@layer("Twist", fields="fork.proto")
def twist(ctx, x):
    p = ctx.param.twist_param
    sign = -1.0 if p.mode == p.NEGATED else 1.0
    return op.Transpose(x, perm=list(p.order)) * (sign * p.scale * ctx.param.gain * ctx.param.own("convolution_param").deform_group / 4)
"""
MAPPED = """
from netc import layer, op

@layer("Twist", fields={"twist_param": (777, {"order": 1, "scale": 2, "mode": 3}), "gain": 778})
def twist(ctx, x):
    p = ctx.param.twist_param
    sign = -1.0 if p.get("mode") in ("NEGATED", 1) else 1.0
    gain = ctx.param.gain if ctx.param.HasField("gain") else 1.0
    return op.Transpose(x, perm=p.repeated("order")) * (sign * float(p.get("scale", 1.0)) * gain)
"""
PLAIN = MAPPED.replace(', fields={"twist_param": (777, {"order": 1, "scale": 2, "mode": 3}), "gain": 778}', "")
INPUT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 2 dim: 3 } } }\n'
LAYER = 'layer { name: "t" %s type: "Twist" bottom: "data" top: "t" }\n'
FIELDS = "twist_param { order: 0 order: [2, 1] mode: NEGATED scale: 0.5 } gain: 3"
PLUGINS = {"typed": TYPED, "mapped": MAPPED, "plain": PLAIN}
X = np.arange(6, dtype=np.float32).reshape(1, 2, 3)


def varint(number: int) -> bytes:
    """A whole number as protobuf writes it."""
    return bytes([number & 127 | 128]) + varint(number >> 7) if number > 127 else bytes([number])


@pytest.fixture(autouse=True)
def scoped() -> Iterator[None]:
    with registry.scoped():
        yield


def plugin(folder: Path, text: str) -> Path:
    (folder / "fork.proto").write_text(PROTO)
    (folder / "twist.py").write_text(text)
    registry.load(str(folder / "twist.py"))
    return folder / "twist.py"


def net_of(folder: Path, fields: str = FIELDS) -> Path:
    (folder / "n.prototxt").write_text(INPUT + LAYER % fields)
    return folder / "n.prototxt"


def binary(folder: Path) -> Path:
    """The same net as protobuf's binary format, with the fork's numbers."""
    block = b"\x08\x00\x08\x02\x08\x01" + b"\x15" + struct.pack("<f", 0.5) + b"\x18\x01"
    field = varint(777 << 3 | 2) + varint(len(block)) + block + varint(778 << 3 | 5) + struct.pack("<f", 3.0)
    net = pb.NetParameter()
    net.layer.add(name="data", type="Input", top=["data"]).input_param.shape.add(dim=[1, 2, 3])
    net.layer.add(name="t", type="Twist", bottom=["data"], top=["t"]).MergeFromString(field)
    (folder / "n.caffemodel").write_bytes(net.SerializeToString())
    return folder / "n.caffemodel"


@pytest.mark.parametrize(("name", "in_binary"), [(n, b) for n in PLUGINS for b in (False, True) if (n, b) != ("plain", True)])
def test_a_plugin_reads_its_fields(tmp_path: Path, name: str, in_binary: bool) -> None:
    plugin(tmp_path, PLUGINS[name])
    net = caffe.Net(str(binary(tmp_path) if in_binary else net_of(tmp_path)), caffe.TEST)
    net.blobs["data"].data[...] = X
    np.testing.assert_allclose(net.forward()["t"], -1.5 * X.transpose(0, 2, 1))


def test_defaults_of_the_schema_hold(tmp_path: Path) -> None:
    plugin(tmp_path, TYPED)
    net = caffe.Net(str(net_of(tmp_path, "twist_param { order: [0, 2, 1] } convolution_param { deform_group: 2 }")), caffe.TEST)
    net.blobs["data"].data[...] = X
    np.testing.assert_allclose(net.forward()["t"], 0.5 * X.transpose(0, 2, 1))


def test_commands_read_them(tmp_path: Path) -> None:
    path = plugin(tmp_path, TYPED)
    assert netc("check", net_of(tmp_path), "--plugin", path).exit_code == 0
    assert netc("convert", net_of(tmp_path), "--plugin", path, "-o", tmp_path / "n.yaml").exit_code == 0
    assert load(tmp_path / "n.yaml").message.layer[1].custom == load(net_of(tmp_path)).message.layer[1].custom
    assert netc("convert", tmp_path / "n.yaml", "--plugin", path, "-o", tmp_path / "n.onnx").exit_code == 0


def test_a_plugin_brings_a_generated_class(tmp_path: Path) -> None:
    plugin(tmp_path, TYPED)
    with registry.scoped():
        text = 'from netc.spec.proto_text import message_class\nfrom pathlib import Path\nHERE = Path(__file__).parent / "fork.proto"\n'
        text += 'LayerParameter = message_class(HERE.read_text(), "LayerParameter")\n'
        (tmp_path / "other.py").write_text(text + TYPED.replace("Twist", "Turn").replace('"fork.proto"', "LayerParameter"))
        registry.load(str(tmp_path / "other.py"))
        net_of(tmp_path).write_text(INPUT + LAYER.replace("Twist", "Turn") % FIELDS)
        assert list(caffe.Net(str(tmp_path / "n.prototxt"), caffe.TEST).blobs) == ["data", "t"]


@pytest.mark.parametrize(
    ("name", "fields", "wanted"),
    [
        ("typed", "twist_param { ordr: 1 }", r"n.prototxt:2:33: TwistParameter has no field 'ordr'. Did you mean 'order'"),
        ("typed", 'twist_param { scale: "a" }', r"n.prototxt:2:40: `scale` must not be in quotes"),
        ("typed", "twist_param { mode: OTHER }", r"n.prototxt:2:39: .*OTHER"),
        ("typed", "twist_param { order: 0 } extra: 1", r"n.prototxt:2:44: LayerParameter has no field 'extra'"),
        ("plain", "twist_param { order: [0, 1, 2] engine: A }", r"n.prototxt:2:50: .*does not read `twist_param.engine`"),
        ("plain", "twist_param { order: [0, 1, 2] } extra_param { a: 1 }", r"n.prototxt:2:52: .*does not read `extra_param`"),
        ("plain", "twist_param { order: [0, 1, 2] } pooling_param { kernel_size: 1 }", r"does not read `pooling_param`"),
        ("plain", "twist_param { order: [0, 1 } }", r"Expected ',' or '\]', got '}'"),
        ("plain", "twist_param { order", r"is never closed"),
    ],
)
def test_what_is_wrong_with_them(tmp_path: Path, name: str, fields: str, wanted: str) -> None:
    path = plugin(tmp_path, PLUGINS[name])
    result = netc("check", net_of(tmp_path, fields), "--plugin", path)
    assert result.exit_code == 2
    with pytest.raises(SpecError, match=wanted):
        caffe.Net(str(net_of(tmp_path, fields)), caffe.TEST)


def test_a_field_that_the_user_ignores(tmp_path: Path) -> None:
    path = plugin(tmp_path, PLAIN)
    fields = "twist_param { order: [0, 1, 2] engine: A } extra_param { a: 1 }"
    result = netc("check", net_of(tmp_path, fields), "--plugin", path, "--ignore", "extra_param", "--ignore", "t.twist_param.eng*")
    assert result.exit_code == 0 and "'extra_param'. It is ignored." in result.stderr


def test_an_undeclared_number_in_binary(tmp_path: Path) -> None:
    plugin(tmp_path, PLAIN)
    with pytest.raises(SpecError, match=r"Layer 't': .* number 777. The plug-in can declare it: `@layer\('Twist', fields=\{NAME: 777\}\)`"):
        load(binary(tmp_path))


def test_numbers_that_do_not_fit_in_binary(tmp_path: Path) -> None:
    plugin(tmp_path, MAPPED.replace('"order": 1, ', ""))
    with pytest.raises(SpecError, match="Its fields do not have the types that the plug-in declares: the number 1 within it"):
        load(binary(tmp_path))


@pytest.mark.parametrize(
    "text", [None, "message LayerParameter {", "message Other { optional int32 a = 1; }", "message A { optional B b = 1; }"]
)
def test_a_schema_that_cannot_be_read(tmp_path: Path, text: str | None) -> None:
    path = plugin(tmp_path, TYPED.replace("fork.proto", "bad.proto"))
    if text is not None:
        (tmp_path / "bad.proto").write_text(text)
    result = netc("check", net_of(tmp_path), "--plugin", path)
    assert result.exit_code == 2 and "bad.proto" in result.stderr and "Traceback" not in result.stderr


def test_net_spec_has_them(tmp_path: Path) -> None:
    plugin(tmp_path, TYPED)
    spec = caffe.NetSpec()
    spec.data = caffe.layers.Input(input_param={"shape": {"dim": [1, 2, 3]}})
    spec.t = caffe.layers.Twist(spec.data, twist_param={"order": [0, 2, 1], "mode": "NEGATED"})
    (tmp_path / "spec.prototxt").write_text(str(spec.to_proto()))
    net = caffe.Net(str(tmp_path / "spec.prototxt"), caffe.TEST)
    net.blobs["data"].data[...] = X
    np.testing.assert_allclose(net.forward()["t"], -X.transpose(0, 2, 1))
    with pytest.raises(SpecError, match="no field 'ordr'"):
        caffe.to_proto(caffe.layers.Twist(caffe.layers.Input(), twist_param={"ordr": 1}))


def test_a_plugin_may_replace_a_layer_of_forks_only(tmp_path: Path) -> None:
    text = """from netc import layer, op

@layer("Permute")
def permute(ctx, x):
    return op.Transpose(x, perm=list(ctx.param.permute_param.order))
"""
    (tmp_path / "mine.py").write_text(text)
    net_of(tmp_path).write_text(INPUT + 'layer { name: "t" type: "Permute" bottom: "data" top: "t" permute_param { order: [0, 2, 1] } }')
    (tmp_path / "blind.py").write_text(text.replace("ctx.param.permute_param.order", "range(3)"))
    with registry.scoped():
        result = netc("check", tmp_path / "n.prototxt", "--plugin", tmp_path / "blind.py")
    assert result.exit_code == 2 and "does not read `permute_param`" in result.stderr
    result = netc("check", tmp_path / "n.prototxt", "--plugin", tmp_path / "mine.py")
    assert result.exit_code == 0 and "The plug-in's layer type Permute replaces netc's own." in result.stderr


@pytest.mark.parametrize(
    ("layer", "wanted"),
    [
        ('type: "MarginInnerProduct" margin_inner_product_param { num_output: 3 }', "It is a layer type of SphereFace (wy1iu/sphereface)."),
        ('type: "Regional" regional_param { a: 1 b { c: 2 } } twice: 3', "with `--plugin FILE`"),
        ('type: "Qqzz9" qqzz9_param { a: 1 }', "and no fork that netc knows. A plug-in can add it"),
    ],
)
def test_an_unknown_type_is_one_error_whatever_its_fields(tmp_path: Path, layer: str, wanted: str) -> None:
    text = "".join(f'layer {{ name: "t{k}" bottom: "data" top: "t{k}" {layer} }}\n' for k in range(12))
    (tmp_path / "n.prototxt").write_text(INPUT + text)
    for command in ("check", "convert"):
        result = netc(command, tmp_path / "n.prototxt")
        assert result.exit_code == 2 and wanted in result.stderr and "netc: 2 errors" not in result.stderr
        assert result.stderr.count("There is no layer type") == 1
        assert "and 11 more of this kind, at lines 3, 4, 5, 6, 7 and 6 more" in result.stderr


def test_a_scope_forgets_which_types_a_plugin_has_replaced(tmp_path: Path) -> None:
    text = "from netc import layer\n\n@layer('Permute')\ndef permute(ctx, x):\n    return x\n"
    with registry.scoped():
        plugin(tmp_path, text)
        assert "Permute" in registry.layer.replaced
    assert "Permute" not in registry.layer.replaced
