"""Read the metadata of a model from an untrusted file. Types and sizes that netc does not write are errors."""

import json
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from netc.data import is_fit
from netc.data.subwords import is_tokenizer
from netc.errors import DataError, Diagnostic, Place
from netc.zoo.manifest import wrong_fields

MOST_WORDS, MOST_STEPS, MOST_SIDE = 1 << 20, 1 << 20, 1 << 14
MOST_VALUES = 1 << 28  # per row of an input


def _words(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= MOST_WORDS and all(isinstance(word, str) for word in value)


def _columns(value: Any) -> bool:
    """Whether a value names columns: by their names, or with the type of each."""
    if not isinstance(value, list) or len(value) > MOST_WORDS:
        return False
    return _words(value) or all(isinstance(c, dict) and _words([c.get("name"), c.get("type"), c.get("format", "")]) for c in value)


def _whole(value: Any, most: int, least: int = 0) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _source(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("type"), str) or not _words(value.get("tops")):
        return False
    return value["type"] != "TreeData" or len(value["tops"]) >= 3


RULES = {
    "classes": ("a list of texts", _words),
    "vocabulary": ("a list of texts", _words),
    "columns": ("a list of texts, or of {name, type}", _columns),
    "labels": ("a list of texts", _words),
    "decoded": ("a list of texts", _words),
    "pixels": ("a list of texts", _words),
    "boxes": ("a list of texts", _words),
    "channels": ("a text", lambda v: isinstance(v, str)),
    "resize_param": ("a ResizeParameter with height and width", is_fit),
    "missing": ("a list of texts", _words),
    "task": ("a text", lambda v: isinstance(v, str)),
    "thresholds": ("numbers by name", lambda v: isinstance(v, dict) and all(isinstance(n, float | int) for n in v.values())),
    "tokens": ("a text", lambda v: isinstance(v, str)),
    "tokenizer": ("the text of a tokenizer.json", is_tokenizer),
    "forecasts": ("a text", lambda v: isinstance(v, str)),
    "label": ("a text", lambda v: isinstance(v, str)),
    "channels_last": ("true or false", lambda v: isinstance(v, bool)),
    "sources": ("a list of {type, tops}, three tops of a TreeData at least", lambda v: isinstance(v, list) and all(map(_source, v))),
    "batch_axis": ("0, 1 or null", lambda v: v is None or _whole(v, 1)),
    "steps": (f"a whole number up to {MOST_STEPS}", lambda v: _whole(v, MOST_STEPS, 1)),
    "resize": (
        f"height and width, each up to {MOST_SIDE}",
        lambda v: isinstance(v, list) and len(v) == 2 and all(_whole(n, MOST_SIDE, 1) for n in v),
    ),
}
NEEDS = {"forecasts": "steps"}  # fields that need another field


def read(text: str, place: str) -> dict[str, Any]:
    """Parse and check the metadata of the model at `place`. DataError lists all problems."""
    try:
        metadata = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(Diagnostic(Place(place), f"its metadata is not JSON: {str(error)[:100]}")) from error
    if not isinstance(metadata, dict):
        raise DataError(Diagnostic(Place(place), f"its metadata is a {type(metadata).__name__}; expected a mapping"))
    wrong = wrong_fields(metadata, {name: rule for name, rule in RULES.items() if metadata.get(name) is not None})
    wrong += [f"has {name} without {other}" for name, other in NEEDS.items() if metadata.get(name) and other not in metadata]
    if not wrong and metadata.get("vocabulary") and "tokens" not in metadata and not _takes_trees(metadata):
        wrong.append("has vocabulary without tokens")
    if wrong:
        raise DataError(*(Diagnostic(Place(place), f"its metadata: {sentence}") for sentence in wrong))
    return {name: value for name, value in metadata.items() if value is not None}


def _takes_trees(metadata: Mapping[str, Any]) -> bool:
    """Whether the model reads trees, so that no tokenizer is needed."""
    return any(source["type"] == "TreeData" for source in metadata.get("sources") or ())


def check_ports(inputs: Mapping[str, Any], outputs: Sequence[str], metadata: Mapping[str, Any], place: str) -> None:
    """DataError if a model has no inputs or no outputs, or an input with huge rows."""
    if not inputs or not outputs:
        raise DataError(Diagnostic(Place(place), f"has {len(inputs)} inputs and {len(outputs)} outputs; it needs at least one of each"))
    for name, port in inputs.items():
        if prod(n for n in port.shape if isinstance(n, int)) > MOST_VALUES:
            raise DataError(
                Diagnostic(Place(place), f"its input {name!r} is {'x'.join(map(str, port.shape))}: more than {MOST_VALUES:,} values")
            )
    first = next(iter(inputs.values()))
    axis = metadata.get("batch_axis") or 0
    if len(first.shape) <= axis:
        raise DataError(Diagnostic(Place(place), f"its input {first.name!r} has {len(first.shape)} axes; axis {axis} must be the batch"))
    trees = [source for source in metadata.get("sources", ()) if source["type"] == "TreeData"]
    missing = [top for source in trees for top in source["tops"] if top not in inputs]
    if missing:
        raise DataError(Diagnostic(Place(place), f"its metadata: a source of trees feeds {missing[0]!r}, which is not an input"))
