"""`netc predict` and `netc.Model`: run a published model on images, arrays, tables, texts or trees."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np

from netc import data
from netc.data.brackets import Tree
from netc.data.series_facts import SeriesFacts
from netc.data.sources.trees import Forest
from netc.data.vocabulary import Vocabulary
from netc.errors import DataError, Diagnostic, Place, RunError
from netc.graph.contract import NEXT, STATE
from netc.predict.batches import Blocks
from netc.predict.boxes import detects, found_boxes
from netc.predict.find import find_model
from netc.predict.labels import read_labels
from netc.predict.raw.classes import Decision, Ranking, decision
from netc.predict.raw.columns import InputColumn, columns_of, takes_raw_columns
from netc.predict.raw.rows import cells_of, opened, pieces
from netc.predict.raw.series import facts_of, forecasts
from netc.predict.raw.values import Given, raw_values
from netc.predict.readable import readable
from netc.predict.results import Prediction, TreePrediction
from netc.predict.rows import Reading, Row, sizes
from netc.predict.trees import drawn, trees_of
from netc.runtime.session import Session
from netc.table.reading import ReadingOptions
from netc.zoo import metadata
from netc.zoo.limited import LimitedSession, open_model


class Model:
    """A model.onnx with its labels. `name_or_path` is a file, a folder, or `name[@version]` in a zoo.

    `source` is the path or address of the zoo. If `key` (a public key or a file with keys) or NETC_ZOO_KEY is set, one of these keys must
    have signed the model. A published model runs in a separate process with limits of time and memory.
    """

    def __init__(self, name_or_path: str | Path, source: str | None = None, key: str | None = None):
        self.path = find_model(str(name_or_path), source, key)
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
    def name(self) -> str:
        """The name of the net; that of the file's folder if netc did not make the model."""
        return str(self.metadata.get("net") or self.path.absolute().parent.name)

    @property
    def vocabulary(self) -> Vocabulary | None:
        """The vocabulary of the integers that the model reads; None if it has none."""
        words = self.metadata.get("vocabulary")
        return Vocabulary(tuple(words), self.metadata.get("tokenizer", "")) if words else None

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

    @cached_property
    def raw_columns(self) -> tuple[InputColumn, ...]:
        """The columns that the model reads, if it takes raw columns of a table, one per input."""
        return columns_of(self.session.inputs, self.metadata) if takes_raw_columns(self.metadata) else ()

    def reading_options(self, query: str = "") -> ReadingOptions:
        """How tables are read: the texts of missing cells are those of the training table. `query` is for databases."""
        return ReadingOptions(query=query, missing=tuple(self.metadata.get("missing", ())))

    @cached_property
    def series(self) -> SeriesFacts | None:
        """How the model reads a series of a table; None if it reads none."""
        return facts_of(self.metadata, str(self.path)) if self.raw_columns else None

    @property
    def blocks(self) -> Blocks:
        """How the model runs on many rows."""
        fixed = self.input_shape[self.batch_axis]
        exact = len(self.input_shape) <= 2
        return Blocks(
            self.session.run if self.raw_columns else self, self.session.ort.get_outputs(), fixed if isinstance(fixed, int) else None, exact
        )

    def __call__(self, inputs: np.ndarray | Given) -> dict[str, np.ndarray]:
        """Run a batch: an array for the first input, or arrays by name. Returns the outputs. DataError if a shape does not fit.

        If the first axis is time, sequences run through all time steps unless an input changes that, and start with a zero state.

        A model of raw columns takes lists or arrays by column, or a list of rows. None and NaN are gaps.
        """
        if self.raw_columns:
            return self.blocks(raw_values(self.raw_columns, cast(Given, inputs)))
        given = dict(inputs) if isinstance(inputs, Mapping) else {self.input: cast(np.ndarray, inputs)}
        first, wanted = given[self.input], self.input_shape
        if first.ndim != len(wanted) or any(isinstance(w, int) and w != n for w, n in zip(wanted, first.shape, strict=False)):
            raise DataError(f"the model expects an input of {sizes(wanted)}; got {sizes(first.shape)}")
        for name, port in self.session.inputs.items():
            if name in STATE:
                given.setdefault(name, np.zeros((first.shape[self.batch_axis], *port.shape[1:]), np.float32))
            elif self.batch_axis == 1 and name != self.input:
                given.setdefault(name, data.continues(np.full(first.shape[1], first.shape[0]), first.shape[0]).T)
        types = {"tensor(int64)": np.int64}
        return self.session.run({n: np.ascontiguousarray(a, types.get(self.session.inputs[n].type, np.float32)) for n, a in given.items()})

    def predict(self, inputs: str | Sequence[str] | Given, top: int = 5, threshold: str | float | None = None) -> list[Prediction]:
        """Predict for image files, folders, each row of .npy files (a sequence is steps x ...), and each row of tables by the names
        of their columns. Models for texts or trees take these too. DataError lists all inputs that cannot be read.

        Trees are given in brackets, or in files that contain them. A model of raw columns also takes a list of rows, each a dictionary.
        `top` is how many classes a prediction lists. With `threshold`, see `netc predict --threshold`, the first is the one it decides on.
        """
        if isinstance(inputs, Mapping) or any(isinstance(row, Mapping) for row in inputs):
            if not self.raw_columns:
                raise DataError(f"{self.path}: The model takes no raw columns of a table. Pass the paths of files.")
            return list(self._raw_predictions("", raw_values(self.raw_columns, cast(Given, inputs)), 0, self._ranking(top, threshold)))
        results = list(self.predict_each([inputs] if isinstance(inputs, str) else cast(Sequence[str], inputs), top, threshold))
        errors = [diagnostic for error in results if isinstance(error, DataError) for diagnostic in error.diagnostics]
        if errors:
            raise DataError(*errors)
        return [p for p in results if isinstance(p, Prediction)]

    def predict_each(
        self, paths: Sequence[str], top: int = 5, threshold: str | float | None = None, query: str = ""
    ) -> Iterator[Prediction | DataError]:
        """Yield the predictions one by one, with an error for each file that cannot be read."""
        ranking = self._ranking(top, threshold)
        waiting: list[Row] = []
        for item in self._items(paths, query, ranking):
            fits = isinstance(item, tuple) and (not waiting or item[1].shape == waiting[0][1].shape)
            if waiting and (not fits or len(waiting) == self.blocks.size({self.input: waiting[0][1][None]})):
                yield from self._predictions(waiting, ranking)
                waiting = []
            if isinstance(item, tuple):
                waiting.append(item)
            else:
                yield item
        yield from self._predictions(waiting, ranking) if waiting else ()

    def _items(self, paths: Sequence[str], query: str, ranking: Ranking) -> Iterator[Row | Prediction | DataError]:
        """Yield the rows of all files, predictions for what is no row of one input, and errors."""
        for path in paths:
            try:
                if self.takes_trees:
                    yield from (self._tree(name, tree, ranking) for name, tree in trees_of(path))
                elif self.series:
                    yield from forecasts(self.session.run, path, self.raw_columns, self.series)
                elif self.raw_columns:
                    yield from self._table(path, self.reading_options(query), ranking)
                else:
                    yield from self._rows(path)
            except DataError as e:
                yield e

    def _rows(self, path: str) -> Iterator[Row | DataError]:
        reading = Reading(self.input_shape, self.batch_axis, self.metadata, self.vocabulary, self.left_out)
        for file in reading.files(path):
            try:
                yield from reading.rows(file)
            except DataError as e:
                yield e

    def _table(self, source: str, options: ReadingOptions, ranking: Ranking) -> Iterator[Prediction]:
        """Yield a prediction for each row of a table of raw columns."""
        with opened(source, options) as raw:
            start = 0
            for piece in pieces(raw, self.raw_columns, cells_of(raw, self.raw_columns)):
                for prediction in self._raw_predictions(raw.name, piece, start, ranking):
                    yield prediction
                    start += 1

    def _raw_predictions(self, name: str, values: Mapping[str, np.ndarray], start: int, ranking: Ranking) -> Iterator[Prediction]:
        found = {n: a for n, a in self.blocks(values).items() if a.dtype.kind != "O"}
        for k in range(len(next(iter(values.values())))):
            yield self._prediction(f"{name}[{start + k}]", {n: array[k] for n, array in found.items()}, ranking)

    def _predictions(self, rows: Sequence[Row], ranking: Ranking) -> Iterator[Prediction | DataError]:
        """Yield the predictions for rows of equal shapes."""
        try:
            if detects(self.metadata):
                yield from (self._boxes(name, row, ranking.decision.threshold) for name, row in rows)
                return
            if self.batch_axis:
                yield from (self._prediction(name, self._sequence(row), ranking) for name, row in rows)
                return
            found = self.blocks({self.input: np.stack([row for _, row in rows])})
            yield from (self._prediction(name, {n: a[k] for n, a in found.items()}, ranking) for k, (name, _) in enumerate(rows))
        except DataError as e:
            yield e

    def _boxes(self, name: str, row: np.ndarray, least: float | None) -> Prediction:
        """The objects in one image. A batch is one image, because the rows of the output are boxes."""
        height, width = row.shape[-2:]
        return found_boxes(name, self({self.input: row[None]}), self.metadata, self.labels, (height, width), least)

    def _prediction(self, name: str, outputs: dict[str, np.ndarray], ranking: Ranking) -> Prediction:
        if found := readable(name, outputs, self.metadata, self.labels):
            return found
        several = len(outputs) > 1 and not self.labels
        best = () if several else self._best(next(iter(outputs.values())), ranking)
        return Prediction(name, outputs, best, labels=tuple(self.labels) if best else ())

    def decision(self, threshold: str | float | None = None) -> Decision:
        """How scores become classes. SpecError if the model does not have two classes, or no threshold of this name."""
        return decision(self.labels, threshold, self.metadata, str(self.path))

    def _ranking(self, top: int, threshold: str | float | None) -> Ranking:
        return Ranking(self.decision(threshold), top)

    def _best(self, scores: np.ndarray, ranking: Ranking) -> tuple[tuple[str, float], ...]:
        labels = ranking.decision.labels
        if self.raw_columns and scores.shape == (1,) and len(labels) == 2:
            return ranking(scores)
        self._check_labels(scores)
        if scores.ndim != 1 or len(scores) < 2 or (labels and len(labels) != len(scores)):
            return ()
        return ranking(scores)

    def _tree(self, name: str, tree: Tree, ranking: Ranking) -> Prediction:
        """Predict for every node of a tree. The root is at the top of the drawing, and in the last row of the outputs."""
        tops, vocabulary = self.metadata["sources"][0]["tops"], self.vocabulary or Vocabulary(())
        levels = int(self.session.inputs[tops[2]].shape[0])
        if tree.height > levels:
            raise DataError(f"{name}: the tree has height {tree.height}; the model takes trees up to height {levels}")
        batch = Forest((tree,), vocabulary, levels).batch(np.zeros(1, np.int64))
        outputs = self(dict(zip(tops, batch, strict=False)))
        best = [self._best(row, ranking) for row in next(iter(outputs.values()))]
        words = [w if known else f"{w} (unknown)" for w, known in zip(tree.words, batch[0], strict=True)]
        texts = [", ".join(f"{label} {score:.2f}" for label, score in b[:1]) for b in best]
        return TreePrediction(name, outputs, best[-1], "\n".join(drawn(texts, words, batch[1].tolist())))

    def _sequence(self, row: np.ndarray) -> dict[str, np.ndarray]:
        """The outputs for one sequence, without batch axes. It is padded if the model has a fixed number of time steps."""
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
