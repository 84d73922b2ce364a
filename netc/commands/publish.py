"""From a finished run to the zoo: the files of a published model, each checked before it is published."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from netc import data, snapshot, zoo
from netc import netc_pb2 as pb
from netc.commands.facts import silence, stated
from netc.contract import Program
from netc.emit import NEXT, STATE, emit
from netc.errors import RunError, SpecError, ZooError
from netc.layers.context import NOISE
from netc.run.evaluate import Scores
from netc.run.feed import Feeder
from netc.session import Session
from netc.spec import to_yaml
from netc.spec.job import Job
from netc.zoo import vectors

VECTORS = 8  # rows in test_vectors.npz
TOLERANCE = 1e-4
# Training is held more loosely: its steps add the differences up.
TOLERANCES = {
    vectors.OUTPUTS: {"relative": TOLERANCE, "absolute": TOLERANCE},
    vectors.TRAINING: {"relative": 1e-3, "absolute": TOLERANCE},
}


def check_target(target: str, job: Job, key: str | None = None) -> None:
    """ZooError if nothing can be published into `target`, with the secret `key`: asked before a run, so that none ends in vain.

    SpecError if the net file is silent about what a published model must say.
    """
    silent = silence(job)
    if silent:
        raise SpecError(*silent, "or give --no-publish")
    if key is not None:
        zoo.secret_key(Path(key))
    if "://" in target:
        raise ZooError(f"{target}: a zoo to publish into is a folder; give --zoo DIR, or --no-publish")
    path = Path(target).absolute()
    there = next(p for p in (path, *path.parents) if p.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise ZooError(f"{target}: cannot be published into: {there} is {'not writable' if there.is_dir() else 'no folder'}")


def publish_run(
    program: Program,
    states: Mapping[str, np.ndarray],
    scores: Scores,
    target: Path,
    command: str,
    version: str | None = None,
    curves: bytes | None = None,
    parent: Mapping[str, Any] | None = None,
    key: str | None = None,
) -> zoo.Published:
    """Publish `states` of a program as the next version of its net, signed if there is a secret `key`.

    RunError if the deployed model fails its test vectors.
    """
    model = program.deploy_model(states)
    kept = {n: states[n] for n, node in program.states.items() if node.attrs["kind"] in ("parameter", "statistic")}
    files: dict[str, bytes] = {
        "model.onnx": model.SerializeToString(deterministic=True),
        "train.onnx": program.portable.model("train").SerializeToString(deterministic=True),
        "start.safetensors": snapshot.weights_bytes(kept, data.rows_said(program.train_net.learned)),
        "net.yaml": to_yaml(data.stated(program.job.resolved(), program.train_net.learned)).encode(),
        "metrics.json": (json.dumps(scores, indent=2, sort_keys=True) + "\n").encode(),
    }
    inputs = raw_inputs(program)
    manifest: dict[str, Any] = stated(program, model, scores, command, inputs) | {"parent": parent}
    if inputs:
        files[vectors.OUTPUTS] = _vectors(program, files["model.onnx"], states, inputs)
        steps = _training_vectors(program, files["train.onnx"], kept)
        files |= {vectors.TRAINING: steps} if steps is not None else {}
        manifest["tolerance"] = {name: TOLERANCES[name] for name in TOLERANCES if name in files}
    for name, words in (("labels.txt", program.classes), ("vocabulary.txt", program.vocabulary)):
        if words and all(word.splitlines() == [word] for word in words):  # the tokens of a text may be line ends
            files[name] = "".join(f"{word}\n" for word in words).encode()
    if curves is not None:
        files["curves.png"] = curves
    return zoo.publish(target, zoo.model_name(program.job.name), files, manifest, version, key)


def raw_inputs(program: Program, rows: int = VECTORS) -> dict[str, np.ndarray]:
    """The first test rows as a deployed model takes them: cropped, but with mean and scale not yet applied. Carries are zero."""
    inputs: dict[str, np.ndarray] = {}
    for layer in program.test_net.sources:
        param = pb.LayerParameter()
        param.CopyFrom(layer.param)
        for field in ("scale", "mean_file", "mean_value", "std_value"):
            param.transform_param.ClearField(field)
        param.data_param.test_batch_size = rows
        source = data.open(param, "TEST", program.seed, program.job.base)
        batch = source.batch(0)
        for k in source.description.inputs:
            array, axis = batch[k], source.description.tops[k].batch_axis
            inputs[layer.tops[k]] = np.ascontiguousarray(array if axis is None else array.take(range(min(rows, array.shape[axis])), axis))
    return inputs


def _vectors(program: Program, model: bytes, states: Mapping[str, np.ndarray], inputs: Mapping[str, np.ndarray]) -> bytes:
    """Inputs and outputs of the model, which must agree with the net that has its weights as inputs still."""
    session = Session(model)
    _, batch = program.deploy
    axes = {name: top.batch_axis or 0 for name, top in program.test_net.described.items()}
    if batch != "N":
        inputs = {n: a.take(np.arange(int(batch)) % a.shape[axes[n]], axes[n]) for n, a in inputs.items()}
    rows = min(a.shape[axes[n]] for n, a in inputs.items())
    given = {n: a for n, a in inputs.items() if n in session.inputs}
    given |= {n: np.zeros((rows, *i.shape[1:]), np.float32) for n, i in session.inputs.items() if n.startswith(STATE)}
    outputs = session.run(given)
    open_model = Session(emit(program.deploy[0].graph))
    feeds = {n if n.startswith(STATE) else f"batch/{n}": a for n, a in given.items()} | {f"state/{n}": a for n, a in states.items()}
    expected = open_model.run({n: a for n, a in feeds.items() if n in open_model.inputs})
    for name, value in outputs.items():
        wanted = expected[name if name.startswith(NEXT) else f"out/{name}"]
        if not np.allclose(value, wanted, rtol=TOLERANCE, atol=TOLERANCE):
            raise RunError(f"model.onnx: output {name!r} differs from the net's by {np.abs(value - wanted).max():.3g}; it is not published")
    return zoo.npz({vectors.INPUT + n: a for n, a in given.items()} | {vectors.OUTPUT + n: a for n, a in outputs.items()})


def _training_vectors(program: Program, train: bytes, start: Mapping[str, np.ndarray]) -> bytes | None:
    """Three steps of train.onnx on the first batch of training; None where that batch is too large to publish."""
    portable = program.portable
    feeds = Feeder(program.train_net, portable.steps.train, program.seed, program.job.base)(0)
    if sum(a.nbytes for a in feeds.values()) > vectors.MOST_FEEDS:
        return None
    # Random numbers of 8 bits serve as well, and pack well.
    feeds |= {n: (np.floor(a * 256) / 256).astype(a.dtype) for n, a in feeds.items() if n.startswith(NOISE)}
    feeds |= {"lr": np.asarray(program.job.solver.base_lr, np.float32)}
    found = vectors.training_steps(train, start, feeds)
    wrong = [name for name, array in found.items() if not np.isfinite(array).all()]
    if wrong:
        raise RunError(f"train.onnx: {wrong[0]!r} is not finite after {vectors.STEPS} steps; it is not published")
    return zoo.npz({vectors.INPUT + n: a for n, a in feeds.items()} | found)
