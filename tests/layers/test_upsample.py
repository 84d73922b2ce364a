"""Upsample and PixelShuffle, compared with torch."""

import numpy as np
import pytest

from netc.compiler.lower import lower
from netc.graph.ir import Graph
from netc.graph.passes import resizable
from netc.net.resolve import resolve
from netc.spec import parse_yaml
from tests.layers.nets import about, forward
from tests.layers.torch_values import check_torch

FIELDS = {
    "nearest2": "scale: 2", "linear2": "scale: 2, mode: BILINEAR", "linear_corners": "scale: 3, mode: BILINEAR, align_corners: true",
    "nearest_size": "size: {size}", "linear_size": "size: {size}, mode: BILINEAR", "nearest_scale": "scale: {scale}",
    "linear_scale": "scale: {scale}, mode: BILINEAR",
}  # fmt: skip


@about("Upsample")
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("case", FIELDS)
def test_torchs_interpolate(case: str, rank: int) -> None:
    fields = FIELDS[case].format(size=[9, 10, 3][:rank], scale=[1.3, 0.7, 1.7][:rank])
    check_torch(f"upsample/{rank}/{case}", f"Upsample: {{bottom: x, name: y, {fields}}}")


def test_a_scale_is_the_number_as_written() -> None:
    """0.7 as a float is below 0.7, which times 10 would be 6 pixels."""
    assert forward("Upsample: {bottom: x, name: y, scale: 0.7}", x=np.ones((1, 1, 10, 20)))["y"].shape == (1, 1, 7, 14)


@pytest.mark.parametrize("mode", ["NEAREST", "BILINEAR"])
def test_the_size_of_another_blob(mode: str) -> None:
    x, z = np.random.default_rng(0).normal(size=(2, 3, 4, 5)), np.ones((2, 1, 9, 6))
    found = forward(f"Upsample: {{bottom: [x, z], name: y, mode: {mode}}}", x=x, z=z)["y"]
    wanted = forward(f"Upsample: {{bottom: x, name: y, size: [9, 6], mode: {mode}}}", x=x)["y"]
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("after, sizes", [
    ("Upsample: {scale: 2}", ("2H", "2W")),
    ("Pooling: {kernel_size: 2, stride: 2}\n  - Upsample: {bottom: [pool1, x], mode: BILINEAR}", ("H", "W")),
    ("Upsample: {size: [3, 4]}", (3, 4)),
    ("Upsample: {scale: 1.5}", None),
])  # fmt: skip
def test_images_of_any_size(after: str, sizes: tuple[str, str] | None) -> None:
    net = lower(resolve(parse_yaml(f"layers:\n  - Input: {{top: x, shape: {{dim: [1, 2, 6, 4]}}}}\n  - {after}"), "TEST"))
    poolings = {x.name: x.param.pooling_param for x in net.net.layers if x.type == "Pooling"}
    found = resizable(Graph("any", {n: net.versions[n][-1] for n in net.net.outputs}), poolings)
    assert (found and next(iter(found.outputs.values())).shape[2:]) == sizes


@about("PixelShuffle")
def test_torchs_shuffles() -> None:
    check_torch("shuffle", "PixelShuffle: {bottom: x, name: y, upscale_factor: 2}")
    check_torch("unshuffle", "PixelShuffle: {bottom: x, name: y, upscale_factor: 2, inverse: true}")
