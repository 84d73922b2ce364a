"""How far back a recurrent net learns from."""

from pathlib import Path

import numpy as np
import pytest

import netc
from netc.commands.report import opened
from netc.report.recurrence import reach


def test_norms_are_those_of_the_gradient_by_the_embeddings(runs: Path) -> None:
    """Through netc.Net, whose losses are switched off and whose scores get the gradient of a cross-entropy at the last time."""
    run, _ = opened(runs / "letters/1")
    norms, feeds = reach(run), run.feeder.once(0)
    weights = str(runs / "letters/1/snapshots/iter_00000060.safetensors")
    net = netc.Net(str(runs.parent / "letters.yaml"), weights=weights, phase="TEST")
    data, label = feeds["batch/data"], feeds["batch/label"]
    net.forward(data=data, label=label)
    scores = net.blobs["ip1"].data
    seed = np.zeros_like(scores)
    seed[-1] = np.exp(scores[-1]) / np.exp(scores[-1]).sum(1, keepdims=True) - np.eye(5)[label[-1]]
    net.backward(ip1=seed, loss=np.zeros(()))
    expected = np.linalg.norm(net.blobs["embed1"].diff, axis=2).mean(1)[::-1]
    assert len(norms) == 8 and norms == pytest.approx(expected.tolist(), rel=1e-4)


def test_a_net_without_times_or_classes_has_none(runs: Path) -> None:
    assert reach(opened(runs / "small/1")[0]) == [] == reach(opened(runs / "series/1")[0])
