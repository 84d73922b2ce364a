"""--watch and solver.watch_interval: what a step does to each layer."""

from pathlib import Path

import numpy as np
import pytest

from netc import api
from netc.runtime import snapshot
from netc.runtime.session import Session
from netc.training.feed import Feeder
from tests.small_nets import NET, log, netc, write_small

DEPTH = 8
HEAD = "layers:\n  - Data: {source: small.npz, batch_size: 64}\n"
TAIL = "  - InnerProduct: {num_output: 10, weight_filler: FILLER}\n  - SoftmaxWithLoss\nsolver: {base_lr: 0.01, max_iter: 5}\n"


def deep(activation: str, filler: str) -> str:
    """A net of eight hidden layers of 100 units."""
    hidden = f"  - InnerProduct: {{num_output: 100, weight_filler: FILLER}}\n  - {activation}\n" * DEPTH
    return (HEAD + hidden + TAIL).replace("FILLER", filler)


def watched(path: str) -> dict[str, float]:
    """The numbers of the first step."""
    program = api.load(path)
    feeds = Feeder(program.train_net, program.steps.train, program.seed, program.job.base)(0)
    session = Session(program.model("watch"))
    states = {f"state/{n}": a for n, a in program.start().items()}
    given = feeds | states | {"lr": np.float32(0.01)}
    return {n: float(v) for n, v in session.run({n: np.asarray(given[n]) for n in session.inputs}).items()}


def test_the_gradient_vanishes_in_deep_sigmoid_nets_and_not_with_relu_and_msra(tmp_path: Path) -> None:
    ratio = {}
    for activation, filler in (("Sigmoid", "xavier"), ("ReLU", "msra")):
        found = watched(write_small(tmp_path, deep(activation, filler)))
        ratio[activation] = found[f"watch/ip{DEPTH + 1}/gradient"] / found["watch/ip1/gradient"]
    assert ratio["Sigmoid"] >= 1000
    assert 1 / 30 <= ratio["ReLU"] <= 30


def test_how_saturated_activations_are(tmp_path: Path) -> None:
    """Of a sigmoid and a tanh whose inputs are large, and small."""
    for scale, low, high in ((0.01, 0.0, 0.0), (30.0, 0.8, 1.0)):
        filler = f"{{type: gaussian, std: {scale}}}"
        net = (HEAD + "  - InnerProduct: {num_output: 50, weight_filler: FILLER}\n  - Sigmoid\n"
               "  - InnerProduct: {num_output: 50, weight_filler: FILLER}\n  - TanH\n" + TAIL).replace("FILLER", filler)  # fmt: skip
        found = watched(write_small(tmp_path, net))
        for layer in ("sigmoid1", "tanh1"):
            assert low <= found[f"watch/{layer}/saturated"] <= high
        assert "watch/ip1/saturated" not in found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp("watch")
    path = write_small(
        folder, NET.replace("Dropout", "Dropout: {top: dropped}").replace("average_loss", "watch_interval: 20, average_loss")
    )
    assert netc("train", path, "--no-publish", "--runs", folder / "runs").exit_code == 0
    return path, folder / "runs/small/1"


def test_lines_of_the_log(run: tuple[str, Path]) -> None:
    lines = [line for line in log(run[1]) if line["event"] == "watch"]
    assert [line["iteration"] for line in lines] == [0, 20, 40]
    layers = lines[1]["layers"]
    assert layers.keys() == {"conv1", "pool1", "ip1", "relu1", "drop1", "ip2"}
    assert layers["ip1"].keys() == {"gradient", "update", "mean", "deviation", "zero"} and layers["relu1"].keys() == {
        "mean",
        "deviation",
        "zero",
    }
    assert layers["ip1"]["zero"] == 0 < layers["relu1"]["zero"] < layers["drop1"]["zero"] < 1
    assert layers["relu1"]["mean"] > 0


def test_numbers_are_those_of_the_step(run: tuple[str, Path]) -> None:
    """The update is that of the snapshots; the gradient follows from it while there is no history."""
    path, folder = run
    program, line = api.load(path), log(folder)[1]
    assert line["event"] == "watch" and line["iteration"] == 0
    start = program.start()
    result = netc("train", path, "--no-publish", "--runs", folder.parents[2] / "one", "--set", "solver.max_iter=1")
    assert result.exit_code == 0
    after = snapshot.read(folder.parents[2] / "one/small/1/snapshots/iter_00000001.safetensors").states
    names = ["ip1.weight", "ip1.bias"]

    def norm(arrays: list[np.ndarray]) -> float:
        return float(np.sqrt(sum((np.asarray(a, np.float64) ** 2).sum() for a in arrays)))

    changes = [after[n] - start[n] for n in names]
    gradients = [-c / 0.02 - 0.0005 * start[n] for c, n in zip(changes, names, strict=True)]
    assert line["layers"]["ip1"]["update"] == pytest.approx(norm(changes) / norm([start[n] for n in names]), rel=1e-3)
    assert line["layers"]["ip1"]["gradient"] == pytest.approx(norm(gradients), rel=1e-2)


@pytest.mark.parametrize(
    ("iter_size", "asked"), [(1, ["--watch"]), (2, ["--set", "solver.debug_info=true"]), (1, ["--set", "debug_info=true"])]
)
def test_to_watch_changes_nothing(tmp_path: Path, iter_size: int, asked: list[str]) -> None:
    path = write_small(tmp_path, NET.replace("average_loss", f"iter_size: {iter_size}, average_loss"))
    for options in ((), asked):
        assert netc("train", path, "--no-publish", "--runs", tmp_path / "runs", *options).exit_code == 0
    plain, seen = (tmp_path / f"runs/small/{k}" for k in (1, 2))
    assert [line for line in log(seen) if line["event"] != "watch"] == log(plain)
    assert sum(line["event"] == "watch" for line in log(seen)) == 60  # `display` is 1
    states = [snapshot.read(folder / "snapshots/iter_00000060.safetensors").states for folder in (plain, seen)]
    assert all(np.array_equal(states[0][n], states[1][n]) for n in states[0])
