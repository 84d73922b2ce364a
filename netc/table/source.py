"""The data source of the Table layer: rows encoded as numbers, labels and weights, and the rows of each phase."""

import glob
import hashlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from netc import netc_pb2 as pb
from netc.data.fitted import FittedColumn, from_json
from netc.data.source import Description, Request, Table, TopSpec
from netc.errors import DataError
from netc.registry import column_type, source
from netc.table.cache import Entry, entry, found, key_of
from netc.table.columns.define import ColumnType, class_of, column_types
from netc.table.inference import infer_rules
from netc.table.labels import CLASSES, LABELS, NUMBERS
from netc.table.making import Known, Making
from netc.table.mapped import Mapped
from netc.table.raw_values import kept, words_of
from netc.table.reading import ROW, RawTable, ReadingOptions, open_table
from netc.table.roles import Roles, roles_of
from netc.table.series_source import Series
from netc.table.split import PARTS
from netc.version import VERSION

SQLITE = b"SQLite format 3\x00"  # start of a database whose newest rows may be in another file
MOST_ASKED = 5_000  # rows to ask for by their numbers
NOT_OF_ROWS = ("source", "test_source", "validation_source", "batch_size", "test_batch_size", "shuffle")


@source("Table")
def table(request: Request) -> Table:
    """Encoded rows as float32, the label, and the weight of each row. All phases share one table; `parts` has the rows of each."""
    asked = _Asked(request)
    if request.layer.table_param.HasField("series"):
        return Series(request, asked.raw, asked.rules, asked.values).table()
    return asked.table()


def reading_options(param: pb.TableParameter) -> ReadingOptions:
    """How a layer says that its table is read."""
    said = {f.name: getattr(param.format, f.name) for f, _ in param.format.ListFields()}
    return ReadingOptions(query=param.query, **said | ({"missing": tuple(param.format.missing)} if param.format.missing else {}))


@dataclass(frozen=True)
class _Asked:
    """A request for the rows of a table. The table is opened only if its rows are not in the cache, or for its raw values."""

    request: Request

    @cached_property
    def param(self) -> pb.TableParameter:
        """The fields of the layer. If it names no columns, they follow from the rows."""
        param, learned = pb.TableParameter(), self.request.learned
        param.CopyFrom(self.request.layer.table_param)
        if not param.columns:
            param.columns.extend(learned.rules if learned else self._inferred())
        return param

    def _inferred(self) -> list[pb.ColumnParameter]:
        def make(folder: Path) -> dict[str, Any]:
            there = {column.name for column in self.raw.columns}
            rules = infer_rules(self.raw, self.request.layer.table_param) if there.issuperset(self.request.layer.table_param.label) else []
            return {"rules": [rule.SerializeToString().hex() for rule in rules]}

        return _rules(entry(self._key(self.request.layer.table_param, "rules"), make).said)

    @cached_property
    def options(self) -> ReadingOptions:
        return reading_options(self.request.layer.table_param)

    @cached_property
    def raw(self) -> RawTable:
        """The table. DataError if `source` is missing or cannot be read."""
        if not self.request.source:
            raise DataError("`source` is missing. Expected a file, a pattern of files, or the address of a database.", field="source")
        return open_table(self.request.source, self.request.base, self.options)

    @cached_property
    def known(self) -> Known:
        """What the training rows, or the weights of the net, determine."""
        learned, known = self.request.learned, self.request.known
        if learned is not None:
            return Known(learned.tops[0].fitted, learned.classes, _task(learned.tops, learned.classes), anew=False, splits=False)
        if known is None or not known.fitted or (known.anew and not self._has(known.fitted)):
            return Known()
        task = None if known.anew else CLASSES if known.classes and not known.measures else LABELS if known.classes else NUMBERS
        return Known(known.fitted, known.classes, task if known.label else None, known.anew)

    def _has(self, fitted: Sequence[FittedColumn]) -> bool:
        """Whether the net file reads these columns, as far as it names its columns."""
        stated = {rule.name: rule.type for rule in self.request.layer.table_param.columns}
        return not stated or stated == {column.name: column.type for column in fitted}

    def _key(self, param: pb.TableParameter, *parts: Any) -> str:
        """The key of what follows from the content of the table, from fields of the layer, and from `parts`."""
        plain = pb.TableParameter()
        plain.CopyFrom(param)
        for name in (*NOT_OF_ROWS, *(() if self.known.splits else ("split", "classes"))):
            plain.ClearField(name)
        return key_of(self.digest, asdict(self.options), plain.SerializeToString(deterministic=True), encoding_version(), *parts)

    @cached_property
    def digest(self) -> str:
        """A hash of the content of the table."""
        return digest_of(self.request.source, self.request.base) or self.raw.sha256

    @cached_property
    def entry(self) -> Entry:
        """The arrays: those of the cache, or new ones."""
        known, trained = self.known, None
        if known.fitted and known.splits:  # the rows that the weights were trained on are often in the cache
            trained = found(self._key(self.param, Known().as_json()))
        same = trained is not None and _is_of(trained, known)
        made = trained if trained and same else entry(self._key(self.param, known.as_json()), self._make)
        if "raw" in self.__dict__:
            self.__dict__.pop("raw").close()  # it takes memory
        return made

    def _make(self, folder: Path) -> dict[str, Any]:
        try:
            return Making(self.raw, self.param, self.known, folder).make()
        except OSError as e:
            raise DataError(f"Cannot keep the rows of {self.raw.name}: {e.strerror or e}.") from e

    @cached_property
    def columns(self) -> tuple[ColumnType, ...]:
        """The fitted columns."""
        return column_types(from_json(column) for column in self.entry.said["columns"])

    def table(self) -> Table:
        """The rows, labels and weights."""
        said, arrays = self.entry.said, self.entry.arrays
        parts = {part: _whole(arrays[part]) for part in PARTS if part in arrays}
        tested = len(parts.get("TEST", ())) or self.param.test_source
        has_validation = bool(len(parts.get("VALIDATION", ())))
        if parts and not tested:
            parts["TEST"] = parts["VALIDATION"] if has_validation else parts["TRAIN"]
        if parts and not has_validation:
            parts["VALIDATION"] = parts["TEST"]
        return Table(
            self._described(has_validation), lambda: tuple(arrays[name] for name in ("rows", "label", "weight") if name in arrays),
            parts=parts or dict.fromkeys(PARTS, _whole(arrays["ALL"])), raw=self.raw_values, place=self.place,
            notes=lambda: list(said["notes"]), has_test_rows=bool(tested or has_validation), all_phases=True,
        )  # fmt: skip

    def _described(self, has_validation: bool) -> Description:
        said = self.entry.said
        return Description(
            said["name"], (TopSpec("float32", self.entry.arrays["rows"].shape[1:], fitted=self.columns), *self._tops()), said["rows"],
            tuple(said["classes"]), sha256=said["sha256"], columns=tuple(c.name for c in self.columns), label=", ".join(self.param.label),
            has_validation=has_validation, rules=tuple(_rules(said)),
        )  # fmt: skip

    def _tops(self) -> list[TopSpec]:
        arrays, (mean, std) = self.entry.arrays, self.entry.said["spread"]
        if "label" not in arrays:
            return []
        label = TopSpec(str(arrays["label"].dtype), arrays["label"].shape[1:], mean=tuple(mean), std=tuple(std))
        return [label, TopSpec("float32", ())] if "weight" in arrays else [label]

    def place(self, top: int, row: int) -> str:
        """The place of a value in its file."""
        names = [self.columns[0].name, *self.param.label[:1], self.param.weight]
        return str(self.raw.place(row, names[top]))

    @cached_property
    def roles(self) -> Roles:
        return roles_of(self.raw, self.param, self.known.fitted, self.known.splits)

    @property
    def rules(self) -> list[pb.ColumnParameter]:
        """The rules of the columns that the net reads."""
        return [rule for rule, _ in self.roles.rules]

    def values(self, rule: pb.ColumnParameter) -> np.ndarray:
        """All raw values of a column."""
        column = next((c for c in self.raw.columns if c.name == rule.name), None)
        if column is None:
            raise DataError(f"{self.raw.name}: There is no column {rule.name!r}, which the net reads.")
        sql = class_of(rule).cells(rule, column, self.raw.dialect).value
        return np.concatenate([chunk["x"] for chunk in self.raw.chunks({"x": sql})])

    @cached_property
    def words(self) -> dict[str, np.ndarray] | None:
        return words_of(self.entry)

    def raw_values(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The raw values of rows, by column: those of the cache, or those of the table, which is read again."""
        if self.words is not None:
            return kept(self.entry, self.columns, self.words, rows)
        asked, where = np.unique(rows, return_inverse=True)
        select = {rule.name: class_of(rule).cells(rule, stored, self.raw.dialect).value for rule, stored in self.roles.rules}
        by_number = len(asked) <= MOST_ASKED
        condition = f"{ROW} in ({', '.join(map(str, asked.tolist()))})" if by_number else ""
        chunks = list(self.raw.chunks(select, where=condition, order=ROW if by_number else ""))
        found = {}
        for column in self.columns:
            every = np.concatenate([chunk[column.name] for chunk in chunks])
            values = (every if by_number else every[asked])[where]
            found[column.name] = values.astype(object if column.dtype == "string" else column.dtype)
        return found


def _whole(array: np.ndarray | Mapped) -> np.ndarray:
    return array.array if isinstance(array, Mapped) else array


def _is_of(made: Entry, known: Known) -> bool:
    """Whether rows were encoded by these columns and have these classes."""
    return tuple(made.said["classes"]) == known.classes and column_types(map(from_json, made.said["columns"])) == known.fitted


def _rules(said: Mapping[str, Any]) -> list[pb.ColumnParameter]:
    """The rules of columns in an entry of the cache."""
    return [pb.ColumnParameter.FromString(bytes.fromhex(rule)) for rule in said["rules"]]


def _task(tops: tuple[TopSpec, ...], classes: tuple[str, ...]) -> int | None:
    """The task of labels that are described."""
    if len(tops) < 2:
        return None
    return CLASSES if tops[1].dtype == "int64" else LABELS if classes else NUMBERS


def digest_of(text: str, base: Path) -> str:
    """A hash of the content of the files that a source names; "" if it names no files, or a database."""
    if not text or "://" in text:
        return ""
    path = base / Path(text).expanduser()
    files = [path] if path.is_file() else [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]
    digests = []
    for file in (f for f in files if f.is_file()):
        with file.open("rb") as opened:
            if opened.read(len(SQLITE)) == SQLITE:
                return ""
            opened.seek(0)
            digests.append((file.suffix, hashlib.file_digest(opened, "sha256").hexdigest()))
    return hashlib.sha256(repr(digests).encode()).hexdigest() if digests else ""


@cache
def _code(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def encoding_version() -> str:
    """A hash of the code that encodes rows, including column types of plug-ins."""
    plugins = {inspect.getfile(kind) for kind in column_type.values()}
    return key_of(VERSION, [_code(str(path)) for path in sorted({*Path(__file__).parent.rglob("*.py"), *map(Path, plugins)})])
