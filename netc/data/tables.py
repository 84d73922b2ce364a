"""From a data layer to its table: choose and call the source function, hold out test rows, and make the description.

`Tables` caches the tables of a job. So describing a layer, training on it and testing on it read the data once.
"""

import json
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from netc import netc_pb2 as pb
from netc.data.batches import Feed
from netc.data.choice import check_fields, check_names, source_function, source_name
from netc.data.learned import Learned, is_table
from netc.data.order import held_out
from netc.data.settings import setting
from netc.data.sheet import read_sheet
from netc.data.source import Description, Request, Source, Table, TopSpec
from netc.data.transforms.checks import unboxed, unfinished
from netc.data.transforms.mixing import tops_after
from netc.data.transforms.normalization import normalisation
from netc.data.vocabulary import Vocabulary
from netc.errors import DataError
from netc.random import permutation
from netc.spec.places import Places, there

TRAIN = "TRAIN"
DRAFTED = ("folder", "images in a table", "images with masks")  # sources that read image files and resize them as Pillow does


@dataclass(frozen=True)
class Reader:
    """A data layer and its table in one phase. `description` is available at once; `open` loads the rows.

    `layer` reads its rows by the columns and classes that the net has learned, and `known` is the rest of what it has learned. `key`
    identifies the table in the cache.
    """

    tables: "Tables"
    layer: pb.LayerParameter
    phase: str
    key: bytes
    table: Table
    description: Description
    known: Learned | None = None

    def open(self, seed: int, iter_size: int = 1, phase: str | None = None) -> Source:
        """Load the rows and return the layer's source.

        Training reads `iter_size` batches per iteration. `phase` may be VALIDATION for a net of TEST.
        """
        if seed != self.tables.seed:
            return Tables(self.tables.base, seed).reader(self.layer, phase or self.phase, self.known).open(seed, iter_size)
        return self.in_phase(phase or self.phase).source(iter_size)

    @property
    def missing_mean(self) -> DataError | None:
        """The error if the mean file of the layer does not exist."""
        name, tables = self.layer.transform_param.mean_file, self.tables
        return None if not name or there(tables.base / name) else DataError(replace(tables.places.missing(name), field="mean_file"))

    def source(self, iter_size: int = 1) -> Source:
        """The source of this phase, cached."""
        return self.tables.feed(self, iter_size)

    def in_phase(self, phase: str) -> "Reader":
        """The reader of the same layer in another phase."""
        return self if phase == self.phase else self.tables.made(self.layer, phase, self.key, self.known)

    def read_by(self, layer: pb.LayerParameter) -> "Reader":
        """The same rows as `layer` reads them: with other transformations or batch sizes."""
        if self.table.finished:  # the source has already transformed them
            return Tables(self.tables.base, self.tables.seed).reader(layer, self.phase, self.known)
        return replace(self, layer=layer, description=_described(self.tables.request(layer, self.phase), self.table))

    def with_all_rows(self) -> "Reader":
        """The reader with all training rows, including the unlabelled ones."""
        layer = pb.LayerParameter()
        layer.CopyFrom(self.layer)
        layer.data_param.ClearField("labelled")
        return self.tables.made(layer, TRAIN, self.key, self.known)

    def vocabulary(self) -> Vocabulary | None:
        """The words for the layer's integers; None if the integers do not stand for words. Loads the training rows."""
        table = self.tables.table(self.tables.request(self.layer, TRAIN, self.known), self.key)
        return table.vocabulary() if table.vocabulary else None


class Tables:
    """The tables of a job's data layers, each made once.

    `base` is the folder that data paths are relative to. `current`: they start from the current folder first, as in Caffe.
    """

    def __init__(self, base: str | Path = ".", seed: int = 0, current: bool = False):
        self.base, self.seed, self.places = Path(base), seed, Places(Path(base), current)
        self._asked: dict[tuple[bytes, str, str], Table] = {}
        self._learned: dict[bytes, tuple[bytes, Learned]] = {}  # by a training layer: table key, what test rows need
        self._feeds: dict[tuple[bytes, str, int], Feed] = {}

    def reader(self, layer: pb.LayerParameter, phase: str, known: Learned | None = None) -> Reader:
        """The reader of a layer in `phase`. `known` sets its columns and classes. DataError for fields that its source does not have."""
        layer = self.places.placed(layer)
        check_fields(layer)
        stated = _key(layer)
        found = self.made(layer, phase, stated) if known is None else self._read_as(layer, phase, known, stated)
        if phase == TRAIN:
            self._learned[stated] = found.key, Learned.of(found.description)
        return found

    def _read_as(self, layer: pb.LayerParameter, phase: str, known: Learned, stated: bytes) -> Reader:
        """The reader of a layer whose rows must have the columns and classes that a net has learned."""
        if known.anew and not _has(layer, self.base, known.label):
            known = replace(known, label="")
        key, learned = self._learned.get(stated, (b"", None))
        layer = known.stated_in(layer)
        more = _digest(known) if layer.type == "Table" or known.tokenizer else b""  # their rows depend on it
        found = self.made(layer, phase, key if learned == known else _key(layer) + more, known)
        if layer.type != "Table" and known.anew and found.description.classes != known.classes:
            layer = known.stated_in(layer, found.description.classes)
            found = self.made(layer, phase, _key(layer) + more, known)
        return replace(found, description=known.spread_of(found.description))

    def request(self, layer: pb.LayerParameter, phase: str, known: Learned | None = None) -> Request:
        """The argument of the source function for a layer."""
        return Request(layer, phase, self.seed, self.places.own, setting(layer, "source"), known=known, current=self.places.current)

    def made(self, layer: pb.LayerParameter, phase: str, key: bytes, known: Learned | None = None) -> Reader:
        """The reader of a layer whose table has the cache key `key`."""
        request = self.request(layer, phase, known)
        table = self.table(request, key)
        param, first = layer.transform_param, table.description.tops[0]
        reader = Reader(self, layer, phase, key, table, _described(request, table), known)
        if not table.absent and (missing := reader.missing_mean):
            raise missing
        if (param.mean_file or param.mean_value or param.std_value) and not (table.finished or table.absent) and first.dtype == "float32":
            normalisation(param, first.sizes, self.base)  # reports a mean of the wrong shape before training
        return reader

    def feed(self, reader: Reader, iter_size: int) -> Source:
        """The batches of a reader, cached."""
        which = reader.layer.SerializeToString(deterministic=True), reader.phase, iter_size
        if which not in self._feeds:
            self._feeds[which] = Feed(self.request(reader.layer, reader.phase), reader.table, reader.description, iter_size)
        return self._feeds[which]

    def table(self, request: Request, key: bytes) -> Table:
        """The rows that a request asks for, those of its phase."""
        param = request.layer.data_param
        if not 0 <= param.test_fraction < 1:
            raise DataError(f"`test_fraction` is {param.test_fraction}. Expected a number from 0 to 1.", field="test_fraction")
        if param.test_source and param.test_fraction:
            raise DataError("Both `test_source` and `test_fraction` are set. Remove one of them.", field="test_source")
        return _labelled(request, self._split(request, key))

    def _split(self, request: Request, key: bytes) -> Table:
        """The rows of the request's phase."""
        param = request.layer.data_param
        tested, validated = setting(request.layer, "test_source"), setting(request.layer, "validation_source")
        other = {"VALIDATION": validated or tested, "TEST": tested}.get(request.phase)
        if request.phase == "VALIDATION" and other and not validated and self._training(request, key).has_validation:
            other = ""  # the source itself separates validation rows
        if other:
            training = self._training(request, key)
            testing = replace(request, source=other, learned=training)
            tested = self._whole(testing, key)
            if tested.parts:
                tested = tested.chosen(tested.parts[request.phase])
            if tested.description.tops != training.tops:
                raise DataError(f"{testing.path}: Its rows are {tested.description.tops}. The training rows are {training.tops}.")
            tested = replace(tested, description=replace(tested.description, tops=training.tops))  # their mean and std
            return _stated(request, tested, set_apart=True)
        table = self._whole(request, key)
        if table.parts:
            table = table.chosen(table.parts[request.phase])
        if param.test_fraction:
            return _stated(request, _held_out(table, param.test_fraction, request.phase), set_apart=True)
        return _stated(request, table, table.has_test_rows or table.description.rows is None)

    def _training(self, request: Request, key: bytes) -> Description:
        return self._whole(replace(request, phase=TRAIN), key).description

    def _whole(self, request: Request, key: bytes) -> Table:
        """The result of the source function, with its rows cached. If the source allows it, all phases share one table."""
        training = self._asked.get((key, TRAIN, request.source))
        if training is not None and (training.all_phases or request.phase == TRAIN):
            return training
        which = key, request.phase, request.source
        if which not in self._asked:
            table = source_function(request)(request)
            self._asked[which] = replace(table, load=cache(table.load))
        return self._asked[which]


def describe(layer: pb.LayerParameter, phase: str, base: str | Path = ".") -> Description:
    """What the layer will provide in `phase`. It opens as few files as possible, and none of a built-in data set."""
    return Tables(base).made(layer, phase, _key(layer)).description


def open(layer: pb.LayerParameter, phase: str, seed: int, base: str | Path = ".", iter_size: int = 1) -> Source:
    """Load the rows and return the layer's source.

    Training reads `iter_size` batches per iteration. `phase` is TRAIN, VALIDATION or TEST.
    """
    return Tables(base, seed).made(layer, phase, _key(layer)).source(iter_size)


def vocabulary(layer: pb.LayerParameter, base: str | Path = ".") -> Vocabulary | None:
    """The words for the layer's integers; None if the integers do not stand for words. Loads the training rows."""
    return Tables(base).made(layer, TRAIN, _key(layer)).vocabulary()


def _key(layer: pb.LayerParameter) -> bytes:
    """The cache key: the layer without the fields that do not affect its table."""
    plain = pb.LayerParameter()
    plain.CopyFrom(layer)
    plain.data_param.ClearField("labelled")
    return plain.SerializeToString(deterministic=True)


def _digest(known: Learned) -> bytes:
    return json.dumps(known.as_json(), sort_keys=True).encode()


def _has(layer: pb.LayerParameter, base: Path, column: str) -> bool:
    """Whether the layer's table has a column of this name."""
    if column and is_table(layer):
        with suppress(DataError):
            return column in read_sheet(base / Path(layer.data_param.source).expanduser()).header
    return False


def _described(request: Request, table: Table) -> Description:
    given, wanted = table.description, len(request.layer.top) or len(table.description.tops)
    if wanted > len(given.tops):
        raise DataError(f"{given.name} has {len(given.tops)} tops, the layer {wanted}.")
    tops, added = _transformed(request, table, given.tops[:wanted])
    classes = given.classes if wanted > 1 else ()  # classes belong to the labels
    if not given.tokens:  # the classes of a text are its characters or words
        check_names(given.name, classes)
    kinds, name = source_name(request)
    param = request.layer.transform_param
    if param.draft and not (param.resize_height and name in DRAFTED):
        text = "`draft` is for folders and tables of images that are resized. Set `resize_height` and `resize_width`, or remove it."
        raise DataError(text, field="draft")
    facts = {f: v for f, v in kinds.records[name].items() if f in ("noun", "channels")}
    return replace(given, tops=tops, added=added, classes=classes, stream=table.stream, **facts)


def _transformed(request: Request, table: Table, tops: tuple[TopSpec, ...]) -> tuple[tuple[TopSpec, ...], tuple[str, ...]]:
    """The tops after transform_param, and the names of those that it adds."""
    if table.joint is not None:
        return tops, ()
    unboxed(request.layer.transform_param)
    if table.finished:
        unfinished(table.description.name, request.layer.transform_param)
        return tops, ()
    return tops_after(request.layer.transform_param, request.phase, tops)


def _stated(request: Request, table: Table, set_apart: bool) -> Table:
    """`table`, with a description of its test and validation rows."""
    described = table.description
    validation = described.has_validation or bool(setting(request.layer, "validation_source"))
    return replace(table, description=replace(described, set_apart=set_apart, has_validation=validation))


def _held_out(table: Table, fraction: float, phase: str) -> Table:
    if table.has_test_rows or table.description.rows is None:
        text = f"{table.description.name}: `test_fraction` cannot be used: the source has test rows of its own, or no end."
        raise DataError(text, field="test_fraction")
    return table.chosen(held_out(table.description.rows, fraction, phase, table.series))


def _labelled(request: Request, table: Table) -> Table:
    """Only the labelled training rows, if some have no label."""
    param, described = request.layer.data_param, table.description
    if request.phase != TRAIN or not param.HasField("labelled"):
        return table
    if described.rows is None or not 0 < param.labelled <= described.rows:
        text = f"`labelled` is {param.labelled}, but {described.name} has {described.rows or 'endless'} training rows."
        raise DataError(text, field="labelled")
    return table.chosen(np.sort(permutation(request.seed, f"{request.layer.name}/labelled", described.rows)[: param.labelled]))
