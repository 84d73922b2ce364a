"""Losses of mixed rows: the share of each label times its loss, with everything else that the loss can do."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc.compiler.lower import Lowered, lower
from netc.data import Tables
from netc.errors import SpecError
from netc.graph.autodiff import grad
from netc.graph.emit import emit
from netc.graph.ir import Graph
from netc.net.resolve import resolve
from netc.runtime.session import Session
from netc.spec import parse_yaml
from tests.layers.nets import states
from tests.some import some

LABELS = np.array([0, 2, 1, 1, 0, 2, 2, 2])
ROWS = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)


def net(folder: Path, *layers: str, phase: str = "TRAIN", label: Any = LABELS) -> Lowered:
    """A net that reads rows with mixup and applies `layers`."""
    np.savez(folder / "x.npz", data=ROWS, label=label)
    lines = ["name: test", "layers:", "  - Data: {source: x.npz, batch_size: 8, shuffle: false, mixup_alpha: 1}"]
    text = "\n".join([*lines, *(f"  - {layer}" for layer in layers)])
    return lower(resolve(parse_yaml(text), phase, tables=Tables(folder)))


def batch(lowered: Lowered) -> dict[str, np.ndarray]:
    """The first batch, by top."""
    (layer,) = lowered.net.sources
    assert layer.reader is not None
    return dict(zip(layer.tops, layer.reader.open(0).batch(0), strict=True))


def values(lowered: Lowered, fed: dict[str, np.ndarray] | None = None) -> dict[str, np.ndarray]:
    """All blobs, for the first batch or the given one."""
    session = Session(emit(Graph("test", {n: v[-1] for n, v in lowered.versions.items()}), "cpu"))
    feeds = {f"batch/{n}": a for n, a in (fed or batch(lowered)).items()} | {f"state/{n}": a for n, a in states(lowered).items()}
    return session.run({n: a for n, a in feeds.items() if n in session.inputs})


def cross_entropies(fed: dict[str, np.ndarray]) -> np.ndarray:
    """(2, 8): -log softmax of both labels of each row."""
    x = fed["data"].astype(np.float64)
    log = x - np.log(np.exp(x).sum(1, keepdims=True))
    return np.stack([-log[np.arange(8), fed[name].astype(int)] for name in ("label", "label.partner")])


WEIGHTS = np.array([0.5, 2, 3])


@pytest.mark.parametrize("fields", ["", "class_weight: [0.5, 2, 3]", "label_smoothing: 0.2", "ignore_label: 2", "normalization: NONE"])
def test_softmax_with_loss(tmp_path: Path, fields: str) -> None:
    lowered = net(tmp_path, f"SoftmaxWithLoss: {{bottom: [data, label], top: [loss, p]{fields and ', ' + fields}}}")
    fed, got = batch(lowered), values(lowered)
    each, labels = cross_entropies(fed), np.stack([fed["label"], fed["label.partner"]])
    shares = np.stack([fed["label.share"], 1 - fed["label.share"]]).astype(np.float64)
    assert np.any((shares[0] < 0.9) & (labels[0] != labels[1]))
    if "smoothing" in fields:
        x = fed["data"].astype(np.float64)
        each = 0.8 * each + 0.2 * (np.log(np.exp(x).sum(1)) - x.mean(1))
    if "class" in fields:
        shares = shares * WEIGHTS[labels]
    if "ignore" in fields:
        shares = shares * (labels != 2)
    wanted = (each * shares).sum() / (1 if "NONE" in fields else shares.sum())
    assert got["loss"] == pytest.approx(wanted, rel=1e-5)
    assert got["p"].shape == (8, 3) and np.allclose(got["p"].sum(1), 1)


@pytest.mark.parametrize("provider", ["cpu", "cuda"])
@pytest.mark.parametrize(
    "loss", ["SoftmaxWithLoss: {top: loss, class_weight: [0.5, 2, 3], label_smoothing: 0.1}", "FocalLoss: {top: loss}"]
)
def test_the_gradient_equals_the_difference(tmp_path: Path, loss: str, provider: str) -> None:
    lowered = net(tmp_path, loss)
    fed, towards = batch(lowered), np.random.default_rng(1).normal(size=(8, 3)).astype(np.float32)
    (by,) = grad({some(lowered.loss): 1.0}, [lowered.versions["data"][0]])
    session = Session(emit(Graph("test", {"d": some(by), "loss": some(lowered.loss)}), provider))

    def at(step: float) -> dict[str, np.ndarray]:
        moved = fed | {"data": fed["data"] + np.float32(step) * towards}
        return session.run({f"batch/{name}": array for name, array in moved.items()})

    near = (float(at(0.01)["loss"]) - float(at(-0.01)["loss"])) / 0.02
    assert float((at(0)["d"] * towards).sum()) == pytest.approx(near, rel=5e-3, abs=1e-3)


def test_a_symbolic_batch(tmp_path: Path) -> None:
    fixed = net(tmp_path, "SoftmaxWithLoss: {bottom: [data, label], top: [loss, p]}")
    free, fed = lower(fixed.net, "N"), batch(fixed)
    for count in (8, 5):
        part = {name: array[:count] for name, array in fed.items()}
        got = values(free, part)
        assert got["p"].shape == (count, 3)
        if count == 8:
            assert got["loss"] == pytest.approx(float(values(fixed, fed)["loss"]), rel=1e-6)


def test_a_share_of_one_is_the_plain_loss(tmp_path: Path) -> None:
    for loss in ("SoftmaxWithLoss: {top: loss}", "FocalLoss: {top: loss}"):
        lowered = net(tmp_path, loss)
        fed = batch(lowered) | {"label.share": np.ones(8, np.float32)}
        got = values(lowered, fed)["loss"]
        plain = net(tmp_path, loss, phase="TEST")
        alone = {name: fed[name] for name in ("data", "label")}
        assert got == pytest.approx(float(values(plain, alone)["loss"]), rel=1e-6)


def test_metrics_read_the_label_with_the_larger_share(tmp_path: Path) -> None:
    lowered = net(tmp_path, "SoftmaxWithLoss", "Accuracy: {bottom: [data, label]}")
    fed = batch(lowered)
    assert values(lowered)["accuracy"] == pytest.approx(np.mean(fed["data"].argmax(1) == fed["label"]))


def test_numbers_need_no_loss_of_their_own(tmp_path: Path) -> None:
    lowered = net(
        tmp_path,
        "InnerProduct: {num_output: 1, weight_filler: xavier}",
        "EuclideanLoss: {bottom: [ip1, label]}",
        label=LABELS.astype(np.float32),
    )
    assert lowered.net.sources[0].tops == ("data", "label") and np.isfinite(values(lowered)["loss"])


def test_a_test_net_and_its_loss_know_nothing_of_it(tmp_path: Path) -> None:
    lowered = net(tmp_path, "SoftmaxWithLoss", phase="TEST")
    assert lowered.net.sources[0].tops == ("data", "label") and [len(x.bottoms) for x in lowered.net.layers] == [0, 2]


@pytest.mark.parametrize(
    "layers, message",
    [
        (
            ("HingeLoss: {bottom: [data, label]}",),
            "The rows of layer 'data' are mixed, so each has two labels, and HingeLoss",
        ),
        (("Flatten: {bottom: label, top: l}", "SoftmaxWithLoss: {bottom: [data, l]}"), "mixed, so each has two labels, and Flatten cannot"),
        (("SoftmaxWithLoss: {bottom: [data, label, label]}",), "mixed, so they have no weights. Remove the third bottom, or the mixing"),
    ],
)
def test_layers_that_cannot_take_two_labels(tmp_path: Path, layers: tuple[str, ...], message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        net(tmp_path, *layers)
    assert all(d.place is not None for d in caught.value.diagnostics)


def test_propagate_down_counts_the_bottoms_of_the_file(tmp_path: Path) -> None:
    net(tmp_path, "SoftmaxWithLoss: {bottom: [data, label], propagate_down: [false, false]}")
    with pytest.raises(SpecError, match="1 `propagate_down` for 2 bottoms"):
        net(tmp_path, "SoftmaxWithLoss: {bottom: [data, label], propagate_down: [false]}")
