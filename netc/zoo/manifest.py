"""The manifest of a published model: its fields, their rules, and a safe reader.

A manifest may come from an untrusted source, so `problems` must check it before use.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from netc.errors import ZooError
from netc.zoo.names import is_alias, is_file_name, is_model_name, is_version

FORMAT = 1
MOST_BYTES = 1 << 23
MOST_FILES = 1000
MOST_PORTS = 1 << 16  # a table may have thousands of columns
_SHA256 = re.compile(r"[0-9a-f]{64}")
# Terminal escapes, lone surrogates, invisible characters and direction marks can make a listing show false text.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_PORT_NAME = re.compile(r"\S([^\n\r\t]{0,198}\S)?")
_DTYPE = re.compile(r"(u?int(8|16|32|64)|float(16|32|64)|bfloat16|bool|string)")

ROLES = {
    "model.onnx": "model",
    "open.onnx": "open model",
    "columns.onnx": "columns",
    "train.onnx": "train",
    "gradient.onnx": "gradient",
    "update.onnx": "update",
    "train.json": "training",
    "base.onnx": "base model",
    "mean.npy": "mean",
    "start.safetensors": "weights",
    "net.yaml": "net",
    "labels.txt": "labels",
    "vocabulary.txt": "vocabulary",
    "tokenizer.json": "tokenizer",
    "metrics.json": "metrics",
    "curves.png": "curves",
    "test_vectors.npz": "test vectors",
    "training_vectors.npz": "training vectors",
    "README.md": "card",
}


def parse_json(data: bytes, place: str) -> dict[str, Any]:
    """Parse a JSON object. ZooError, with `place`, if it is invalid, repeats a key, or contains control characters."""
    try:
        document = json.loads(data, object_pairs_hook=_once, parse_constant=_refused)
        if _unprintable(document):
            raise ZooError(f"{place}: contains control characters")
    except (ValueError, RecursionError) as error:
        raise ZooError(f"{place}: is not JSON: {str(error)[:200]}") from error
    if not isinstance(document, dict):
        raise ZooError(f"{place}: expected a JSON object; got {type(document).__name__}")
    return document


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object. A repeated key is an error, because two parsers could use different values."""
    if len(dict(pairs)) < len(pairs):
        raise ValueError("an object contains a key twice")
    return dict(pairs)


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is not a JSON number")


def problems(manifest: Mapping[str, Any]) -> list[str]:
    """List all problems of the fields of a manifest. [] if there are none."""
    if _integer(manifest.get("format")) and manifest["format"] > FORMAT:
        return [f"its format is {manifest['format']}, but this version of netc reads formats up to {FORMAT}; update netc"]
    problems = wrong_fields(manifest, FIELDS | {name: rule for name, rule in OPTIONAL.items() if name in manifest})
    if problems:
        return problems
    names = [entry["name"].casefold() for entry in manifest["files"]]
    return [f"files lists {name!r} twice" for name in sorted({n for n in names if names.count(n) > 1})]


def wrong_fields(record: Mapping[str, Any], fields: Mapping[str, tuple[str, Callable[[Any], bool]]]) -> list[str]:
    """List the fields of `record` that are missing or invalid. `fields` maps a name to the expected value and its test."""
    missing = [f"has no field {name!r} ({wanted})" for name, (wanted, _) in fields.items() if name not in record]
    return missing + [
        f"{name} is {_short(record[name])}; expected {wanted}"
        for name, (wanted, test) in fields.items()
        if name in record and not test(record[name])
    ]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _unprintable(value: Any) -> bool:
    if isinstance(value, str):
        return bool(_UNPRINTABLE.search(value))
    if isinstance(value, dict):
        return any(_unprintable(k) or _unprintable(v) for k, v in value.items())
    return isinstance(value, list) and any(map(_unprintable, value))


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    return (_integer(value) and abs(value) < 1 << 63) or (isinstance(value, float) and math.isfinite(value))


def _matches(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and bool(pattern.fullmatch(value))


def _sha256(value: Any) -> bool:
    return _matches(_SHA256, value)


def _file(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and is_file_name(value.get("name"))
        and _text(value.get("role"))
        and _integer(value.get("size"))
        and 0 <= value["size"] < 1 << 50
        and _sha256(value.get("sha256"))
    )


def _port(value: Any) -> bool:
    shape = value.get("shape") if isinstance(value, dict) else None
    return (
        isinstance(shape, list)
        and all((_integer(n) and 0 <= n < 1 << 31) or _matches(_PORT_NAME, n) for n in shape)
        and len(shape) <= 32
        and _matches(_PORT_NAME, value.get("name"))
        and _matches(_DTYPE, value.get("dtype"))
    )


def _tolerance(value: Any) -> bool:
    """Whether a value maps vector files to tolerances."""
    return isinstance(value, dict) and all(
        is_file_name(name) and isinstance(t, dict) and all(_number(t.get(k)) and 0 <= t[k] < 1 for k in ("relative", "absolute"))
        for name, t in value.items()
    )


def _dataset(value: Any) -> bool:
    return value is None or (
        isinstance(value, dict)
        and _text(value.get("name"))
        and _text(value.get("licence"))
        and (_sha256(value.get("sha256")) or value.get("sha256") == "unknown")
    )


def _parent(value: Any) -> bool:
    return value is None or (
        isinstance(value, dict)
        and is_model_name(value.get("name"))
        and is_version(value.get("version"))
        and _sha256(value.get("manifest_sha256", "0" * 64))
    )


def _base(value: Any) -> bool:
    """Whether a value describes a file that a Model layer starts from: the published file, its licence and where it comes from."""
    return (
        isinstance(value, dict)
        and is_file_name(value.get("file"))
        and _sha256(value.get("sha256"))
        and _text(value.get("licence"))
        and _text(value.get("origin"))
        and _text(value.get("producer", "-"))
    )


def _metrics(value: Any) -> bool:
    return isinstance(value, dict) and all(_text(k) and _number(v) for k, v in value.items())


def _column(value: Any) -> bool:
    """Whether a value describes a column of a table: the input, its type, a typical raw value and the values of the training rows."""
    return (
        isinstance(value, dict)
        and _matches(_PORT_NAME, value.get("name"))
        and _text(value.get("type"))
        and _matches(_DTYPE, value.get("dtype"))
        and isinstance(value.get("values"), str)
        and isinstance(value.get("gaps"), bool)
        and (value.get("example") is None or isinstance(value["example"], str) or _number(value["example"]))
        and isinstance(value.get("format", ""), str)
    )


def _list_of(test: Callable[[Any], bool], most: int = MOST_FILES) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and len(value) <= most and all(map(test, value))


SHA256 = ("64 hexadecimal digits", _sha256)
NAME = ("a name of [a-z0-9._-]", is_model_name)
VERSION = ("three numbers such as 1.0.0", is_version)
CREATED = ("a UTC date", lambda v: isinstance(v, str) and bool(re.fullmatch(r"\d{4}-\d\d-\d\d", v, re.ASCII)))
TEXT = ("a text", _text)
COUNT = ("a whole number", lambda v: _integer(v) and 0 <= v < 1 << 63)
FLAG = ("true or false", lambda v: isinstance(v, bool))
ALIAS_LIST = ("a list of words of [a-z0-9_-]", _list_of(is_alias))
METRICS = ("a mapping of names to finite numbers", _metrics)

FIELDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "format": (f"{FORMAT}", lambda v: _integer(v) and v == FORMAT),
    "name": NAME,
    "version": VERSION,
    "created": CREATED,
    "description": TEXT,
    "files": (f"at most {MOST_FILES} of {{name of [a-z0-9._-], role, size, sha256}}", _list_of(_file)),
    "net_sha256": SHA256,
    "dataset": ("{name, sha256 or 'unknown', licence} or null", _dataset),
    "seed": ("a whole number", _integer),
    "metrics": METRICS,
    "opset": COUNT,
    "licence": TEXT,
    "parent": ("{name, version, manifest_sha256} or null", _parent),
    "inputs": ("a list of {name, dtype, shape}", _list_of(_port, MOST_PORTS)),
    "outputs": ("a list of {name, dtype, shape}", _list_of(_port, MOST_PORTS)),
    "netc": TEXT,
    "command": TEXT,
}

# Fields that some models lack.
OPTIONAL: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "intended_use": TEXT,
    "limits": TEXT,
    "preprocessing": ("a list of texts", _list_of(_text)),
    "parameters": COUNT,
    "columns": ("a list of {name, type, dtype, values, gaps, example}", _list_of(_column, MOST_PORTS)),
    "base": ("a list of {file, sha256, licence, origin, producer}", _list_of(_base)),
    "labels": ("a list of texts", _list_of(_text)),
    "task": TEXT,
    "thresholds": ("a mapping of names to finite numbers", _metrics),
    "tolerance": ("{file of vectors: {relative, absolute}} with numbers below 1", _tolerance),
}
