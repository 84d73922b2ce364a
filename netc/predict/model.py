"""`netc predict` and `netc.Model`: run a published model on images, arrays, tables, texts or trees."""

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
    """A model.onnx with its labels. `name_or_path` is a file, a folder, or `name[@version]` in a zoo.

    `source` is the path or address of the zoo. If `key` (a public key or a file with keys) or NETC_ZOO_KEY is set, one of these keys must
    have signed the model. A published model runs in a separate process with limits of time and memory.
    """

    def __init__(self, name_or_path: str | Path, source: str | None = None, key: str | None = None):
        self.path = _find(str(name_or_path), source, key)
        self.left_out = data.LeftOut()

    @cached_property
    def session(self) -> Session | LimitedSession:
        try:
            return open_model(self.path)
        except RunError as e:
            raise DataError(f"{self.path}: cannot be run: {e}") from e

    @cached_property
    def labels(self) -> list[str]:
        """The names of the classes; [] if there are none."""
        file = self.path.parent / "labels.txt"
        return read_labels(file) if file.exists() else list(self.metadata.get("classes", []))

    def _check_labels(self, scores: np.ndarray) -> None:
        """DataError if the number of labels does not match the scores. For scores per pixel, the classes are on a different axis."""
        file = self.path.parent / "labels.txt"
        if scores.ndim == 1 and file.exists() and len(self.labels) != len(scores):
            raise DataError(
                Diagnostic(
                    Place(str(file)), f"has {len(self.labels)} lines; expected one for each of the {len(scores)} scores of the model"
                )
            )

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """The metadata that netc wrote into the model; {} if netc did not make the model."""
        values = metadata.read(self.session.ort.get_modelmeta().custom_metadata_map.get("netc", "{}"), str(self.path))
        metadata.check_ports(self.session.inputs, self.session.outputs, values, str(self.path))
        return values

    @property
    def vocabulary(self) -> Vocabulary | None:
        """The vocabulary of the integers that the model reads; None if it has none."""
        words = self.metadata.get("vocabulary")
        return Vocabulary(tuple(words)) if words else None

    @property
    def takes_trees(self) -> bool:
        """Whether the inputs are those of TreeData."""
        return [s["type"] for s in self.metadata.get("sources", [])] == ["TreeData"]

    @property
    def batch_axis(self) -> int:
        """The batch axis of the first input: 1 if the first axis is time."""
        return int(self.metadata.get("batch_axis") or 0)

    @property
    def carries(self) -> list[str]:
        """The inputs that carry state from run to run. Their outputs have the same names, with `next/` instead of `state/`."""
        return [name for name in self.session.inputs if name in STATE]

    @property
    def input(self) -> str:
        """The name of the first input."""
        name: str = next(iter(self.session.inputs))
        return name

    @property
    def input_shape(self) -> tuple[int | str, ...]:
        return tuple(self.session.inputs[self.input].shape)

    def __call__(self, inputs: np.ndarray | Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run a batch: an array for the first input, or arrays by name. Returns the outputs. DataError if a shape does not fit.

        If the first axis is time, sequences run through all time steps unless an input changes that, and start with a zero state.
        """
        given = dict(inputs) if isinstance(inputs, Mapping) else {self.input: inputs}
        first, wanted = given[self.input], self.input_shape
        if first.ndim != len(wanted) or any(isinstance(w, int) and w != n for w, n in zip(wanted, first.shape, strict=False)):
            raise DataError(f"the model expects an input of {'x'.join(map(str, wanted))}; got {'x'.join(map(str, first.shape))}")
        for name, port in self.session.inputs.items():
            if name in STATE:
                given.setdefault(name, np.zeros((first.shape[self.batch_axis], *port.shape[1:]), np.float32))
            elif self.batch_axis == 1 and name != self.input:
                given.setdefault(name, data.continues(np.full(first.shape[1], first.shape[0]), first.shape[0]).T)
        types = {"tensor(int64)": np.int64}
        return self.session.run({n: np.ascontiguousarray(a, types.get(self.session.inputs[n].type, np.float32)) for n, a in given.items()})

    def predict(self, paths: Sequence[str], top: int = 5) -> list[Prediction]:
        """Predict for image files, folders, each row of .npy files (a sequence is steps x ...), and each row of .csv tables by the names
        of their columns. Models for texts or trees take these too. DataError lists all inputs that cannot be read.

        Trees are given in brackets, or in files that contain them.
        """
        results = list(self.predict_each(paths, top))
        errors = [diagnostic for error in results if isinstance(error, DataError) for diagnostic in error.diagnostics]
        if errors:
            raise DataError(*errors)
        return [p for p in results if isinstance(p, Prediction)]

    def predict_each(self, paths: Sequence[str], top: int = 5) -> Iterator[Prediction | DataError]:
        """Yield the predictions one by one, with an error for each file that cannot be read."""
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
        """The files in a folder and its subfolders that the model can read, sorted."""
        kinds = data.IMAGES if self._takes_images else ((*data.TABLES, ".npy") if self._columns else (".npy",))
        shown = (f for f in sorted(folder.rglob("*")) if not any(part.startswith(".") for part in f.relative_to(folder).parts))
        files = [str(f) for f in shown if f.suffix.lower() in kinds and f.is_file()]
        if not files:
            raise DataError(f"{folder}: the folder has no files for this model (looked for {' '.join(kinds)})")
        return files

    @property
    def _row_shape(self) -> tuple[int | str, ...]:
        return self.input_shape[: self.batch_axis] + self.input_shape[self.batch_axis + 1 :]

    @property
    def _takes_images(self) -> bool:
        return not self.batch_axis and len(self._row_shape) == 3 and self._row_shape[0] in (1, 3)

    @property
    def _columns(self) -> tuple[str, ...]:
        """The columns of a table that the model reads, in order; empty if it does not read tables."""
        columns = tuple(self.metadata.get("columns", ()))
        return columns if not self.batch_axis and self._row_shape == (len(columns),) else ()

    def _rows(self, path: str) -> list[tuple[str, np.ndarray]]:
        if self.vocabulary:
            return [(path, data.encode(data.split(path, self.metadata["tokens"]), self.vocabulary, "text"))]
        if not Path(path).is_file():
            raise DataError(f"{path}: There is no such file.")
        suffix, name = Path(path).suffix.lower(), printable(path)
        if suffix in data.TABLES and self._columns:
            rows = data.read_columns(Path(path), self._columns, self.metadata.get("label", ""), self.metadata.get("classes", ()))
            return [(f"{name}[{k}]", row) for k, row in enumerate(rows)]
        if suffix != ".npy":
            if not self._takes_images:
                kinds = ".npy or .csv" if self._columns else ".npy"
                raise DataError(f"{name}: The model takes arrays of {'x'.join(map(str, self.input_shape))}, not images. Use {kinds}.")
            return [(name, self._image(path, tuple(map(int, self._row_shape))))]
        array, shape = data.read_npy(Path(path)), self._row_shape
        if array.dtype.kind not in "fiub":
            raise DataError(f"{name}: is an array of {array.dtype}; expected real numbers")
        if len(shape) == 3 and shape[0] == 1 and array.shape[-2:] == shape[1:] and array.ndim < 4 and array.shape != shape:
            array = array[..., None, :, :]  # images without an axis for their one channel
        rows = array[None] if array.ndim == len(shape) else array
        if not rows.size:
            raise DataError(f"{name}: is an empty array of shape {'x'.join(map(str, array.shape))}")
        if self.metadata.get("channels_last") and rows.shape[1:] == (*shape[1:], shape[0]):
            rows = data.channels_first(rows)
        return [(f"{name}[{k}]", row) for k, row in enumerate(rows)]

    def _image(self, path: str, shape: tuple[int, ...]) -> np.ndarray:
        """Read an image with the preprocessing of the test phase: resized, with a centre crop if the net uses crops."""
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
        """Predict for every node of a tree. The root is at the top of the drawing, and in the last row of the outputs."""
        tops, vocabulary = self.metadata["sources"][0]["tops"], self.vocabulary or Vocabulary(())
        levels = int(self.session.inputs[tops[2]].shape[0])
        if tree.height > levels:
            raise DataError(f"{name}: the tree has height {tree.height}; the model takes trees up to height {levels}")
        batch = Forest((tree,), vocabulary, levels).batch(np.zeros(1, np.int64))
        outputs = self(dict(zip(tops, batch, strict=False)))
        best = [self._best(row, top) for row in next(iter(outputs.values()))]
        words = [w if known else f"{w} (unknown)" for w, known in zip(tree.words, batch[0], strict=True)]
        texts = [", ".join(f"{label} {score:.2f}" for label, score in b[:1]) for b in best]
        return TreePrediction(name, outputs, best[-1], "\n".join(drawn(texts, words, batch[1].tolist())))

    def _outputs(self, row: np.ndarray) -> dict[str, np.ndarray]:
        """The outputs for one row, without batch axes. Sequences are padded if the model has a fixed number of time steps."""
        if not self.batch_axis:
            return {n: v[0] for n, v in self(row[None]).items()}
        steps, length = self.input_shape[0], len(row)
        if isinstance(steps, int):
            if not 1 <= length <= steps:
                raise DataError(f"the sequence has {length} steps; the model takes 1 to {steps}")
            row = np.pad(row, [(0, steps - length), *[(0, 0)] * (row.ndim - 1)])
        fed = {self.input: row[:, None]}
        if isinstance(steps, int):
            marks = [n for n in self.session.inputs if n != self.input and n not in self.carries]
            fed |= {n: data.continues(np.array([length]), steps).T for n in marks}
        ports = {o.name: list(o.shape) for o in self.session.ort.get_outputs()}
        outputs = {n: v for n, v in self(fed).items() if n not in NEXT}
        return {n: v.take(0, ports[n].index("N") if "N" in ports[n] else 0) for n, v in outputs.items()}


def read_labels(file: Path) -> list[str]:
    """Read class names from a UTF-8 file, one per line. DataError if it cannot be read."""
    try:
        return read_text(file, "utf-8-sig").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as e:
        raise DataError(f"Cannot read {file} as names of classes in UTF-8: {e}") from e


def printable(path: str) -> str:
    """Replace bytes of a path that are not UTF-8, so that it can be printed."""
    return path.encode(errors="surrogateescape").decode(errors="replace")


def _find(name: str, source: str | None, key: str | None) -> Path:
    """The path of model.onnx, from a file, a folder or a zoo. Models of remote zoos are downloaded into the cache."""
    path, keys = Path(name), zoo.trusted_keys(key)
    if path.is_file() or (path / "model.onnx").is_file():
        file = path if path.is_file() else path / "model.onnx"
        if keys and (file.parent / MANIFEST).exists():
            zoo.checked_folder(file.parent, keys)
        elif key:
            raise ZooError(f"{file}: is not a published model, but a signature is required")
        return file
    location = source or zoo.default_location()
    if path.suffix == ".onnx":
        raise DataError(f"{path}: There is no such file.")
    if path.is_dir() and (path.parent != Path(".") or not zoo.holds(location, name)):  # a folder of data may have the name of a model
        raise DataError(f"{path}: the folder has no model.onnx")
    folder = zoo.model_folder(name, location, keys)
    if not (folder / "model.onnx").exists():
        raise ZooError(f"{folder}: the model has no model.onnx")
    return folder / "model.onnx"
