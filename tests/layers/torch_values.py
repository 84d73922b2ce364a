"""Layers against values and gradients that tests/layers/record_torch_layers.py recorded from torch."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.layers.nets import Arrays, forward, gradient


@cache
def _all() -> Arrays:
    with np.load(Path(__file__).with_name("torch_layers.npz")) as file:
        return dict(file)


def recorded(case: str) -> Arrays:
    """The arrays of a case: the inputs and weights by name, y, dy, and the gradients as d<name>."""
    return {n.removeprefix(f"{case}/"): a for n, a in _all().items() if n.startswith(f"{case}/")}


def check_torch(case: str, layer: str, inputs: tuple[str, ...] = ("x",), tolerance: float = 1e-5) -> None:
    """Compare layer `y` with a case: its values, and its gradients with respect to all inputs and weights."""
    found = recorded(case)
    given: dict[str, Any] = {n: found[n] for n in inputs}
    weights = {f"y.{n}": a for n, a in found.items() if n not in (*inputs, "y", "dy") and f"d{n}" in found}
    values = forward(layer, given=weights, **given)["y"]
    assert values.shape == found["y"].shape
    _close(values, found["y"], tolerance)
    if not any(f"d{n}" in found for n in found if n != "y"):
        return
    slopes = gradient(layer, "y", found["dy"], given=weights, **given)
    names = [n for n in slopes if f"d{n.removeprefix('y.')}" in found]
    assert names
    for name in names:
        _close(slopes[name], found[f"d{name.removeprefix('y.')}"], tolerance)


def _close(found: np.ndarray, wanted: np.ndarray, tolerance: float) -> None:
    np.testing.assert_allclose(found, wanted.reshape(found.shape), rtol=tolerance, atol=tolerance * float(np.abs(wanted).max()))
