"""Spellings of forks, which become Caffe's own when a file is read."""

import re

import pytest

from netc.errors import SpecError
from netc.spec import parse_prototxt, parse_yaml
from netc.spec.write import to_prototxt

LAYER = 'layer { name: "a" type: "%s" bottom: "x" top: "y" %s }'


@pytest.mark.parametrize("given, wanted", [
    (("Pooling", "pooling_param { ceil_mode: false }"), ("Pooling", "pooling_param { round_mode: FLOOR }")),
    (("Pooling", "pooling_param { ceil_mode: true }"), ("Pooling", "pooling_param { round_mode: CEIL }")),
    (("Pooling", "pooling_param { ceil_mode: false round_mode: FLOOR }"), ("Pooling", "pooling_param { round_mode: FLOOR }")),
    (("Convolution", "convolution_param { hole: 2 }"), ("Convolution", "convolution_param { dilation: 2 }")),
    (("Convolution", "convolution_param { hole_h: 2 hole_w: 3 }"), ("Convolution", "convolution_param { dilation: 2 dilation: 3 }")),
    (("CuDNNConvolution", ""), ("Convolution", "")), (("CuDNNTanH", ""), ("TanH", "")),
])  # fmt: skip
def test_they_mean_the_same(given: tuple[str, str], wanted: tuple[str, str]) -> None:
    assert parse_prototxt(LAYER % given).message == parse_prototxt(LAYER % wanted).message


def test_old_files_and_yaml_too() -> None:
    old = 'layers { name: "a" type: POOLING bottom: "x" top: "y" pooling_param { ceil_mode: false } }'
    assert "round_mode: FLOOR" in to_prototxt(parse_prototxt(old).message)
    yaml = parse_yaml("layers:\n  - Input: {top: x}\n  - Pooling: {name: a, kernel_size: 2, ceil_mode: false}")
    assert "round_mode: FLOOR" in to_prototxt(yaml.message)


def test_places_stay() -> None:
    document = parse_prototxt(LAYER % ("Pooling", "pooling_param { ceil_mode: false }"), path="n")
    assert str(document.place("layer", 0, "pooling_param", "round_mode")) == "n:1:72"


@pytest.mark.parametrize("fields, wanted", [
    ("pooling_param { ceil_mode: true round_mode: FLOOR }", "n:1:72: Layer 'a': `ceil_mode` and `round_mode` contradict each other"),
    ("convolution_param { hole: 2 dilation: 2 }", "Both `hole` and `dilation` are set"),
    ("convolution_param { hole: 2 hole_h: 2 hole_w: 2 }", "Set either `hole`, or both"),
    ("convolution_param { hole_h: 2 }", "Set either `hole`"),
])  # fmt: skip
def test_contradictions(fields: str, wanted: str) -> None:
    with pytest.raises(SpecError, match=re.escape(wanted)):
        parse_prototxt(LAYER % ("Pooling", fields), path="n")


@pytest.mark.parametrize("text, wanted", [
    ("forward_type: FLOAT16 backward_math: FLOAT", ["`forward_type` of NVCaffe", "`backward_math` of NVCaffe"]),
    ("pooling_param { engine: MKL2017 }", ["The engine MKL2017 of Intel Caffe"]), ('engine: "MKLDNN"', ["`engine` of Intel Caffe"]),
    ("batch_norm_param { engine: CUDNN }", ["`engine` of Intel Caffe"]),
])  # fmt: skip
def test_fields_without_effect_are_told_and_dropped(text: str, wanted: list[str]) -> None:
    document = parse_prototxt(LAYER % ("Pooling", text), path="n")
    assert len(document.warnings) == len(wanted)
    pairs = zip(wanted, document.warnings, strict=True)
    assert all(start in str(warning) and "has no effect on netc" in str(warning) for start, warning in pairs)


def test_types_of_forks_in_the_old_form() -> None:
    old = 'layers { name: "a" type: %s bottom: "x" top: "y" %s }'
    for name, type_, fields in (
        ("BN", "BN", "bn_param { frozen: true }"), ("INTERP", "Interp", "interp_param { zoom_factor: 8 }"),
        ("UPSAMPLE", "Upsample", "upsample_param { scale: 2 }"),
        ("IMAGE_SEG_DATA", "ImageSegData", "image_data_param { label_type: PIXEL }"),
        ("DENSE_IMAGE_DATA", "DenseImageData", "dense_image_data_param { batch_size: 4 }"),
    ):  # fmt: skip
        assert parse_prototxt(old % (name, fields)).message.layer[0] == parse_prototxt(LAYER % (type_, fields)).message.layer[0]


def test_rates_of_statistics_are_zero_as_forks_set_them() -> None:
    rates = "param { lr_mult: 1 } " * 5
    for type_, fields, wanted in (
        ("BN", "bn_param { frozen: true }", [1, 1, 0, 0, 0]), ("BatchNorm", "batch_norm_param { scale_bias: true }", [0, 0, 0, 1, 1]),
    ):  # fmt: skip
        layer = parse_prototxt(LAYER % (type_, rates + fields)).message.layer[0]
        assert [p.lr_mult for p in layer.param] == wanted
