"""Layers of Transformers against the outputs and gradients that record_transformer.py recorded from torch."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.layers.nets import forward, gradient

TOLERANCE = 1e-5
MODULE = {"weight": "scale", "bias": "bias"}  # torch's names of a norm's parameters, and netc's
ATTENTION = {"in_proj_weight": "weight", "in_proj_bias": "bias", "out_proj.weight": "weight_out", "out_proj.bias": "bias_out"}


@cache
def recorded() -> dict[str, np.ndarray]:
    """All recorded arrays, by case and name."""
    with np.load(Path(__file__).with_name("torch_transformer.npz")) as file:
        return {name: file[name] for name in file.files}


def array(name: str) -> np.ndarray:
    """One recorded array."""
    return recorded()[name]


def near(got: np.ndarray, expected: np.ndarray, what: str) -> None:
    """Compare arrays, relative to the largest number."""
    assert got.shape == expected.shape, what
    assert np.abs(got - expected).max() <= TOLERANCE * max(1.0, np.abs(expected).max()), what


def check(case: str, layer: str, names: Mapping[str, str] = {}, **more: Any) -> None:  # noqa: B006
    """Compare the value of the top `y` and all gradients. `names` maps torch's parameters to those of the layer, which is called `a`."""
    x: dict[str, Any] = {n: array(f"{case}/{n}") for n in ("x", "z") if f"{case}/{n}" in recorded()}
    ours = {f"a.{mine}": f"{case}/{theirs}" for theirs, mine in names.items() if f"{case}/d/{theirs}" in recorded()}
    assert len(ours) == sum(n.startswith(f"{case}/d/") for n in recorded()) - len(x), "a parameter has no name here"
    given = {n: array(theirs) for n, theirs in ours.items()}
    near(forward(layer, given=given, **x, **more)["y"], array(f"{case}/y"), "value")
    got = gradient(layer, "y", array(f"{case}/dy"), given, **x, **more)
    for name, theirs in {**{n: f"{case}/{n}" for n in x}, **ours}.items():
        near(got[name], array(theirs.replace(f"{case}/", f"{case}/d/")), name)
