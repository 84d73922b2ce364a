"""Layers with a symbolic batch: they accept it, or the error is a mismatch of sizes."""

import numpy as np
import pytest

from netc.compiler.lower import Misfit, lower_judged, lower_symbolic
from netc.net.model import TEST, TRAIN
from netc.net.resolve import resolve
from netc.spec import parse_yaml
from tests.layers.test_gradients import ROWS


@pytest.mark.parametrize("kind", sorted(ROWS))
def test_what_keeps_a_layer_from_any_batch_is_a_misfit(kind: str) -> None:
    for layers, inputs in ROWS[kind]:
        feeds = [f"  - Input: {{name: {n}, top: {n}, shape: [{{dim: {list(np.shape(a))}}}]}}" for n, a in inputs.items()]
        text = "\n".join(["name: test", "layers:", *feeds, *(f"  - {line.strip()}" for line in layers.strip().splitlines())])
        for phase in (TRAIN, TEST):
            net = resolve(parse_yaml(text), phase)
            lowered, errors = lower_judged(net, "N")
            assert lowered is not None or (errors and all(isinstance(f, Misfit) for f in errors))
            found, batch = lower_symbolic(net)
            assert bool(found.pinned) == (batch != "N")
