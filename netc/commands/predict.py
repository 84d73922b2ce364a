"""`netc predict`, and `netc.Model`: a published model on images or arrays."""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from netc import data, zoo
from netc.errors import DataError, RunError, ZooError
from netc.files import cache_folder, replace_file
from netc.session import Session


@dataclass(frozen=True)
class Prediction:
    """What a model makes of one input: its outputs, and the likeliest classes with their scores, best first."""

    source: str
    outputs: dict[str, np.ndarray]
    best: tuple[tuple[str, float], ...]


class Model:
    """A model.onnx with its labels. `name_or_path`: a file, a folder, or `name[@version]` in a zoo (a path or address)."""

    def __init__(self, name_or_path: str | Path, source: str | None = None):
        self.path = _find(str(name_or_path), source)

    @cached_property
    def session(self) -> Session:
        try:
            return Session(self.path)
        except RunError as e:
            raise DataError(f"{self.path}: no model that runs: {e}") from e

    @cached_property
    def labels(self) -> list[str]:
        """Names of the classes, empty where there are none."""
        file = self.path.parent / "labels.txt"
        if file.exists():
            return file.read_text().splitlines()
        said = self.session.ort.get_modelmeta().custom_metadata_map.get("netc")
        return list(json.loads(said).get("classes", [])) if said else []

    @property
    def input(self) -> str:
        """The name of its first input."""
        return next(iter(self.session.inputs))

    @property
    def input_shape(self) -> tuple[int | str, ...]:
        return tuple(self.session.inputs[self.input].shape)

    def __call__(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Its outputs for a batch. DataError if the shape does not fit."""
        wanted = self.input_shape
        if inputs.ndim != len(wanted) or any(isinstance(w, int) and w != n for w, n in zip(wanted, inputs.shape, strict=False)):
            raise DataError(f"the model takes {'x'.join(map(str, wanted))}, {'x'.join(map(str, inputs.shape))} came")
        return self.session.run({self.input: np.ascontiguousarray(inputs, np.float32)})

    def predict(self, paths: Sequence[str], top: int = 5) -> list[Prediction]:
        """Predictions for image files, and for each row of .npy files."""
        return [self._one(name, row, top) for path in paths for name, row in self._rows(path)]

    def _rows(self, path: str) -> list[tuple[str, np.ndarray]]:
        shape = self.input_shape[1:]
        if not Path(path).is_file():
            raise DataError(f"{path}: there is no such file")
        if Path(path).suffix != ".npy":
            if len(shape) != 3 or shape[0] not in (1, 3):
                raise DataError(f"{path}: the model takes {'x'.join(map(str, self.input_shape))}, no images; give .npy")
            return [(path, data.read_image(Path(path), int(shape[0]), int(shape[1]), int(shape[2])))]
        try:
            array = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as e:
            raise DataError(f"{path}: cannot be read as .npy: {e}") from e
        rows = array[None] if array.ndim == len(shape) else array
        return [(f"{path}[{k}]", row) for k, row in enumerate(rows)]

    def _one(self, name: str, row: np.ndarray, top: int) -> Prediction:
        outputs = {n: v[0] for n, v in self(row[None]).items()}
        first = next(iter(outputs.values()))
        if first.ndim != 1 or (len(outputs) > 1 and not self.labels) or (self.labels and len(self.labels) != len(first)):
            return Prediction(name, outputs, ())
        order = np.argsort(-first, kind="stable")[:top]
        return Prediction(name, outputs, tuple((self.labels[i] if self.labels else str(i), float(first[i])) for i in order))


def save(predictions: Sequence[Prediction], path: str) -> None:
    """The outputs of all inputs as an .npz file: an array an output, a row an input. RunError if it cannot be written."""
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {n: np.stack([p.outputs[n] for p in predictions]) for n in predictions[0].outputs}
    np.savez(buffer, **arrays)
    try:
        replace_file(Path(path), buffer.getvalue())
    except OSError as e:
        raise RunError(f"{path}: cannot be written: {e.strerror or e}") from e


def _find(name: str, source: str | None) -> Path:
    """model.onnx of a file, a folder or a zoo's model, which is downloaded into the cache if the zoo is remote."""
    path = Path(name)
    if path.is_file():
        return path
    if (path / "model.onnx").is_file():
        return path / "model.onnx"
    if path.suffix == ".onnx" or path.is_dir():
        raise DataError(f"{path}: " + ("there is no model.onnx in this folder" if path.is_dir() else "there is no such file"))
    location = source or zoo.default_location()
    if "://" not in str(location):
        entry = zoo.show(location, name)
        return Path(location) / entry["name"] / entry["version"] / "model.onnx"
    found = zoo.download(name, str(location), cache_folder() / "models")
    if not (found.path / "model.onnx").exists():
        raise ZooError(f"{found.path}: holds no model.onnx")
    return found.path / "model.onnx"
