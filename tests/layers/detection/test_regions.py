"""ROIPooling and PSROIPooling, compared with loops over the bins."""

from math import ceil, floor

import numpy as np
import pytest

from netc.compiler.lower import lower_symbolic
from netc.errors import NetcError
from netc.graph.ir import Graph
from netc.graph.passes.resizable import resizable
from netc.net.model import DEPLOY
from netc.net.resolve import resolve
from netc.spec import parse_yaml
from tests.layers.nets import about, evaluate, forward, gradient

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 8, 9, 11)).astype(np.float32)
# Whole regions, halves (which are rounded away from 0), points, regions inside out, larger than the image and outside it.
ROIS = np.asarray([
    [0, 0, 0, 40, 32], [1, 3, 5, 21, 17], [2, 2, 2, 2, 2], [0, 6, 10, 26, 30], [1, 20, 20, 5, 5], [2, -30, -20, 100, 90],
    [0, 60, 50, 90, 80], [1, 4, 4, 13, 29], [0, 8, 4, 9, 5],
], np.float32)  # fmt: skip


def c_round(x: float) -> int:
    return int(np.sign(x) * floor(abs(x) + 0.5))


def bins(start: float, size: float, count: int, limit: int) -> list[tuple[int, int]]:
    size = float(np.float32(size) / np.float32(count))
    found = [(floor(np.float32(k * size) + start), ceil(np.float32((k + 1) * size) + start)) for k in range(count)]
    return [(min(max(a, 0), limit), min(max(b, 0), limit)) for a, b in found]


def pooled(x: np.ndarray, rois: np.ndarray, height: int, width: int, scale: float) -> np.ndarray:
    """What Fast R-CNN's roi_pooling_layer.cpp computes."""
    y = np.zeros((len(rois), x.shape[1], height, width))
    for r, roi in enumerate(rois):
        x1, y1, x2, y2 = (c_round(float(v * np.float32(scale))) for v in roi[1:])
        rows, columns = bins(y1, max(y2 - y1 + 1, 1), height, x.shape[2]), bins(x1, max(x2 - x1 + 1, 1), width, x.shape[3])
        for i, (a, b) in enumerate(rows):
            for j, (c, d) in enumerate(columns):
                if a < b and c < d:
                    y[r, :, i, j] = x[int(roi[0]), :, a:b, c:d].max((1, 2))
    return y


def position_sensitive(x: np.ndarray, rois: np.ndarray, out: int, group: int, scale: float) -> np.ndarray:
    """What R-FCN's psroi_pooling_layer computes."""
    y = np.zeros((len(rois), out, group, group))
    for r, roi in enumerate(rois):
        x1, y1 = (c_round(float(v)) * scale for v in roi[1:3])
        x2, y2 = ((c_round(float(v)) + 1) * scale for v in roi[3:])
        rows, columns = bins(y1, max(y2 - y1, 0.1), group, x.shape[2]), bins(x1, max(x2 - x1, 0.1), group, x.shape[3])
        for i, (a, b) in enumerate(rows):
            for j, (c, d) in enumerate(columns):
                if a < b and c < d:
                    y[r, :, i, j] = x[int(roi[0]), (np.arange(out) * group + i) * group + j, a:b, c:d].mean((1, 2))
    return y


@about("ROIPooling")
@pytest.mark.parametrize("size", [(7, 7), (2, 3), (1, 1), (12, 5)])
@pytest.mark.parametrize("scale", [0.25, 1, 0.0625])
def test_roi_pooling(scale: float, size: tuple[int, int]) -> None:
    layer = f"ROIPooling: {{bottom: [x, rois], name: y, pooled_h: {size[0]}, pooled_w: {size[1]}, spatial_scale: {scale}}}"
    np.testing.assert_allclose(forward(layer, x=X, rois=ROIS)["y"], pooled(X, ROIS, *size, scale), atol=1e-6)


@about("PSROIPooling")
@pytest.mark.parametrize("out, group", [(2, 2), (8, 1)])
@pytest.mark.parametrize("scale", [0.25, 1, 0.0625])
def test_psroi_pooling(scale: float, out: int, group: int) -> None:
    layer = f"PSROIPooling: {{bottom: [x, rois], name: y, output_dim: {out}, group_size: {group}, spatial_scale: {scale}}}"
    found = forward(layer, x=X, rois=ROIS)["y"]
    np.testing.assert_allclose(found, position_sensitive(X, ROIS, out, group, scale), atol=1e-5)


def test_regions_may_have_four_axes() -> None:
    layer = "ROIPooling: {bottom: [x, rois], name: y, pooled_h: 2, pooled_w: 2}"
    found, wanted = (forward(layer, x=X, rois=r)["y"] for r in (ROIS, ROIS.reshape(-1, 5, 1, 1)))
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("layer", [
    "ROIPooling: {bottom: [x, rois], name: y, pooled_h: 2, pooled_w: 2}",
    "PSROIPooling: {bottom: [x, rois], name: y, output_dim: 2, group_size: 2, spatial_scale: 1}",
])  # fmt: skip
def test_a_bin_outside_has_no_gradient(layer: str) -> None:
    found = gradient(layer, "y", 1, x=X, rois=[[0, 50, 50, 60, 60]])
    assert not found["x"].any()


def test_of_equal_maxima_the_first_gets_the_gradient() -> None:
    found = gradient(
        "ROIPooling: {bottom: [x, rois], name: y, pooled_h: 1, pooled_w: 1}", "y", 1, x=np.ones((1, 1, 3, 4)), rois=[[0, 1, 1, 3, 2]]
    )
    wanted = np.zeros((1, 1, 3, 4))
    wanted[0, 0, 1, 1] = 1
    np.testing.assert_array_equal(found["x"], wanted)


@pytest.mark.parametrize("layer, text", [
    ("ROIPooling: {bottom: [x, rois], pooled_h: 7}", "`pooled_w` is missing"),
    ("ROIPooling: {bottom: [rois, rois], pooled_h: 7, pooled_w: 7}", "rois is 9x5. Expected N x C x H x W"),
    ("ROIPooling: {bottom: [x, x], pooled_h: 7, pooled_w: 7}", "x is 3x8x9x11. Expected regions x 5"),
    ("PSROIPooling: {bottom: [x, rois], group_size: 2, spatial_scale: 1}", "`output_dim` is 0. Expected 1 or more"),
    ("PSROIPooling: {bottom: [x, rois], output_dim: 2, group_size: 2}", "`spatial_scale` is missing"),
    ("PSROIPooling: {bottom: [x, rois], output_dim: 2, group_size: 3, spatial_scale: 1}",
     "x has 8 channels. Expected output_dim * group_size"),
])  # fmt: skip
def test_fields_that_do_not_fit(layer: str, text: str) -> None:
    with pytest.raises(NetcError) as e:
        forward(layer, x=X, rois=ROIS)
    assert text in str(e.value)


@pytest.mark.parametrize(
    "own", ["ROIPooling: {pooled_h: 2, pooled_w: 2, ", "PSROIPooling: {output_dim: 2, group_size: 2, spatial_scale: 1, "]
)
def test_regions_are_not_rows_of_the_batch(own: str) -> None:
    """Converted nets take images of any number, of any size after ROIPooling, and any number of regions."""
    lines = "InnerProduct: {bottom: y, num_output: 3}"
    feeds = {"x": X[:1], "rois": ROIS[:1]}
    inputs = [f"  - Input: {{name: {n}, top: {n}, shape: [{{dim: {list(np.shape(a))}}}]}}" for n, a in feeds.items()]
    document = parse_yaml("\n".join(["layers:", *inputs, f"  - {own} bottom: [x, rois], name: y}}", f"  - {lines}"]))
    low = lower_symbolic(resolve(document, DEPLOY))[0]
    shapes = {n: low.versions[n][0].shape for n in ("x", "rois", "y", "ip1")}
    assert shapes["x"][0] == "N" and {shapes[n][0] for n in ("rois", "y", "ip1")} == {"rois.regions"}
    net = resizable(Graph("any", {"y": low.versions["y"][-1]}), {})
    assert (net is not None) == own.startswith("ROI")
    found = evaluate(low, {"y": low.versions["y"][-1]}, {"x": X, "rois": ROIS}, {})["y"]
    assert found.shape[0] == len(ROIS)
