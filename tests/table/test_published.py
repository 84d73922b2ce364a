"""The published model of a table: the same on raw rows as training, in Python, Node.js and WebAssembly."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from netc import load, zoo
from netc.compiler.raw_columns import columns_of, table_of
from netc.graph.emit import emit
from netc.graph.ir import Graph, op
from netc.runtime import snapshot
from netc.runtime.session import Session
from netc.table.columns.define import MISSING_INT
from netc.table.encoded import encoded
from netc.zoo.limited import open_model
from tests.node import NODE, WEB, node_modules
from tests.table.mixed import KINDS, Arrays, raw_rows
from tests.table.published import unseen_rows
from tests.zoo.programs import program, run_javascript, run_python

RAW = unseen_rows(1000)
DTYPES = {"tensor(string)": object, "tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}

SCRIPT = """\
import * as fs from 'node:fs';
const [name, folder] = process.argv.slice(2);
const ort = await import(name);
if (name === 'onnxruntime-web') ort.env.wasm.numThreads = 1;
const raw = JSON.parse(fs.readFileSync(`${folder}/raw.json`, 'utf8'));
const number = (x) => (x === null ? NaN : x === 'inf' ? Infinity : x === '-inf' ? -Infinity : x);
const tensor = ({ dtype, cells }) => {
  if (dtype === 'string') return new ort.Tensor(dtype, cells, [cells.length]);
  if (dtype === 'int64') return new ort.Tensor(dtype, BigInt64Array.from(cells.map(BigInt)), [cells.length]);
  return new ort.Tensor(dtype, (dtype === 'float64' ? Float64Array : Float32Array).from(cells.map(number)), [cells.length]);
};
const feeds = Object.fromEntries(Object.entries(raw).map(([key, column]) => [key, tensor(column)]));
const found = {};
for (const model of ['columns', 'model']) {
  const session = await ort.InferenceSession.create(new Uint8Array(fs.readFileSync(`${folder}/${model}.onnx`)));
  for (const [key, value] of Object.entries(await session.run(feeds))) found[key] = Array.from(value.data);
}
fs.writeFileSync(`${folder}/found.json`, JSON.stringify(found));
"""


def feeds(session: Any, raw: Mapping[str, np.ndarray]) -> Arrays:
    with np.errstate(over="ignore"):
        return {name: raw[name].astype(DTYPES[port.type]) for name, port in session.inputs.items()}


def trained(mixed: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the encoded rows, and their probabilities as training and testing compute them."""
    made = load(str(mixed.parents[2] / "mixed.yaml"))
    layer = table_of(made.test_net)
    assert layer is not None
    rows = encoded(columns_of(made.test_net, layer), RAW)
    lowered, _ = made.test
    prob = op.Softmax(lowered.versions["ip2"][-1], axis=1)
    session = Session(emit(Graph("test", {"prob": prob})))
    weights = {f"state/{name}": array for name, array in snapshot.read_weights(newest(mixed)).items()}
    given = {"batch/data": rows} | weights
    return rows, session.run({name: array for name, array in given.items() if name in session.inputs})["prob"]


def newest(mixed: Path) -> Path:
    """The weights of the published model: the constants of its graph."""
    model, path = onnx.load(mixed / "model.onnx"), mixed.parents[2] / "weights.safetensors"
    constants = {
        t.name.removeprefix("state/"): onnx.numpy_helper.to_array(t) for t in model.graph.initializer if t.name.startswith("state/")
    }
    path.write_bytes(snapshot.weights_bytes(constants, {}))
    return path


def test_raw_rows_equal_the_training_path(mixed: Path) -> None:
    rows, prob = trained(mixed)
    columns, model = Session(mixed / "columns.onnx"), Session(mixed / "model.onnx")
    np.testing.assert_array_equal(columns.run(feeds(columns, RAW))["batch/data"], rows)
    found = model.run(feeds(model, RAW))
    np.testing.assert_allclose(found["prob"], prob, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(found["class"], np.array(["no", "yes"])[prob.argmax(1)])
    assert set(found["class"]) == {"no", "yes"}


@pytest.mark.skipif(NODE is None, reason="no node here")
@pytest.mark.parametrize("package", ["onnxruntime-node", WEB])
def test_raw_rows_in_javascript(mixed: Path, tmp_path: Path, package: str) -> None:
    modules = node_modules(package)
    if isinstance(modules, str):
        pytest.skip(modules)
    assert NODE is not None
    columns, model = Session(mixed / "columns.onnx"), Session(mixed / "model.onnx")
    given = feeds(model, RAW)
    names = {"O": "string", "i": "int64"}
    (tmp_path / "raw.json").write_text(json.dumps({
        name: {"dtype": names.get(a.dtype.kind, a.dtype.name), "cells": [cell(x) for x in a.tolist()]} for name, a in given.items()
    }))  # fmt: skip
    for name in ("columns.onnx", "model.onnx"):
        (tmp_path / name).write_bytes((mixed / name).read_bytes())
    (tmp_path / "node_modules").symlink_to(modules)
    (tmp_path / "run.mjs").write_text(SCRIPT)
    done = subprocess.run([NODE, "run.mjs", package, str(tmp_path)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    rows = columns.run(feeds(columns, RAW))["batch/data"]
    np.testing.assert_array_equal(np.array(found["batch/data"], np.float32).reshape(rows.shape), rows)
    outputs = model.run(given)
    np.testing.assert_allclose(np.array(found["prob"]).reshape(-1, 2), outputs["prob"], rtol=0, atol=1e-6)
    assert found["class"] == outputs["class"].tolist()


def cell(value: Any) -> Any:
    """A raw value for JSON: whole numbers as texts, because JavaScript would round them."""
    if isinstance(value, float) and not np.isfinite(value):
        return None if np.isnan(value) else f"{value:g}".lstrip("+")
    return str(value) if isinstance(value, int) else value


def test_a_batch_of_one(mixed: Path) -> None:
    model = Session(mixed / "model.onnx")
    together = model.run(feeds(model, RAW))["prob"]
    alone = [model.run(feeds(model, {n: a[k : k + 1] for n, a in RAW.items()}))["prob"] for k in range(50)]
    np.testing.assert_allclose(np.concatenate(alone), together[:50], rtol=0, atol=1e-6)


def test_the_open_model_and_the_separate_process(mixed: Path) -> None:
    found = Session(mixed / "model.onnx")
    expected = found.run(feeds(found, RAW))
    opened = Session(mixed / "open.onnx")
    limited = open_model(mixed / "model.onnx")
    given = feeds(found, RAW)
    weights = {f"state/{name}": a for name, a in snapshot.read_weights(newest(mixed)).items()}
    for outputs in (opened.run(given | weights), limited.run(given)):
        np.testing.assert_allclose(outputs["prob"], expected["prob"], atol=1e-6)
        np.testing.assert_array_equal(outputs["class"].astype(str), expected["class"].astype(str))


def test_it_verifies(mixed: Path) -> None:
    assert zoo.verify(mixed, run=True) == []


def test_what_is_said_of_columns(mixed: Path) -> None:
    manifest = json.loads((mixed / "manifest.json").read_text())
    assert [(c["name"], c["type"]) for c in manifest["columns"]] == list(KINDS.items())
    assert [port["name"] for port in manifest["inputs"]] == list(KINDS)
    by_name = {c["name"]: c for c in manifest["columns"]}
    assert by_name["sex"]["values"] in ("male, female", "female, male") and not by_name["sex"]["gaps"]
    assert by_name["age"]["gaps"] and by_name["number"]["dtype"] == "float64" and by_name["when"]["dtype"] == "int64"
    assert (manifest["task"], manifest["labels"]) == ("classes", ["bought"])
    assert sorted(manifest["thresholds"]) == ["balanced", "f1"] and all(0 < t < 1 for t in manifest["thresholds"].values())
    files = {file["name"]: file["role"] for file in manifest["files"]}
    assert files["columns.onnx"] == "columns"
    said = json.loads(Session(mixed / "model.onnx").ort.get_modelmeta().custom_metadata_map["netc"])
    assert said["columns"] == manifest["columns"] and said["thresholds"] == manifest["thresholds"]
    (data, label) = json.loads((mixed / "train.json").read_text())["batch"]
    assert data["model"] == "columns.onnx" and data["columns"] == list(KINDS) and label["classes"] == ["no", "yes"]


def test_the_step_is_fed_from_raw_rows(mixed: Path) -> None:
    columns = Session(mixed / "columns.onnx")
    (name, row) = next(iter(columns.run(feeds(columns, raw_rows(32))).items()))
    train = {i.name: i for i in onnx.load(mixed / "train.onnx").graph.input}
    assert tuple(d.dim_value for d in train[name].type.tensor_type.shape.dim) == row.shape


def test_the_programs_of_the_card(mixed: Path, tmp_path: Path) -> None:
    card = (mixed / "README.md").read_text()
    assert "## Columns" in card and "| sex | category |" in card
    printed = run_python(mixed)
    assert printed.startswith("prob [[") and "\nclass ['" in printed
    script = program(mixed, "csharp")
    assert 'new DenseTensor<string>(new string[] { "' in script and "DenseTensor<long>(new long[] {" in script
    if NODE is not None and (said := run_javascript(mixed, tmp_path)) is not None:
        assert "prob Float32Array(2) [" in said and "class [ '" in said


def test_the_classes_of_rows_with_gaps_everywhere(mixed: Path) -> None:
    model = Session(mixed / "model.onnx")
    gaps = {"O": "", "i": MISSING_INT, "f": np.nan}
    outputs = model.run(feeds(model, {name: np.array([gaps[a.dtype.kind]], a.dtype) for name, a in RAW.items()}))
    assert np.isfinite(outputs["prob"]).all() and outputs["class"][0] in ("no", "yes")
