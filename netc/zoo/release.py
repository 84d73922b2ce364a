"""Publish the model of a finished run. Every file is checked first."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from netc import data, schedules, zoo
from netc import netc_pb2 as pb
from netc.compiler.compilation import Compilation
from netc.compiler.preparation import TOKENIZER, kept_words
from netc.compiler.program import Program
from netc.compiler.raw_columns import table_of
from netc.compiler.step_files import START, lines, model_files, start_bytes, training_files
from netc.errors import RunError, SpecError, ZooError
from netc.graph.contract import LR, NOISE, STATE
from netc.net.variants import inputs_of
from netc.runtime.session import Session
from netc.spec import to_yaml
from netc.spec.private_paths import without_folders
from netc.training.evaluate import Scores
from netc.training.feed import Feeder
from netc.zoo import vectors
from netc.zoo.base_files import bases, contents, licence_errors, records, with_bases
from netc.zoo.model_info import missing_licences, stated
from netc.zoo.raw_rows import check_raw_rows, thresholds

VECTORS = 8  # rows in test_vectors.npz
TOLERANCE = 1e-4
# Tolerances for training are larger, because differences accumulate over its steps.
TOLERANCES = {
    vectors.OUTPUTS: {"relative": TOLERANCE, "absolute": TOLERANCE},
    vectors.TRAINING: {"relative": 1e-3, "absolute": TOLERANCE},
}


def check_target(target: str, compilation: Compilation, key: str | None = None) -> None:
    """ZooError if publishing into `target` with the secret `key` would fail. Called before training, so that no run is wasted.

    SpecError if the net file lacks fields that publishing needs.
    """
    missing = [*missing_licences(compilation), *licence_errors(compilation)]
    if missing:
        raise SpecError(*missing, "or pass --no-publish")
    if key is not None:
        zoo.secret_key(Path(key))
    if "://" in target:
        raise ZooError(f"{target}: netc can only publish into a local folder; pass --zoo DIR or --no-publish")
    path = Path(target).absolute()
    there = next(p for p in (path, *path.parents) if p.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise ZooError(f"{target}: cannot publish here: {there} is {'not writable' if there.is_dir() else 'not a folder'}")


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
    model, portable, found = _checked_model(program, states), program.portable, bases(program.train_net.layers)
    start = {n: states[n] if n in states and node.state.is_weight else node.state.start()
             for n, node in program.states.items()}  # fmt: skip
    files: dict[str, bytes] = {
        **contents(found),
        "model.onnx": model.SerializeToString(deterministic=True),
        "open.onnx": program.deploy_model(None).SerializeToString(deterministic=True),
        **training_files(portable),
        **({} if program.job.settings.iter_size == 1 else model_files(portable, "gradient") | model_files(portable, "update")),
        START: start_bytes(portable, start),
        "net.yaml": to_yaml(with_bases(_own_net(program), found)).encode(),
        "metrics.json": (json.dumps(scores, indent=2, sort_keys=True) + "\n").encode(),
    }
    inputs = raw_inputs(program)
    manifest = stated(program, model, scores, command, inputs) | {"parent": parent} | records(found)
    if inputs:
        files[vectors.OUTPUTS] = _vectors(program, files, states, inputs)
        steps = _training_vectors(portable, files, start)
        files |= {vectors.TRAINING: steps} if steps is not None else {}
        manifest["tolerance"] = {name: TOLERANCES[name] for name in TOLERANCES if name in files}
    if kept_words(program.classes):
        files["labels.txt"] = lines(program.classes)
    if curves is not None:
        files["curves.png"] = curves
    return zoo.publish(target, zoo.model_name(program.job.name), files, manifest, version, key)


def _own_net(program: Program) -> pb.NetParameter:
    """The net as it is published: without folders, and with the published file of the tokenizer."""
    net = data.stated(without_folders(program.job.resolved()), program.train_net.learned)
    made = {layer.name for layer in program.train_net.sources if layer.source and layer.source.tokenizer}
    for layer in net.layer:
        if layer.name in made:
            layer.data_param.tokenizer = TOKENIZER
            layer.data_param.ClearField("most_tokens")
    return net


def _checked_model(program: Program, states: Mapping[str, np.ndarray]) -> onnx.ModelProto:
    """model.onnx. That of a table is run on raw rows, and gets thresholds for its scores. RunError if a score is not finite."""
    model = program.deploy_model(states)
    if table_of(program.test_net) is None:
        return model
    content = model.SerializeToString()
    check_raw_rows(program, content)
    found = thresholds(program, content)
    return program.deploy_model(states, facts={"thresholds": found}) if found else model


def raw_inputs(program: Program, rows: int = VECTORS) -> dict[str, np.ndarray]:
    """The first test rows as inputs of a deployed model: cropped, without mean and scale. Carried states are zero."""
    inputs: dict[str, np.ndarray] = {}
    taken = inputs_of(program.test_net)
    for layer in program.test_net.sources:
        param = pb.LayerParameter()
        param.CopyFrom(layer.param)
        for field in ("scale", "mean_file", "mean_value", "std_value"):
            param.transform_param.ClearField(field)
        assert layer.reader is not None
        if (raw := layer.reader.source().raw(np.arange(rows))) is not None:
            inputs |= raw
            continue
        param.data_param.test_batch_size = rows
        source = layer.reader.read_by(param).source()
        batch = source.batch(0)
        for k in taken[layer.name]:
            array, axis = batch[k], source.description.tops[k].batch_axis
            inputs[layer.tops[k]] = np.ascontiguousarray(array if axis is None else array.take(range(min(rows, array.shape[axis])), axis))
    return inputs


def _vectors(program: Program, files: Mapping[str, bytes], states: Mapping[str, np.ndarray], inputs: Mapping[str, np.ndarray]) -> bytes:
    """The inputs and outputs of the model. They must match those of the net before its weights were embedded."""
    session, opened = Session(files["model.onnx"]), Session(files["open.onnx"])
    _, batch = program.deploy
    axes = {name: top.batch_axis or 0 for name, top in program.test_net.described.items()}
    if batch != "N":
        inputs = {n: a.take(np.arange(int(batch)) % a.shape[axes.get(n, 0)], axes.get(n, 0)) for n, a in inputs.items()}
    rows = min(a.shape[axes.get(n, 0)] for n, a in inputs.items())
    given = {n: a for n, a in inputs.items() if n in session.inputs}
    given |= {n: np.zeros((rows, *i.shape[1:]), np.float32) for n, i in session.inputs.items() if n in STATE}
    outputs = session.run(given)
    expected = opened.run({n: a for n, a in STATE.named(states).items() if n in opened.inputs} | given)
    for name, value in outputs.items():
        if text := vectors.differs(value, expected[name], TOLERANCES[vectors.OUTPUTS]):
            raise RunError(f"model.onnx: output {name!r} differs from the net{text}; it is not published")
    return zoo.npz({vectors.INPUT + n: a for n, a in given.items()} | {vectors.OUTPUT + n: a for n, a in outputs.items()})


def _training_vectors(portable: Program, files: Mapping[str, bytes], start: Mapping[str, np.ndarray]) -> bytes | None:
    """Three steps of training on the first batch; None if the batch is too large to publish."""
    feeds = Feeder(portable.train_net, portable.steps.train, portable.seed, portable.job.base)(0)
    feeds = {n: a for n, a in feeds.items() if n not in NOISE}
    if sum(a.nbytes for a in feeds.values()) > vectors.MOST_FEEDS:
        return None
    rates = [schedules.rate(portable.job.settings, k, portable.max_iter or vectors.STEPS) for k in range(vectors.STEPS)]
    feeds |= {LR: np.array(rates, np.float32)}
    results = vectors.training_steps({n: files[n] for n in vectors.STEP_MODELS if n in files}, start, feeds)
    wrong = [name for name, array in results.items() if not np.isfinite(array).all()]
    if wrong:
        raise RunError(f"train.onnx: {wrong[0]!r} is not finite after {vectors.STEPS} steps; it is not published")
    return zoo.npz({vectors.INPUT + n: a for n, a in feeds.items()} | results)
