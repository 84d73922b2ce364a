"""The loops of step-file.md train: every model of model_zoo/ repeats its vectors, and a run of netc is repeated bit for bit."""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import api, data, schedules, zoo
from netc import netc_pb2 as pb
from netc.compiler.compilation import Compilation
from netc.compiler.preparation import batch_facts
from netc.compiler.program import Program
from netc.compiler.step_files import write
from netc.graph.contract import BATCH
from netc.spec.job import load_job
from netc.spec.solver_settings import SolverSettings
from netc.training.feed import Feeder
from netc.zoo.arrays import read_arrays
from tests.conftest import ROOT, ZOO, needs_zoo
from tests.docs.loops import in_node, in_python, off, step_module, write_blocks
from tests.node import NODE, node_modules
from tests.small_nets import NET, log, netc, write_small
from tests.some import some

# The newest version of each model.
MODELS = {entry.name: ZOO / entry.name / entry.version for entry in (zoo.entries(ZOO) if ZOO.is_dir() else ())}
SAME = 1e-5  # of a root mean square: another processor, another build of onnxruntime. Here, on one machine, all are equal to the bit
STEPS = 10

RBM = """\
name: small
layers:
  - Data: {source: small.npz, batch_size: 16, top: data}
  - RBM: {num_output: 6, visible: GAUSSIAN, persistent: true, weight_filler: {type: gaussian, std: 0.05}, top: [rbm1, own]}
solver: {base_lr: 0.001, momentum: 0.5, max_iter: 10, display: 1}
"""


def changed(**fields: str) -> str:
    """The small net with other fields of the solver."""
    text = NET.split("solver:")[0]
    solver = {"base_lr": "0.02", "momentum": "0.9", "max_iter": str(STEPS), "display": "1"} | fields
    return text + f"solver: {{{', '.join(f'{k}: {v}' for k, v in solver.items() if v)}}}\n"


NETS = {
    "fixed": changed(),
    "step": changed(lr_policy="step", gamma="0.5", stepsize="3"),
    "exp": changed(lr_policy="exp", gamma="0.9"),
    "inv": changed(lr_policy="inv", gamma="0.01", power="0.75"),
    "multistep": changed(lr_policy="multistep", gamma="0.5", stepvalue="[2, 2, 7]"),
    "poly": changed(lr_policy="poly", power="1.5", max_iter="", max_epoch="1"),
    "sigmoid": changed(lr_policy="sigmoid", gamma="0.5", stepsize="4"),
    "cosine": changed(lr_policy="cosine", min_lr="0.001", max_iter="", max_epoch="1"),
    "restarts": changed(lr_policy="cosine", restart_iter="2", restart_mult="2", min_lr="0.001"),
    "linear": changed(lr_policy="linear", min_lr="0.001"),
    "onecycle": changed(lr_policy="onecycle", pct_start="0.4", div_factor="5"),
    "three_phase": changed(lr_policy="onecycle", three_phase="true", anneal_strategy="LINEAR"),
    "warmup": changed(lr_policy="cosine", warmup_iter="5", warmup_lr="0.001"),
    "adam": changed(type="Adam", base_lr="0.001", reset_interval="5"),
    "sums": changed(iter_size="3", reset_interval="4"),
    "gaussian": RBM,
}  # fmt: skip


@pytest.fixture(scope="module")
def loops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_blocks(tmp_path_factory.mktemp("loops"))


@pytest.fixture(scope="module")
def needs_node(loops: Path) -> None:
    found = node_modules()
    if isinstance(found, str):
        pytest.skip(found)
    (loops / "node_modules").symlink_to(found)


def vectors(folder: Path) -> tuple[list[list[dict[str, np.ndarray]]], dict[str, np.ndarray]]:
    """The batches of a published model's training vectors, and all that these have."""
    found, count = read_arrays(folder / "training_vectors.npz"), json.loads((folder / "train.json").read_text())["iter_size"]
    batch = {n.removeprefix("input."): a for n, a in found.items() if n.startswith("input.batch/")}
    return [[batch] * count] * len(found["loss"]), found


def repeats(losses: list[float], states: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> dict[str, float]:
    """What is further than SAME from vectors."""
    found = {"loss": off(losses, wanted["loss"])} | {n: off(states[n[5:]], a) for n, a in wanted.items() if n.startswith("next.")}
    return {name: distance for name, distance in found.items() if not distance <= SAME}


@pytest.mark.parametrize("name", MODELS)
def test_every_published_model_repeats_its_vectors_in_python(name: Any, loops: Path) -> None:
    batches, wanted = vectors(MODELS[name])
    assert repeats(*in_python(loops, MODELS[name], batches), wanted) == {}


@needs_zoo
def test_every_published_model_repeats_its_vectors_in_node(loops: Path, needs_node: None, tmp_path: Path) -> None:
    jobs = {name: vectors(folder) for name, folder in MODELS.items()}
    found = in_node(loops, tmp_path, [(MODELS[name], batches) for name, (batches, _) in jobs.items()])
    wrong = {name: repeats(*one, wanted) for (name, (_, wanted)), one in zip(jobs.items(), found, strict=True)}
    assert {name: which for name, which in wrong.items() if which} == {}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, list[Any], list[float]]]:
    """Of each net: what `netc compile` writes, the batches of a run of netc, and its losses."""
    found = {}
    for name, net in NETS.items():
        folder = tmp_path_factory.mktemp(name)
        path = write_small(folder, net)
        result = netc("train", path, "--target", "portable", "--threads", 1, "--no-publish", "--runs", folder / "runs")
        assert result.exit_code == 0, result.stderr
        program = api.load(path)
        write(program, folder / "build")
        size = program.job.solver.iter_size
        feeder = Feeder(program.train_net, program.steps.train, program.seed, program.job.base, size)
        losses = [line["loss"] for line in log(folder / "runs/small/1") if line["event"] == "train"]
        batches = [[{n: a for n, a in feeder(k, j).items() if n in BATCH} for j in range(size)] for k in range(len(losses))]
        found[name] = folder / "build", batches, losses
    return found


@pytest.mark.parametrize("name", NETS)
def test_a_run_of_netc_is_repeated_in_python_bit_for_bit(
    name: Any, runs: dict[str, tuple[Path, list[Any], list[float]]], loops: Path
) -> None:
    build, batches, losses = runs[name]
    found, _ = in_python(loops, build, batches)
    assert len(losses) == STEPS == len(set(losses))
    if name == "sums":  # the log has the mean of the batches' losses
        assert json.loads((build / "train.json").read_text())["reset"] == {"interval": 4, "kind": "slot", "value": 0.0}
        return
    assert found == losses


def test_the_states_after_sums_of_batches_are_those_of_the_run(
    runs: dict[str, tuple[Path, list[Any], list[float]]], loops: Path, tmp_path: Path
) -> None:
    build, batches, _ = runs["sums"]
    _, states = in_python(loops, build, batches)
    from netc.runtime import snapshot
    from netc.zoo.vectors import samples

    (path,) = (build.parent / "runs/small/1/snapshots").glob("iter_*10.safetensors")
    kept = snapshot.read(path).states
    assert {n for n in states if not np.array_equal(states[n], samples(kept[n]))} == set()


def test_the_runs_of_netc_are_repeated_in_node(
    runs: dict[str, tuple[Path, list[Any], list[float]]], loops: Path, needs_node: None, tmp_path: Path
) -> None:
    found = in_node(loops, tmp_path, [(build, batches) for build, batches, _ in runs.values()])
    python = {name: in_python(loops, build, batches) for name, (build, batches, _) in runs.items()}
    for (name, (losses, states)), (own, after) in zip(python.items(), found, strict=True):
        assert off(own, losses) <= SAME, name
        assert {n: d for n in states if (d := off(after[n], states[n])) > SAME} == {}, name


def test_a_plateau_is_followed_in_both_languages(loops: Path, tmp_path: Path, needs_node: None) -> None:
    """The state after each of some tests, and the rate."""
    scores = [0.5, 0.5, 0.51, 0.5, 0.7, 0.705, 0.71, 0.7, 0.7, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1]
    for number, threshold in enumerate(("REL, cooldown: 1", "ABS")):
        solver = changed(lr_policy="plateau", gamma="0.5", plateau_patience="1", plateau_threshold="0.01", min_lr="0.002",
                         plateau_threshold_mode=threshold, test_interval="5")  # fmt: skip
        made = api.load(write_small(tmp_path, solver))
        write(made, tmp_path / f"build{number}")
        said = json.loads((tmp_path / f"build{number}/train.json").read_text())["lr"]
        assert said["tests"].items() >= {"monitor": "accuracy", "more_is_better": True, "threshold": 0.01, "interval": 5}.items()
        module, state, own, wanted = step_module(loops), (0, None, 0, 0), schedules.Plateau(), []
        for score in scores:
            state, own = module.after_test(said, state, score), own.after(made.job.solver, score, True)
            assert state == (own.reductions, own.best, own.stale, own.cooldown)
            assert module.rate(said, 3, state[0]) == schedules.rate(made.job.settings, 3, STEPS, own.reductions)
            wanted.append(list(state))
        assert state[0] > 1
        program = (
            f'import {{ afterTest }} from "{loops}/step.mjs";\nlet state = [0, null, 0, 0];\n'
            f"for (const score of {scores}) console.log(JSON.stringify(state = afterTest({json.dumps(said)}, state, score)));\n"
        )
        (tmp_path / "plateau.mjs").write_text(program)
        done = subprocess.run([str(NODE), "plateau.mjs"], cwd=tmp_path, capture_output=True, text=True)
        assert done.stderr == "" and [json.loads(line) for line in done.stdout.splitlines()] == wanted


def test_rates_of_a_plug_in_are_in_the_file(loops: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "plugin.py"
    plugin.write_text(
        'from netc import schedule\n\n\n@schedule("loops_halving")\n'
        "def halving(solver, k, max_iter):\n    return solver.base_lr / 2 ** (k // 5)\n"
    )
    from netc import registry

    registry.load(str(plugin))
    write(api.load(write_small(tmp_path, changed(lr_policy="loops_halving", warmup_iter="2"))), tmp_path / "build")
    said = json.loads((tmp_path / "build/train.json").read_text())["lr"]
    rates = [step_module(loops).rate(said, k) for k in range(STEPS)]
    solver = pb.SolverParameter(base_lr=0.02, lr_policy="loops_halving", warmup_iter=2)
    assert rates == [schedules.rate(SolverSettings.of(solver), k, STEPS) for k in range(STEPS)]


IMAGES = """\
layers:
  - Data: {name: data, source: rows.npz, top: [data], batch_size: 6, TRANSFORM}
  - InnerProduct: {num_output: 2}
"""


@pytest.mark.parametrize(
    "transform",
    [
        "scale: 0.5, mean_value: [1, 2, 3]",
        "mean_file: mean.npy, crop_size: 5",
        "mean_value: 4, std_value: [2, 3, 4], crop_size: 4, mirror: true",
    ],
)
def test_rows_are_prepared_as_netc_prepares_them(transform: str, loops: Path, tmp_path: Path, needs_node: None) -> None:
    random = np.random.default_rng(0)
    rows = random.integers(0, 256, (6, 3, 8, 9)).astype(np.float32)
    np.savez(tmp_path / "rows.npz", data=rows)
    np.save(tmp_path / "mean.npy", random.normal(size=(3, 8, 9)).astype(np.float32))
    path = tmp_path / "net.yaml"
    path.write_text(IMAGES.replace("TRANSFORM", transform))
    program = Program(Compilation.of(load_job(str(path))))
    said, means = batch_facts(program.train_net, program.job.base)
    for name, array in means.items():
        np.save(tmp_path / name, array)
    facts = said["batch/data"] | {"dtype": "float32", "shape": [6, 3, *some(program.test_net.sources[0].source).tops[0].shape[1:]]}
    wanted = data.open(program.test_net.sources[0].param, "TEST", 0, tmp_path).batch(0)[0]
    module = step_module(loops)
    assert np.array_equal(module.prepare(facts, rows, tmp_path), wanted)
    moved = module.prepare(facts, rows, tmp_path, np.random.default_rng(1))
    assert moved.shape == wanted.shape and (np.array_equal(moved, wanted) == ("crop" not in transform))
    (tmp_path / "step.mjs").symlink_to(loops / "step.mjs")
    (tmp_path / "rows.json").write_text(json.dumps({"facts": facts, "rows": rows.reshape(-1).tolist(), "shape": rows.shape[1:]}))
    (tmp_path / "run.mjs").write_text(
        'import * as fs from "node:fs";\nimport { prepare } from "./step.mjs";\n'
        'const { facts, rows, shape } = JSON.parse(fs.readFileSync("rows.json"));\n'
        'console.log(JSON.stringify(Array.from(prepare(facts, rows, shape, ".").data)));\n'
    )
    done = subprocess.run([str(NODE), "run.mjs"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert np.array_equal(np.array(json.loads(done.stdout), np.float32), wanted.reshape(-1))


def test_the_documented_program_runs_in_node(loops: Path, needs_node: None, tmp_path: Path) -> None:
    write(api.load(str(ROOT / "nets/logistic.yaml")), tmp_path / "build")
    (tmp_path / "nets").symlink_to(ROOT / "nets")
    done = subprocess.run([str(NODE), str(loops / "loop.mjs")], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["0", "100", "200", "300"] and float(lines[3].split()[1]) < 0.6
