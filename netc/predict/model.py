"""`netc predict`, and `netc.Model`: a published model on images, arrays, texts or trees."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from netc import data, zoo
from netc.data.brackets import Tree
from netc.data.sources.trees import Forest
from netc.data.vocabulary import Vocabulary
from netc.errors import DataError, Diagnostic, Place, RunError, ZooError
from netc.files import read_text
from netc.graph.contract import NEXT, STATE
from netc.predict.results import Prediction, TreePrediction
from netc.predict.trees import drawn, trees_of
from netc.runtime.session import Session
from netc.terminal import line
from netc.zoo import metadata
from netc.zoo.limited import LimitedSession, open_model
from netc.zoo.names import MANIFEST


class Model:
    """A model.onnx with its labels. `name_or_path`: a file, a folder, or `name[@version]` in a zoo (a path or address).

    A published model must be signed by `key`, a public key or a file of them, or of NETC_ZOO_KEY, where either says so. It runs in a
    process of its own, with limits of time and memory.
    """

    def __init__(self, name_or_path: str | Path, source: str | None = None, key: str | None = None):
        self.path = _find(str(name_or_path), source, key)
        self.left_out = data.LeftOut()

    @cached_property
    def session(self) -> Session | LimitedSession:
        try:
            return open_model(self.path)
        except RunError as e:
            raise DataError(f"{self.path}: no model that runs: {e}") from e

    @cached_property
    def labels(self) -> list[str]:
        """Names of the classes, empty where there are none."""
        file = self.path.parent / "labels.txt"
        return read_labels(file) if file.exists() else list(self.metadata.get("classes", []))

    def _check_labels(self, scores: np.ndarray) -> None:
        """DataError if the file of labels is another net's. Scores of places in an image have labels along another axis."""
        file = self.path.parent / "labels.txt"
        if scores.ndim == 1 and file.exists() and len(self.labels) != len(scores):
            raise DataError(
                Diagnostic(Place(str(file)), f"{len(self.labels)} lines; a line for each of the model's {len(scores)} scores is needed")
            )

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """What netc wrote into the model; nothing if it was not netc that made it."""
        found = metadata.read(self.session.ort.get_modelmeta().custom_metadata_map.get("netc", "{}"), str(self.path))
        metadata.check_ports(self.session.inputs, self.session.outputs, found, str(self.path))
        return found

    @property
    def vocabulary(self) -> Vocabulary | None:
        """The words behind the integers that it takes; None if it takes none."""
        words = self.metadata.get("vocabulary")
        return Vocabulary(tuple(words)) if words else None

    @property
    def takes_trees(self) -> bool:
        """Whether its inputs are those of TreeData."""
        return [s["type"] for s in self.metadata.get("sources", [])] == ["TreeData"]

    @property
    def batch_axis(self) -> int:
        """The axis of its first input that is the batch: 1 where time comes first."""
        return int(self.metadata.get("batch_axis") or 0)

    @property
    def carries(self) -> list[str]:
        """The inputs that a run leaves to the next one, whose outputs are called the same with `next/` for `state/`."""
        return [name for name in self.session.inputs if name in STATE]

    @property
    def input(self) -> str:
        """The name of its first input."""
        return str(next(iter(self.session.inputs)))

    @property
    def input_shape(self) -> tuple[int | str, ...]:
        return tuple(self.session.inputs[self.input].shape)

    def __call__(self, inputs: np.ndarray | Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Its outputs for a batch, an array for its first input or arrays by name. DataError if the shape does not fit.

        Where time comes first, a sequence runs through all times unless an input says otherwise, and nothing is carried in.
        """
        given = dict(inputs) if isinstance(inputs, Mapping) else {self.input: inputs}
        first, wanted = given[self.input], self.input_shape
        if first.ndim != len(wanted) or any(isinstance(w, int) and w != n for w, n in zip(wanted, first.shape, strict=False)):
            raise DataError(f"the model takes {'x'.join(map(str, wanted))}, {'x'.join(map(str, first.shape))} came")
        for name, port in self.session.inputs.items():
            if name in STATE:
                given.setdefault(name, np.zeros((first.shape[self.batch_axis], *port.shape[1:]), np.float32))
            elif self.batch_axis == 1 and name != self.input:
                given.setdefault(name, data.continues(np.full(first.shape[1], first.shape[0]), first.shape[0]).T)
        types = {"tensor(int64)": np.int64}
        return self.session.run({n: np.ascontiguousarray(a, types.get(self.session.inputs[n].type, np.float32)) for n, a in given.items()})

    def predict(self, paths: Sequence[str], top: int = 5) -> list[Prediction]:
        """Predictions for image files, folders of them, each row of .npy files (a sequence is steps x ...) and of .csv tables by the
        names of their columns, and for texts or trees if it takes such. DataError names all that could not be read.

        Trees stand in brackets, or in files of them.
        """
        found = list(self.predict_each(paths, top))
        errors = [diagnostic for error in found if isinstance(error, DataError) for diagnostic in error.diagnostics]
        if errors:
            raise DataError(*errors)
        return [p for p in found if isinstance(p, Prediction)]

    def predict_each(self, paths: Sequence[str], top: int = 5) -> Iterator[Prediction | DataError]:
        """What `predict` gives, one after the other, with an error in place of each file that cannot be read."""
        for path in paths:
            try:
                files = [path] if self.takes_trees or self.vocabulary or not Path(path).is_dir() else self._files(Path(path))
            except DataError as e:
                yield e
                continue
            for file in files:
                try:
                    yield from self._predicted(file, top)
                except DataError as e:
                    yield e

    def _predicted(self, path: str, top: int) -> list[Prediction]:
        if self.takes_trees:
            return [self._tree(name, tree, top) for name, tree in trees_of(path)]
        return [self._one(name, row, top) for name, row in self._rows(path)]

    def _files(self, folder: Path) -> list[str]:
        """The files of a folder, and of those in it, that the model can read, in sorted order."""
        kinds = data.IMAGES if self._takes_images else ((*data.TABLES, ".npy") if self._columns else (".npy",))
        shown = (f for f in sorted(folder.rglob("*")) if not any(part.startswith(".") for part in f.relative_to(folder).parts))
        files = [str(f) for f in shown if f.suffix.lower() in kinds and f.is_file()]
        if not files:
            raise DataError(f"{folder}: there is nothing in this folder that the model reads (looked for {' '.join(kinds)})")
        return files

    @property
    def _row_shape(self) -> tuple[int | str, ...]:
        return self.input_shape[: self.batch_axis] + self.input_shape[self.batch_axis + 1 :]

    @property
    def _takes_images(self) -> bool:
        return not self.batch_axis and len(self._row_shape) == 3 and self._row_shape[0] in (1, 3)

    @property
    def _columns(self) -> tuple[str, ...]:
        """The columns of a table that make a row, in their order; empty if it reads no tables."""
        columns = tuple(self.metadata.get("columns", ()))
        return columns if not self.batch_axis and self._row_shape == (len(columns),) else ()

    def _rows(self, path: str) -> list[tuple[str, np.ndarray]]:
        if self.vocabulary:
            return [(path, data.encode(data.split(path, self.metadata["tokens"]), self.vocabulary, "text"))]
        if not Path(path).is_file():
            raise DataError(f"{path}: there is no such file")
        suffix, name = Path(path).suffix.lower(), printable(path)
        if suffix in data.TABLES and self._columns:
            rows = data.read_columns(Path(path), self._columns, self.metadata.get("label", ""), self.metadata.get("classes", ()))
            return [(f"{name}[{k}]", row) for k, row in enumerate(rows)]
        if suffix != ".npy":
            if not self._takes_images:
                kinds = ".npy or .csv" if self._columns else ".npy"
                raise DataError(f"{name}: the model takes {'x'.join(map(str, self.input_shape))}, no images; give {kinds}")
            return [(name, self._image(path, tuple(map(int, self._row_shape))))]
        array, shape = data.read_npy(Path(path)), self._row_shape
        if array.dtype.kind not in "fiub":
            raise DataError(f"{name}: an array of {array.dtype}; expected real numbers")
        rows = array[None] if array.ndim == len(shape) else array
        if not rows.size:
            raise DataError(f"{name}: an array of {'x'.join(map(str, array.shape))}, in which there is nothing")
        if self.metadata.get("channels_last") and rows.shape[1:] == (*shape[1:], shape[0]):
            rows = data.channels_first(rows)
        return [(f"{name}[{k}]", row) for k, row in enumerate(rows)]

    def _image(self, path: str, shape: tuple[int, ...]) -> np.ndarray:
        """An image file as the net's tests see it: resized, and the middle cut out where the net was made to."""
        channels, height, width = shape
        larger, wider = self.metadata.get("resize", (height, width))
        top, left = (larger - height) // 2, (wider - width) // 2
        return data.read_image(Path(path), channels, larger, wider, left_out=self.left_out)[:, top : top + height, left : left + width]

    def _one(self, name: str, row: np.ndarray, top: int) -> Prediction:
        outputs = self._outputs(row)
        several = len(outputs) > 1 and not self.labels
        best = () if several else self._best(next(iter(outputs.values())), top)
        return Prediction(name, outputs, best, labels=tuple(self.labels) if best else ())

    def _best(self, scores: np.ndarray, top: int) -> tuple[tuple[str, float], ...]:
        self._check_labels(scores)
        if scores.ndim != 1 or len(scores) < 2 or (self.labels and len(self.labels) != len(scores)):
            return ()
        order = np.argsort(-scores, kind="stable")[:top]
        return tuple((line(self.labels[i]) if self.labels else str(i), float(scores[i])) for i in order)

    def _tree(self, name: str, tree: Tree, top: int) -> Prediction:
        """A prediction for every node of a tree; the root's is the first in the drawing, and the last row."""
        tops, vocabulary = self.metadata["sources"][0]["tops"], self.vocabulary or Vocabulary(())
        levels = int(self.session.inputs[tops[2]].shape[0])
        if tree.height > levels:
            raise DataError(f"{name}: a tree of height {tree.height}; the model takes trees up to height {levels}")
        batch = Forest((tree,), vocabulary, levels).batch(np.zeros(1, np.int64))
        outputs = self(dict(zip(tops, batch, strict=False)))
        best = [self._best(row, top) for row in next(iter(outputs.values()))]
        words = [w if known else f"{w} (unknown)" for w, known in zip(tree.words, batch[0], strict=True)]
        said = [", ".join(f"{label} {score:.2f}" for label, score in b[:1]) for b in best]
        return TreePrediction(name, outputs, best[-1], "\n".join(drawn(said, words, batch[1].tolist())))

    def _outputs(self, row: np.ndarray) -> dict[str, np.ndarray]:
        """The outputs for one row, without their batch axes. A sequence is padded where the model has a fixed number of times."""
        if not self.batch_axis:
            return {n: v[0] for n, v in self(row[None]).items()}
        steps, length = self.input_shape[0], len(row)
        if isinstance(steps, int):
            if not 1 <= length <= steps:
                raise DataError(f"a sequence of {length} steps; the model takes 1 to {steps}")
            row = np.pad(row, [(0, steps - length), *[(0, 0)] * (row.ndim - 1)])
        fed = {self.input: row[:, None]}
        if isinstance(steps, int):
            marks = [n for n in self.session.inputs if n != self.input and n not in self.carries]
            fed |= {n: data.continues(np.array([length]), steps).T for n in marks}
        ports = {o.name: list(o.shape) for o in self.session.ort.get_outputs()}
        found = {n: v for n, v in self(fed).items() if n not in NEXT}
        return {n: v.take(0, ports[n].index("N") if "N" in ports[n] else 0) for n, v in found.items()}


def read_labels(file: Path) -> list[str]:
    """The names of classes in a file in UTF-8, a line each: text, whatever it looks like. DataError if it cannot be read."""
    try:
        return read_text(file, "utf-8-sig").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as e:
        raise DataError(f"Cannot read {file} as names of classes in UTF-8: {e}") from e


def printable(path: str) -> str:
    """A path whose bytes that are no UTF-8 are replaced, so that it can be printed and written."""
    return path.encode(errors="surrogateescape").decode(errors="replace")


def _find(name: str, source: str | None, key: str | None) -> Path:
    """model.onnx of a file, a folder or a zoo's model, which is downloaded into the cache if the zoo is remote."""
    path, keys = Path(name), zoo.trusted_keys(key)
    if path.is_file() or (path / "model.onnx").is_file():
        found = path if path.is_file() else path / "model.onnx"
        if keys and (found.parent / MANIFEST).exists():
            zoo.checked_folder(found.parent, keys)
        elif key:
            raise ZooError(f"{found}: is no published model, and only one that is signed was asked for")
        return found
    location = source or zoo.default_location()
    if path.suffix == ".onnx":
        raise DataError(f"{path}: there is no such file")
    if path.is_dir() and (path.parent != Path(".") or not zoo.holds(location, name)):  # a folder of data may be called as the model
        raise DataError(f"{path}: there is no model.onnx in this folder")
    folder = zoo.model_folder(name, location, keys)
    if not (folder / "model.onnx").exists():
        raise ZooError(f"{folder}: holds no model.onnx")
    return folder / "model.onnx"
