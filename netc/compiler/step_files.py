"""Writes the step contract as files: models, start values, and train.json, with which a loop in any language can train."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from netc import data
from netc.compiler.metadata import stated_start
from netc.compiler.preparation import TOKENIZER, batch_facts, kept_words
from netc.compiler.program import FORMAT, Program
from netc.compiler.raw_columns import columns_model
from netc.errors import RunError
from netc.files import replace_file
from netc.graph.ir import Graph
from netc.graph.training_ops.define import DEFAULT
from netc.runtime import chain, snapshot
from netc.runtime.backends import PORTABLE

Contents = dict[str, bytes]
START, VOCABULARY, COLUMNS = "start.safetensors", "vocabulary.txt", "columns.onnx"


def write(made: Program, folder: str | Path, inline: bool = False) -> list[Path]:
    """Write the step contract into `folder`: train, gradient, update, test, model (untrained), open, and start.safetensors.

    Each stage of pretraining has its own model: pretrain1.onnx, ... A second test net is test1.onnx. A net with Python layers becomes
    several models and a .json file, see `chain.files`. With `inline`, models have no functions, and no loops of a known length.
    """
    folder, contents = Path(folder), dict[str, bytes]()
    for number, stage in enumerate(made.stages[:-1], 1):
        contents |= training_files(stage, f"pretrain{number}", inline=inline)
    contents |= training_files(made, inline=inline)
    for kind in ("gradient", "update", *(f"test{k or ''}" for k in range(len(made.tests)))):
        contents |= model_files(made, kind, inline)
    start = _start(made)
    for kind, states in (("model", start), ("open", None)):
        graph, said = made.deploy_graph(states)
        contents |= _files(kind, graph, PORTABLE.bodies, said, inline)
    contents[START] = start_bytes(made, start)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            replace_file(folder / name, content)
    except OSError as e:
        raise RunError(f"Cannot write {folder}: {e.strerror or e}") from e
    return [folder / name for name in contents]


def model_files(made: Program, kind: str, inline: bool = False) -> Contents:
    """Return the file of model `kind`, with its metadata."""
    graph = made.graph(kind)
    return _files(kind, graph, made.backend.bodies, made.metadata(kind, graph, made.backend), inline)


def training_files(made: Program, name: str = "train", inline: bool = False) -> Contents:
    """Return train.onnx under the name `name`, its metadata as JSON, and the files that the metadata names.

    The JSON file is for runtimes that cannot read the metadata of a model. It also describes how the inputs are prepared. The other files
    are mean images, the vocabulary, and columns.onnx, which makes an input from raw rows of a table.
    """
    graph, words = made.graph("train"), made.vocabulary
    facts, means = batch_facts(made.train_net, made.job.base, VOCABULARY if kept_words(words) else words)
    said = made.metadata("train", graph, made.backend)
    columns = columns_model(made.test_net, {"format": FORMAT, "kind": "columns", "net": made.job.name, "net_sha256": made.job.sha256})
    made_by = {} if columns is None else {output.name: {"model": COLUMNS} for output in columns.graph.output}
    said["batch"] = [tensor | facts.get(tensor["name"], {}) | made_by.get(tensor["name"], {}) for tensor in said["batch"]]
    text = json.dumps(said, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    found = {f"{name}.json": text.encode()} | _files(name, graph, made.backend.bodies, said, inline)
    found |= {file: _npy(array) for file, array in means.items()}
    found |= {} if columns is None else {COLUMNS: columns.SerializeToString(deterministic=True)}
    return found | ({VOCABULARY: lines(words)} if kept_words(words) else {}) | tokenizer_file(made)


def tokenizer_file(made: Program) -> Contents:
    """Return the file of the tokenizer that splits the texts, if there is one."""
    found = (layer.source.tokenizer for layer in made.train_net.sources if layer.source)
    return next(({TOKENIZER: text.encode()} for text in found if text), {})


def _files(name: str, graph: Graph, bodies: str, said: Mapping[str, Any], inline: bool) -> Contents:
    """Return the model of a graph. Inline models use the default bodies, which have no subgraphs."""
    return chain.files(name, graph, DEFAULT if inline else bodies, said, not inline)


def start_bytes(made: Program, states: Mapping[str, np.ndarray]) -> bytes:
    """Return start.safetensors: the states whose start values are not in the metadata.

    A carried state is stored as bytes if bytes represent it exactly.
    """
    nodes = {name: node for stage in made.stages for name, node in stage.states.items()}
    kept = {n: a for n, a in states.items() if stated_start(nodes[n].state) is None}
    packed = {n: _packed(a) if nodes[n].state.kind == "carry" else a for n, a in kept.items()}
    return snapshot.weights_bytes(packed, data.rows_said(made.train_net.learned))


def lines(words: tuple[str, ...]) -> bytes:
    """Return the bytes of a file with one word per line."""
    return "".join(f"{word}\n" for word in words).encode()


def _start(made: Program) -> dict[str, np.ndarray]:
    """Return the start values of all states of all stages."""
    return {name: array for stage in made.stages for name, array in stage.start().items()}


def _packed(array: np.ndarray) -> np.ndarray:
    whole = array.clip(0, 255).astype(np.uint8)
    return whole if np.array_equal(whole, array) else array


def _npy(array: np.ndarray) -> bytes:
    buffer: Any = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
    found: bytes = buffer.getvalue()
    return found
