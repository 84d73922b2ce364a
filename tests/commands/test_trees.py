"""A net for trees through all commands: check, train, resume, test, compile, publish, predict."""

import json

import numpy as np
import onnx
import pytest

from netc import Model, snapshot
from netc.commands.trees import drawn
from netc.errors import DataError
from netc.session import Session
from tests.small_nets import log, netc
from tests.small_trees import NET, WORDS, write_trees


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a net file with its data, a run and a zoo."""
    folder = tmp_path_factory.mktemp("trees")
    result = netc("train", write_trees(folder), "--runs", folder / "runs", "--zoo", folder / "zoo")
    assert result.exit_code == 0, result.stderr
    return folder, result.stdout


def test_the_best_model_on_the_validation_set_is_tested_and_published(trained):
    folder, said = trained
    lines = log(folder / "runs/small/1")
    validations = [line for line in lines if line["event"] == "validation"]
    assert [line["iteration"] for line in validations] == [0, 15, 30, 45, 60]
    best = max(validations, key=lambda line: line["root_accuracy"])
    tests = [line for line in lines if line["event"] == "test"]
    assert len(tests) == 1 and lines[-1] == tests[0] and tests[0]["iteration"] == best["iteration"]
    assert (
        f"the best was at iteration {best['iteration']}" in said
        and f"validation at iteration 15: accuracy {validations[1]['accuracy']:.4f}" in said
    )
    published = folder / "zoo/small/1.0.0"
    assert json.loads((published / "metrics.json").read_text()) == {k: v for k, v in tests[0].items() if k not in ("event", "iteration")}
    kept = snapshot.read(folder / "runs/small/1/snapshots/best.safetensors").states
    for name, array in snapshot.read_weights(published / "start.safetensors").items():
        np.testing.assert_array_equal(array, kept[name])


def test_scores_are_means_over_all_labels_that_count(trained):
    """13 trees in batches of 5: by nodes and by roots, whatever the batches hold."""
    folder, _ = trained
    result = netc("test", folder / "small.yaml", "--weights", folder / "zoo/small/1.0.0/start.safetensors")
    said = dict(line.split(": ") for line in result.stdout.splitlines())
    whole = netc(
        "test", folder / "small.yaml", "--weights", folder / "zoo/small/1.0.0/start.safetensors", "--set", "layers.data.test_batch_size=13"
    )
    at_once = dict(line.split(": ") for line in whole.stdout.splitlines())
    assert said.keys() == {"accuracy", "root_accuracy", "loss"}
    for name, value in said.items():
        assert float(value) == pytest.approx(float(at_once[name]), rel=1e-5)
    assert float(said["root_accuracy"]) * 13 == pytest.approx(round(float(said["root_accuracy"]) * 13), abs=1e-4)


def test_a_run_that_goes_on_from_a_snapshot_gives_the_same_bits(trained, tmp_path):
    """The optimizer's history starts anew at 25 and 50, the run goes on from 40."""
    folder, _ = trained
    path = write_trees(tmp_path)
    half = NET.replace("max_iter: 60", "max_iter: 40")
    (tmp_path / "small.yaml").write_text(half)
    assert netc("train", path, "--no-publish", "--runs", tmp_path / "runs").exit_code == 0
    (tmp_path / "small.yaml").write_text(NET)
    result = netc("train", path, "--no-publish", "--runs", tmp_path / "runs", "--resume")
    assert result.exit_code == 0, result.stderr
    whole, resumed = (snapshot.read(f / "runs/small/1/snapshots" / snapshot.file_name(60)).states for f in (folder, tmp_path))
    assert whole.keys() == resumed.keys()
    for name, array in whole.items():
        np.testing.assert_array_equal(array, resumed[name])


@pytest.mark.parametrize("interval, falls", [(3, True), (0, False)])
def test_the_optimizers_history_starts_anew(tmp_path, interval, falls):
    """AdaGrad's sums of squares never fall, but where they start again from zero."""
    path, sums = write_trees(tmp_path, NET.replace("reset_interval: 25", f"reset_interval: {interval}")), []
    for iterations in (3, 4):
        arguments = [
            "--set",
            f"solver.max_iter={iterations}",
            "--set",
            "solver.test_interval=0",
            "--no-publish",
            "--runs",
            tmp_path / "runs",
        ]
        assert netc("train", path, *arguments).exit_code == 0
        run = max((tmp_path / "runs/small").iterdir(), key=lambda folder: int(folder.name))
        sums.append(snapshot.read(run / "snapshots" / snapshot.file_name(iterations)).states["ip1.weight.history"])
    assert (sums[1] < sums[0]).any() == falls


def test_the_models_say_which_axes_change(trained, tmp_path):
    folder, _ = trained
    assert netc("compile", folder / "small.yaml", "-o", tmp_path).exit_code == 0
    axes = {}
    for kind in ("train", "test", "model"):
        model = onnx.load(tmp_path / f"{kind}.onnx")
        said = json.loads(next(p.value for p in model.metadata_props if p.key == "netc"))
        axes[kind] = said["dynamic"]
    assert axes == {"train": ["inner", "leaves", "nodes"], "test": ["inner", "leaves", "nodes"], "model": ["inner", "leaves", "nodes"]}
    assert said["vocabulary"][0] == "<unknown>" and set(said["vocabulary"][1:]) == set(WORDS) and said["classes"] == ["0", "1", "2"]


def test_a_published_model_runs_its_vectors_and_verifies(trained):
    folder, _ = trained
    published = folder / "zoo/small/1.0.0"
    assert netc("zoo", "verify", "--from", folder / "zoo").exit_code == 0
    assert (published / "vocabulary.txt").read_text().split("\n")[0] == "<unknown>"
    with np.load(published / "test_vectors.npz") as vectors:
        feeds = {n.removeprefix("input."): vectors[n] for n in vectors if n.startswith("input.")}
        assert feeds.keys() == {"word", "child", "width"}
        np.testing.assert_allclose(Session(published / "model.onnx").run(feeds)["prob"], vectors["output.prob"], rtol=1e-5, atol=1e-6)


def test_predict_draws_a_label_at_every_node(trained):
    folder, _ = trained
    result = netc("predict", "small", "((the film) (dull good))", "fine", "--from", folder / "zoo")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert len(lines) == 8
    shapes = ["", "├── ", "│   ├── ", "│   └── ", "└── ", "    ├── ", "    └── ", ""]
    words = ["", "", "  the", "  film", "", "  dull (unknown)", "  good", "  fine"]
    for line, shape, word in zip(lines, shapes, words, strict=True):
        assert line.startswith(shape) and line.endswith(word)
        label, score = line.removeprefix(shape).removesuffix(word).split()
        assert label in ("0", "1", "2") and 0 < float(score) <= 1
    assert lines[6].split()[1] == "2" and lines[7].split()[0] == "2"


def test_outputs_of_a_tree_are_kept(trained, tmp_path):
    arguments = ["predict", "small", "(the film)", "--from", trained[0] / "zoo", "-o", tmp_path / "a.npz"]
    assert netc(*arguments).exit_code == 0 and np.load(tmp_path / "a.npz")["prob"].shape == (1, 3, 3)
    result = netc(*arguments, "film")
    assert result.exit_code == 2 and "'prob' has different shapes, (1, 3) and (3, 3) among them" in result.stderr


def test_predict_reads_files_of_trees(trained):
    folder, _ = trained
    found = Model("small", str(folder / "zoo")).predict([str(folder / "bank/test.txt")], top=1)
    assert len(found) == 13 and found[0].source == f"{folder}/bank/test.txt:1" and len(found[0].best) == 1


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("(the film", "column 1: this bracket is never closed"),
        ("(((((((a a) a) a) a) a) a) a)", "a tree of height 7; the model takes trees up to height 6"),
    ],
)
def test_predict_refuses(trained, text, wanted):
    result = netc("predict", "small", text, "--from", trained[0] / "zoo")
    assert result.exit_code == 2 and wanted in result.stderr
    with pytest.raises(DataError, match=wanted):
        Model("small", str(trained[0] / "zoo")).predict([text])


def test_a_malformed_tree_ends_with_its_place(tmp_path):
    path = write_trees(tmp_path)
    with (tmp_path / "bank/dev.txt").open("a") as file:
        file.write("(1 (2 a) (x b))\n")
    result = netc("train", path, "--no-publish", "--runs", tmp_path / "runs")
    assert result.exit_code == 2 and "dev.txt:18:11: label 'x'" in result.stderr and "Traceback" not in result.stderr


def test_drawn():
    assert drawn(["w", "x", "y", "z", "r"], ["a", "b", "c"], [[1, 2], [0, 3]]) == ["r", "├── w  a", "└── z", "    ├── x  b", "    └── y  c"]
