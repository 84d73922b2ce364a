"""Arrays of an .npz file that a Data layer names with `arrays`: rows as floats, labels in any usual form, and parts for tests.

Labels are classes (whole numbers, texts, or one-hot rows) or numbers to predict. Labels of shape (N, 1) become (N).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from netc.data.array_roles import Header, counterpart, listed
from netc.data.cells import in_order
from netc.data.order import held_out
from netc.data.series import spread
from netc.data.source import Column, Description, Request, Table, TopSpec
from netc.data.sources.arrays import channels_first, headers_of, read_npz
from netc.errors import DataError, Diagnostic, near
from netc.registry import source

MOST_CLASSES = 20  # different whole numbers that are always classes, even in few rows
SHOWN = 5  # rows that an error lists


@source("arrays")
def array_parts(request: Request) -> Table:
    """The rows and the labels of the request's phase."""
    arrays = _Arrays(request)
    phase = request.phase if arrays.has_parts else "TRAIN"
    shapes = {p: arrays.rows_top(p).shape for p in ("TRAIN", phase)}
    if shapes["TRAIN"] != shapes[phase]:
        text = f"has rows of {_dims(shapes[phase])}, and {arrays.names('TRAIN')[0]!r} has rows of {_dims(shapes['TRAIN'])}"
        raise DataError(f"{request.path}: Array {arrays.names(phase)[0]!r} {text}.")
    tops = (arrays.rows_top("TRAIN"), *([arrays.label_top] if arrays.labelled else []))
    last = bool(request.layer.data_param.channels_last)
    described = Description(
        request.path.name, tops, arrays.header(0, phase)[0][0], arrays.classes, channels_last=last, has_validation=arrays.has_validation
    )

    def load() -> tuple[Column, ...]:
        return (arrays.rows(phase), *([arrays.labels(phase)] if arrays.labelled else []))

    return Table(described, load, has_test_rows=arrays.has_parts, all_phases=not arrays.has_parts)


@dataclass(frozen=True)
class _Arrays:
    """The arrays that a request names, by phase."""

    request: Request

    @cached_property
    def there(self) -> Mapping[str, Header]:
        return headers_of(self.request.path)

    @cached_property
    def stated(self) -> tuple[str, ...]:
        """The arrays that the layer names. DataError for names that the file lacks, and for arrays of different lengths."""
        given, path = tuple(self.request.layer.data_param.arrays), self.request.path
        names = [self._named(name) for name in given[: max(1, len(self.request.layer.top))]]
        errors = [f"{path}: There is no array {name!r}. {near(name, self.there)}" for name in names if name not in self.there]
        if len(given) > 2:
            errors.append(f"{path}: `arrays` has {len(given)} names. Expected two, the rows and their labels.")
        if errors:
            raise DataError(*(Diagnostic(None, text, field="arrays") for text in errors))
        return tuple(names)

    def _named(self, name: str) -> str:
        """The array of this name. In another file than that of the training rows, it may have the name of a test array."""
        if name in self.there or not self.request.learned:
            return name
        return counterpart(name, "TEST", self.there) or counterpart(name, "VALIDATION", self.there) or name

    @property
    def labelled(self) -> bool:
        return len(self.stated) > 1

    def part(self, phase: str) -> tuple[str, ...] | None:
        """The arrays of VALIDATION or TEST, if the file has them."""
        found = [counterpart(name, phase, self.there) for name in self.stated]
        return tuple(name for name in found if name) if all(found) else None

    @property
    def has_parts(self) -> bool:
        return not self.request.learned and bool(self.part("TEST") or self.part("VALIDATION"))

    @property
    def has_validation(self) -> bool:
        return self.has_parts and bool(self.part("TEST") and self.part("VALIDATION"))

    def names(self, phase: str) -> tuple[str, ...]:
        """The arrays that a phase reads. VALIDATION and TEST stand in for each other."""
        order = {"TRAIN": (), "VALIDATION": ("VALIDATION", "TEST"), "TEST": ("TEST", "VALIDATION")}[phase]
        return next((part for p in order if self.has_parts and (part := self.part(p))), self.stated)

    def header(self, k: int, phase: str) -> Header:
        return self.there[self.names(phase)[k]]

    def array(self, k: int, phase: str) -> np.ndarray:
        return read_npz(self.request.path, [self.names(phase)[k]])[0]

    def place(self, k: int, phase: str) -> str:
        return f"{self.request.path}: Array {self.names(phase)[k]!r}"

    # Rows

    def rows_top(self, phase: str) -> TopSpec:
        """The top of the rows. Columns of a table have a mean and a deviation over the training rows."""
        shape, dtype = self.header(0, phase)
        if dtype.kind not in "fiub" or len(shape) < 2 or 0 in shape:
            text = f"is {listed({'': self.header(0, phase)})[2:-1]}. Expected numbers, with an axis of rows and one or more others."
            raise DataError(f"{self.place(0, phase)} {text}")
        if self.labelled and self.header(1, phase)[0][:1] != shape[:1]:
            names = self.names(phase)
            raise DataError(f"{self.request.path}: The arrays have different lengths: {listed({n: self.there[n] for n in names})}.")
        row = self._image_shape(shape[1:], phase)
        mean, std = self._spread if len(row) == 1 and phase == "TRAIN" else ((), ())
        return TopSpec("float32", row, mean=mean, std=std)

    def _image_shape(self, row: tuple[int, ...], phase: str) -> tuple[int, ...]:
        param = self.request.layer.data_param
        for field, axes in (("channels_last", 3), ("one_channel", 2)):
            if getattr(param, field) and len(row) != axes:
                wanted = "height x width x channels" if axes == 3 else "height x width"
                raise DataError(f"{self.place(0, phase)} has rows of {_dims(row)}. `{field}` is for rows of {wanted}.", field=field)
        return (row[2], *row[:2]) if param.channels_last else (1, *row) if param.one_channel else row

    @cached_property
    def _spread(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        rows = self.array(0, "TRAIN")
        _check_finite(rows, self.place(0, "TRAIN"))
        return spread(rows[self._trained])

    @property
    def _trained(self) -> np.ndarray:
        count = self.header(0, "TRAIN")[0][0]
        return np.arange(count) if self.has_parts else held_out(count, self.request.layer.data_param.test_fraction, "TRAIN")

    def rows(self, phase: str) -> np.ndarray:
        rows, param = self.array(0, phase), self.request.layer.data_param
        rows = channels_first(rows) if param.channels_last else rows[:, None] if param.one_channel else rows
        if rows.dtype == np.uint8:
            return rows
        with np.errstate(over="ignore"):  # numbers beyond float32 become infinite, which is checked
            floats: np.ndarray = rows.astype(np.float32)
        _check_finite(floats, self.place(0, phase))
        return floats

    # Labels

    @cached_property
    def _kind(self) -> str:
        """How labels are stored: `one-hot`, `text`, `class` or `number`."""
        shape, dtype = self.header(1, "TRAIN")
        param = self.request.layer.data_param
        if param.one_hot and len(shape) != 2:
            text = f"has the shape {_dims(shape)}. `one_hot` is for rows with a value per class."
            raise DataError(f"{self.place(1, 'TRAIN')} {text}", field="one_hot")
        if param.one_hot:
            return "one-hot"
        if dtype.kind in "US" and len(_narrow(shape)) == 1:
            return "text"
        if dtype.kind not in "fiub":
            text = f"is {listed({'': (shape, dtype)})[2:-1]}. Expected numbers or texts, one label per row."
            hint = " netc does not unpickle objects: save labels.astype(str)." if dtype.kind == "O" else ""
            raise DataError(f"{self.place(1, 'TRAIN')} {text}{hint}")
        if self.request.learned:
            return "number" if self.request.learned.tops[1].dtype == "float32" else "class"
        if param.HasField("regression"):
            return "number" if param.regression else "class"
        return "class" if are_classes(self.array(1, "TRAIN")) else "number"

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes; empty if the labels are their numbers from 0, or numbers to predict."""
        if not self.labelled:
            return ()
        if self.request.classes is not None or self._kind in ("one-hot", "number"):
            return self.request.classes or ()
        values = set(_flat(self._checked(1, "TRAIN")).tolist())
        if self._kind == "class" and _from_zero(values):
            return ()
        return tuple(in_order(_text(value) for value in values))

    @cached_property
    def label_top(self) -> TopSpec:
        if self._kind == "number":
            labels = self._checked(1, "TRAIN").astype(np.float32)
            columns = labels.reshape(len(labels), -1)[self._trained]
            mean, std = spread(columns)
            return TopSpec("float32", _narrow(labels.shape)[1:], mean=mean, std=std)
        return TopSpec("int64", (), classes=self.header(1, "TRAIN")[0][1] if self._kind == "one-hot" else 0)

    def labels(self, phase: str) -> np.ndarray:
        """The labels of a phase as int64 classes or float32 numbers."""
        labels, place = self._checked(1, phase), self.place(1, phase)
        if self._kind == "number":
            return labels.reshape(_narrow(labels.shape)).astype(np.float32)
        if self._kind == "one-hot":
            return _from_one_hot(labels, place)
        flat = _flat(labels)
        if self._kind == "class":
            _check_rows(flat % 1 != 0, place, "is not a whole number. Set `regression: true` to predict numbers", flat)
        if not self.classes or (self._kind == "class" and not all(name.lstrip("-").isdigit() for name in self.classes)):
            return flat.astype(np.int64)
        number = {name: k for k, name in enumerate(self.classes)}
        found = np.array([number.get(_text(value), -1) for value in flat.tolist()], np.int64)
        _check_rows(found < 0, place, f"is not one of the classes: {', '.join(self.classes[:SHOWN])}, ...", flat)
        return found

    def _checked(self, k: int, phase: str) -> np.ndarray:
        array = self.array(k, phase)
        if array.dtype.kind == "f":
            _check_finite(array, self.place(k, phase))
        if array.dtype.kind == "S":
            return np.char.decode(array, "utf-8")
        return array


def are_classes(labels: np.ndarray) -> bool:
    """Whether labels are classes and not numbers to predict: whole numbers, and not very many different ones."""
    if labels.ndim > 1 and _narrow(labels.shape) != labels.shape[:1]:
        return False
    whole = labels.dtype.kind in "iub" or bool(np.all(labels % 1 == 0))
    return whole and len(np.unique(labels)) <= max(MOST_CLASSES, len(labels) / 4)


def is_one_hot(labels: np.ndarray) -> bool:
    """Whether each row of a two-dimensional array has one 1, and zeros elsewhere."""
    is_matrix = labels.ndim == 2 and labels.shape[1] > 1 and labels.dtype.kind in "fiub"
    return is_matrix and bool(np.all((labels == 0) | (labels == 1)) and np.all(labels.sum(1) == 1))


def _from_one_hot(labels: np.ndarray, place: str) -> np.ndarray:
    hot = ((labels == 0) | (labels == 1)).all(1) & (labels.sum(1) == 1)
    _check_rows(~hot, place, "is not one-hot, with a 1 and zeros elsewhere", labels)
    classes: np.ndarray = labels.argmax(1).astype(np.int64)
    return classes


def _check_finite(array: np.ndarray, place: str) -> None:
    if array.dtype.kind == "f":
        wrong = ~np.isfinite(array.reshape(len(array), -1)).all(1)
        _check_rows(wrong, place, "contains a gap (NaN) or an infinite value. Fill or remove these rows")


def _check_rows(wrong: np.ndarray, place: str, what: str, values: np.ndarray | None = None) -> None:
    """One DataError for all rows that are wrong, with the value of the first if `values` has them."""
    places = np.flatnonzero(wrong)
    if not len(places):
        return
    value = f", {values[places[0]].tolist()!r}," if values is not None else ""
    others = ", ".join(map(str, places[:SHOWN].tolist())) + (", ..." if len(places) > SHOWN else "")
    count = f" {len(places):,} of {len(wrong):,} rows are wrong: {others}." if len(places) > 1 else ""
    raise DataError(f"{place}: Row {places[0]}{value} {what}.{count}")


def _narrow(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape (N, 1) without its second axis."""
    return shape[:1] if shape[1:] == (1,) else shape


def _flat(labels: np.ndarray) -> np.ndarray:
    return labels.reshape(_narrow(labels.shape))


def _from_zero(values: set[float]) -> bool:
    """Whether class numbers can be used as they are: from 0, with few gaps."""
    return min(values) >= 0 and max(values) < 2 * len(values)


def _text(value: float | str) -> str:
    """A label as the name of its class."""
    return value if isinstance(value, str) else str(int(value))


def _dims(shape: tuple[int | str, ...]) -> str:
    return "x".join(map(str, shape)) or "one number"
