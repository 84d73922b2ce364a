"""Numbers that the fields of layers cannot have, each at its place; what mathematics and Caffe allow passes."""

from pathlib import Path
from typing import Any

import pytest

from netc import netc_pb2 as pb
from netc.compiler.nets import JobNets
from netc.registry import load
from netc.spec.job import read_job
from netc.spec.ranges import RANGES, out_of_range

load()


def said(text: Any, tmp_path: Path) -> Any:
    path = tmp_path / "n.yaml"
    path.write_text(f"layers:\n  - Data: {{source: iris, batch_size: 30}}\n{text}\n")
    return [(str(f.place).removeprefix(f"{path}:"), f.text) for f in JobNets(read_job(str(path))).all_errors()]


def test_every_row_is_a_field() -> None:
    for name in RANGES:
        message, _, field = name.partition(".")
        assert field in getattr(pb, message).DESCRIPTOR.fields_by_name


@pytest.mark.parametrize(
    ("layer", "sentence"),
    [
        ("BatchNorm: {eps: -0.1}", "eps is 0 or more, not -0.1"),
        ("BatchNorm: {moving_average_fraction: 1.01}", "moving_average_fraction is from 0 to 1, not 1.01"),
        ("LRN: {alpha: -1}", "alpha is 0 or more, not -1"),
        ("LRN: {k: -1}", "k is 0 or more, not -1"),
        ("MVN: {eps: -1}", "eps is 0 or more, not -1"),
        ("Power: {power: .nan}", "power is nan; expected a number"),
        ("ELU: {alpha: .inf}", "alpha is inf; expected a number"),
        ("InnerProduct: {num_output: 2, weight_filler: {type: gaussian, std: -1}}", "std is 0 or more, not -1"),
        ("InnerProduct: {num_output: 2, weight_filler: {type: uniform, min: 1, max: 0}}", "min is 1, above max, 0"),
        ("InnerProduct: {num_output: 2, param: [{lr_mult: .nan}]}", "lr_mult is nan; expected a number"),
    ],
)
def test_out_of_range(tmp_path: Path, layer: str, sentence: str) -> None:
    (found,) = (f for f in said(f"  - {layer}", tmp_path) if "axes" not in f[1])
    column = layer.index(sentence.split()[0] + ":") + 5
    assert found[0] == f"3:{column}" and sentence in found[1]


@pytest.mark.parametrize(
    "text",
    [
        pb.LayerParameter(clip_param=pb.ClipParameter(min=-float("inf"), max=float("inf"))),
        pb.LayerParameter(power_param=pb.PowerParameter(power=-2, scale=-1, shift=-3)),
        pb.LayerParameter(loss_weight=[-1], param=[pb.ParamSpec(lr_mult=-1, decay_mult=0)]),
        pb.LayerParameter(batch_norm_param=pb.BatchNormParameter(eps=0, moving_average_fraction=1)),
        pb.LayerParameter(relu_param=pb.ReLUParameter(negative_slope=-0.5), elu_param=pb.ELUParameter(alpha=-1)),
        pb.LayerParameter(blobs=[pb.BlobProto(data=[float("nan")])]),
    ],
)
def test_what_is_allowed(text: Any) -> None:
    assert list(out_of_range(text)) == []
