"""A training run from the command line to the published model does each part of the work once per phase."""

import shutil
import sys
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from netc import registry
from netc.compiler import lower, step
from netc.data import tables
from netc.data.batches import Feed
from netc.net import resolve, variants
from netc.registry.table import Layers, Rules
from tests.conftest import ROOT, needs_data
from tests.small_nets import NET, write_small
from tests.small_nets import netc as command

Counts = Counter[tuple[str, str]]


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counts:
    """Counts how often nets, graphs, tables and batches are made, by kind and phase."""
    found: Counts = Counter()
    import_module("netc.commands.train")  # imports all modules of a training run, so that their calls are counted

    def count(function: Callable[..., Any], what: str, phase: Callable[..., str]) -> None:
        """Count the calls of a function, under any name that a module has for it."""

        def counted(*given: Any, **named: Any) -> Any:
            found[what, phase(*given, **named)] += 1
            return function(*given, **named)

        for module in [m for name, m in sys.modules.items() if name.split(".")[0] == "netc"]:
            for name in [n for n, value in vars(module).items() if value is function]:
                monkeypatch.setattr(module, name, counted)

    def open_feed(feed: Feed, request: Any, *given: Any) -> None:
        found["opened", request.phase] += 1
        opened(feed, request, *given)

    def table(find: Callable[..., Any]) -> Callable[..., Callable[..., Any]]:
        def found_source(self: registry.Functions | Layers | Rules, name: str | tuple[str, str]) -> Callable[..., Any]:
            made: Callable[..., Any] = find(self, name)
            if self not in (registry.source, registry.dataset):
                return made
            return lambda request: (found.update([("table", request.phase)]), made(request))[1]

        return found_source

    opened = Feed.__init__
    count(resolve.judged, "resolved", lambda document, phase="TRAIN", *_, **__: phase)
    count(variants.deployed, "resolved", lambda net: "DEPLOY")
    count(tables._described, "described", lambda request, table: request.phase)
    count(step.step_graphs, "step", lambda lowered, settings: "TRAIN")
    count(lower.lower_judged, "lowered", lambda net, *_, **__: net.phase)
    monkeypatch.setattr(Feed, "__init__", open_feed)
    monkeypatch.setattr(registry.Registry, "find", table(registry.Registry.find))
    return found


def train(net: str | Path, folder: Path, *options: str) -> None:
    """Run `netc train`, which also publishes, in this process."""
    result = command("train", net, "--runs", folder / "runs", "--zoo", folder / "zoo", *options, NETC_CACHE="0")
    assert result.exit_code == 0, result.stdout + result.stderr
    assert list((folder / "zoo").rglob("model.onnx"))


def shortened(name: str, length: str, folder: Path) -> Path:
    """Copy a net of nets/ with training limited to two iterations or epochs."""
    text = (ROOT / "nets" / f"{name}.yaml").read_text()
    assert text.count(length) == 1
    path = folder / f"{name}.yaml"
    path.write_text(text.replace(length, length.partition(":")[0] + ": 2"))
    return path


PHASES = ("TRAIN", "TEST", "DEPLOY")
MADE = {("step", "TRAIN"): 1} | {(what, phase): 1 for what in ("resolved", "lowered") for phase in PHASES}
# Two for TEST: one for the tests, and one for the test vectors of the published model, with rows as published models take them.
OPENED = {(what, phase): count for what in ("described", "opened") for phase, count in (("TRAIN", 1), ("TEST", 2))}
ONE_TABLE = {("table", "TRAIN"): 1}
SEVERAL = """
name: several
layers:
  - Data: {source: small.npz, batch_size: 16, test_fraction: 0.2}
  - InnerProduct: {num_output: 10, weight_filler: xavier}
  - Dropout: {include: {stage: noisy}}
  - Accuracy
  - SoftmaxWithLoss
solver: {base_lr: 0.02, max_iter: 4, test_interval: 2, %s}
licence: Apache-2.0
dataset_licence: unknown
"""
PLUGIN = """
import numpy as np
from netc import layer, op, source
from netc.data import Description, Table, TopSpec

@layer("Ripple")
def ripple(ctx, x):
    return op.Sqrt(op.Abs(x) + 1.0)

@source(".ripples")
def ripples(request):
    tops = TopSpec("float32", (1, 12, 12)), TopSpec("int64", ())
    return Table(Description("ripples", tops, 100), lambda: (np.ones((100, 1, 12, 12), np.float32), np.arange(100) % 10))
"""


def test_a_table_that_is_tested_on_a_part_of_its_rows(counts: Counts, tmp_path: Path) -> None:
    shutil.copy(ROOT / "nets" / "iris.csv", tmp_path)
    train(shortened("logistic", "max_epoch: 400", tmp_path), tmp_path)
    assert counts == MADE | ONE_TABLE | OPENED


@needs_data("mnist")
def test_lenet(counts: Counts, tmp_path: Path) -> None:
    train(shortened("lenet", "max_iter: 10000", tmp_path), tmp_path)
    assert counts == MADE | ONE_TABLE | {("table", "TEST"): 1} | OPENED


def test_a_net_of_plugins(counts: Counts, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(PLUGIN)
    (tmp_path / "rows.ripples").touch()
    path = write_small(tmp_path, NET.replace("small.npz", "rows.ripples").replace("  - ReLU\n", "  - Ripple\n"))
    train(path, tmp_path, "--plugin", str(tmp_path / "own.py"))
    assert counts == MADE | ONE_TABLE | {("table", "TEST"): 1} | OPENED  # the source may deliver other rows in testing


def test_several_tests_of_one_net(counts: Counts, tmp_path: Path) -> None:
    train(write_small(tmp_path, SEVERAL % "test_iter: [1, 2]"), tmp_path)
    assert counts == MADE | ONE_TABLE | OPENED


def test_several_nets_to_test_with(counts: Counts, tmp_path: Path) -> None:
    train(write_small(tmp_path, SEVERAL % "test_iter: [1, 2], test_state: [{}, {stage: noisy}]"), tmp_path)
    assert counts == MADE | {("resolved", "TEST"): 2, ("lowered", "TEST"): 2} | ONE_TABLE | OPENED | {("described", "TEST"): 3}


def test_a_run_that_is_watched(counts: Counts, tmp_path: Path) -> None:
    train(write_small(tmp_path, SEVERAL % "display: 1"), tmp_path, "--watch")
    assert counts == MADE | ONE_TABLE | OPENED
