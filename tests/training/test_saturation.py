"""A loss that stays at its ceiling is told, once, with what to try."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import api
from netc.api.net import Net
from netc.training.events import Stepped
from netc.training.saturation import CEILING, STEPS, SaturatedLoss
from tests.small_nets import NET, netc, write_small


def test_the_ceiling_is_what_softmax_with_loss_gives_at_most(tmp_path: Path) -> None:
    text = NET.replace("  - Accuracy\n", "").replace(
        "  - SoftmaxWithLoss", "  - Bias: {filler: {type: constant, value: 1}}\n  - SoftmaxWithLoss"
    )
    net = Net(write_small(tmp_path, text), phase="TEST")
    net.params["ip2"][0].data[...] = 0
    net.params["ip2"][1].data[...] = [1e4] + [0] * 9
    found = net.forward(data=net.blobs["data"].data, label=np.ones(16, np.int64))
    assert float(found["loss"]) == pytest.approx(CEILING, abs=1e-4) and pytest.approx(87.3365, abs=1e-4) == CEILING


@pytest.mark.parametrize(("losses", "count"), [([CEILING] * STEPS * 3, 1), ([CEILING] * (STEPS - 1) + [2.3] + [CEILING] * (STEPS - 1), 0)])
def test_it_is_told_once(tmp_path: Path, losses: Any, count: int) -> None:
    said: list[str] = []
    follower = SaturatedLoss(api.load(write_small(tmp_path)), said.append)
    for k, loss in enumerate(losses):
        follower(Stepped(k, loss, 0.02, {"loss": loss}))
    assert len(said) == count
    assert all("the loss has been 87.3365 for 20 iterations" in text and "base_lr is 0.02: try 0.002" in text for text in said)


FROZEN = """\
layers:
  - DummyData: {top: [data, label], shape: [{dim: [4, 3]}, {dim: [4]}], data_filler: [{type: gaussian}, {type: constant, value: LABEL}]}
  - InnerProduct: {bottom: data, num_output: 2, weight_filler: {type: constant}, bias_filler: {type: uniform, min: -1e6, max: 1e6},
      param: [{lr_mult: 0}, {lr_mult: 1e-9}]}
  - SoftmaxWithLoss
solver: {base_lr: 0.01, max_iter: 40, test_iter: 1}
"""


def test_a_run_that_is_stuck(tmp_path: Path) -> None:
    """One of two classes has all the probability: of labels that are the other one, the loss is at its ceiling."""
    said: list[int] = []
    for label in "01":
        (tmp_path / "n.yaml").write_text(FROZEN.replace("LABEL", label))
        result = netc("train", tmp_path / "n.yaml", "--no-publish", "--runs", tmp_path / "runs")
        assert result.exit_code == 0, result.stderr
        said.append(result.output.count("the loss has been 87.3365"))
    assert sorted(said) == [0, 1]
