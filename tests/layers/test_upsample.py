"""Upsample and PixelShuffle, compared with torch."""

import numpy as np
import pytest

from netc.compiler.lower import lower
from netc.errors import SpecError
from netc.graph.contract import BATCH
from netc.graph.emit import emit
from netc.graph.ir import Graph
from netc.graph.passes import resizable
from netc.net.resolve import resolve
from netc.runtime.session import Session
from netc.spec import parse_yaml
from tests.layers.nets import about, forward
from tests.layers.torch_values import check_torch
from tests.some import some

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
    ("Interp: {zoom_factor: 3}", ("(H-1)/1*3+1", "(W-1)/1*3+1")),
    ("Interp: {shrink_factor: 2}", ("(H-1)/2*1+1", "(W-1)/2*1+1")),
    ("Interp: {height: 3, width: 4}", (3, 4)), ("Interp: {zoom_factor: 2, pad_beg: -1}", None),
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


def interpolated(x: np.ndarray, height: int, width: int) -> np.ndarray:
    """caffe_cpu_interp2 of DeepLab and PSPNet, on a plane at a time."""
    (h, w), y = x.shape[2:], np.zeros((*x.shape[:2], height, width))
    down, right = ((a - 1) / (b - 1) if b > 1 else 0.0 for a, b in ((h, height), (w, width)))
    for i in range(height):
        for j in range(width):
            top, left = int(down * i), int(right * j)
            below, beside = top + (top < h - 1), left + (left < w - 1)
            v, u = down * i - top, right * j - left
            y[:, :, i, j] = (1 - v) * ((1 - u) * x[:, :, top, left] + u * x[:, :, top, beside])
            y[:, :, i, j] += v * ((1 - u) * x[:, :, below, left] + u * x[:, :, below, beside])
    return y


@about("Interp")
@pytest.mark.parametrize("fields, size, cut", [
    ("zoom_factor: 2", (11, 15), (0, 0)), ("zoom_factor: 8", (41, 57), (0, 0)), ("shrink_factor: 2", (3, 4), (0, 0)),
    ("shrink_factor: 4", (2, 2), (0, 0)), ("height: 9, width: 5", (9, 5), (0, 0)), ("height: 6, width: 8", (6, 8), (0, 0)),
    ("height: 1, width: 20", (1, 20), (0, 0)), ("zoom_factor: 3, pad_beg: -1, pad_end: -2", (7, 13), (1, 2)),
    ("zoom_factor: 1", (6, 8), (0, 0)),
])  # fmt: skip
def test_interp_keeps_the_corners(fields: str, size: tuple[int, int], cut: tuple[int, int]) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 6, 8))
    got = forward(f"Interp: {{bottom: x, top: y, {fields}}}", x=x)["y"]
    np.testing.assert_allclose(got, interpolated(x[:, :, cut[0] : 6 - cut[1], cut[0] : 8 - cut[1]], *size), rtol=1e-4, atol=1e-5)


def test_interp_to_the_size_of_another_blob() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    got = forward("Interp: {bottom: [x, z], top: y}", x=x, z=np.ones((2, 1, 7, 3)))["y"]
    np.testing.assert_allclose(got, interpolated(x, 7, 3), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("fields, wanted", [
    ("", "Expected one of `zoom_factor`"), ("zoom_factor: 2, shrink_factor: 2", "Expected one of"), ("height: 4", "Expected one of"),
    ("zoom_factor: 2, pad_beg: 1", "`pad_beg` must be 0 or negative"), ("zoom_factor: 2, pad_end: -9", "Nothing is left"),
    ("zoom_factor: 0", "`zoom_factor` must be at least 1"), ("height: 0, width: 3", "Nothing is left"),
])  # fmt: skip
def test_sizes_that_interp_cannot_have(fields: str, wanted: str) -> None:
    with pytest.raises(SpecError, match=wanted):
        forward(f"Interp: {{bottom: x, top: y, {fields}}}", x=np.ones((1, 1, 6, 8)))


@pytest.mark.parametrize("fields", ["zoom_factor: 3", "shrink_factor: 2", "zoom_factor: 1"])
@pytest.mark.parametrize("size", [(6, 4), (3, 7), (1, 5)])
def test_interp_of_a_deployed_net_follows_the_image(fields: str, size: tuple[int, int]) -> None:
    net = lower(resolve(parse_yaml(f"layers:\n  - Input: {{top: x, shape: {{dim: [1, 2, 6, 4]}}}}\n  - Interp: {{{fields}}}"), "TEST"))
    graph = some(resizable(Graph("any", {"y": net.versions["interp1"][-1]}), {}))
    x = np.random.default_rng(0).normal(size=(1, 2, *size)).astype(np.float32)
    more, less = (1, 2) if "shrink" in fields else (int(fields[-1]), 1)
    wanted = interpolated(x, *((d - 1) // less * more + 1 for d in size))
    np.testing.assert_allclose(Session(emit(graph)).run({BATCH("x"): x})["y"], wanted, rtol=1e-4, atol=1e-5)


def unpooled(x: np.ndarray, mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """upsample_layer.cpp of SegNet."""
    y = np.zeros((*x.shape[:2], height * width))
    for n, c, i, j in np.ndindex(x.shape):
        y[n, c, int(mask[n, c, i, j])] = x[n, c, i, j]
    return y.reshape(*x.shape[:2], height, width)


@pytest.mark.parametrize("fields, size", [
    ("scale: 2", (6, 8)), ("scale: 2, pad_out_h: true, pad_out_w: true", (5, 7)), ("scale_h: 2, scale_w: 3", (6, 12)),
    ("upsample_h: 6, upsample_w: 7", (6, 7)), ("scale: 3, upsample_h: 6, upsample_w: 8", (6, 8)),
])  # fmt: skip
def test_segnets_values_return_to_their_maxima(fields: str, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    x, mask = rng.normal(size=(2, 3, 3, 4)), np.stack([rng.permutation(35)[:12] for _ in range(6)]).reshape(2, 3, 3, 4)
    got = forward(f"Upsample: {{bottom: [x, m], top: y, {fields}}}", x=x, m=mask)["y"]
    np.testing.assert_allclose(got, unpooled(x, mask, *size), rtol=1e-6)


def test_a_pooling_and_its_inverse() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 6))
    got = forward("Pooling: {bottom: x, top: [p, m], kernel_size: 2, stride: 2}\nUpsample: {bottom: [p, m], top: y, upsample_h: 5, "
                  "upsample_w: 6}", x=x)  # fmt: skip
    kept = got["y"] != 0
    np.testing.assert_array_equal(got["y"][kept], x.astype(np.float32)[kept])
    assert kept.sum() == got["p"].size


@pytest.mark.parametrize("fields, wanted", [
    ("upsample_h: 4", "`upsample_w` is missing"), ("scale_w: 2", "`scale_h` is missing"), ("scale: 1", "above 1"),
    ("scale: 1.5", "above 1"),
    ("scale: 3, pad_out_h: true", "`pad_out_h` is only for a scale of 2"),
])  # fmt: skip
def test_sizes_that_segnets_upsample_cannot_have(fields: str, wanted: str) -> None:
    x = np.ones((1, 1, 2, 2))
    with pytest.raises(SpecError, match=wanted):
        forward(f"Upsample: {{bottom: [x, m], top: y, {fields}}}", x=x, m=x)


def test_what_segnets_upsample_needs() -> None:
    with pytest.raises(SpecError, match="`scale_h` needs a second bottom"):
        forward("Upsample: {bottom: x, top: y, scale_h: 2, scale_w: 2}", x=np.ones((1, 1, 2, 2)))
    with pytest.raises(SpecError, match="m is 1x1x2x3. Expected the second top of the Pooling layer"):
        forward("Upsample: {bottom: [x, m], top: y, scale: 2}", x=np.ones((1, 1, 2, 2)), m=np.ones((1, 1, 2, 3)))
