"""`netc diff`: show the differences between two nets in layers, fields, shapes, parameters and the solver."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from netc.commands.check import Row, parameter_count, rows
from netc.commands.config import settings
from netc.compiler import program as contract
from netc.compiler.compilation import load
from netc.errors import NetcError, SpecError, UnknownModelError, ZooError
from netc.spec import shipped
from netc.spec.loader import BINARY, PROTOTXT, YAML
from netc.zoo import default_location, find, model_folder

NET_FILE = "net.yaml"
UNSET = "unset"
FILES = ("solver.net", "solver.train_net", "solver.test_net")  # the paths of net files are no difference


@dataclass(frozen=True)
class Side:
    """One of the two nets: its values by path, its layer types in order, and shapes and parameters if they are known."""

    name: str
    values: dict[str, str]
    layers: dict[str, str]
    rows: dict[str, Row]
    parameters: int | None
    why: str = ""


def side(name: str, say: Callable[[str], None], allow_python: bool = False) -> Side:
    """Read a net from a file, the folder of a run or model, the zoo, or the nets that netc ships.

    `say` receives a message if a shipped net is copied. SpecError if there is no such net.
    """
    made = load(_file(name, say), allow_python=allow_python)
    job, listed = made.job, settings(made.job)
    values = {s.path: s.value for s in listed if s.path not in FILES}
    layers = {x.name: x.type for net in (job.train, *job.tests) for x in net.message.layer}
    try:
        program = contract.checked(made, needs_solver=False)
    except NetcError as e:
        return Side(name, values, layers, {}, None, str(e).splitlines()[0])
    return Side(name, values, layers, {r.name: r for r in rows(program.train)}, parameter_count(program.train))


def _file(name: str, say: Callable[[str], None]) -> str:
    """The path of the net file for a name on the command line."""
    path = Path(name)
    if path.is_dir() and (path / NET_FILE).is_file():
        return str(path / NET_FILE)
    if path.exists() or path.suffix in (*YAML, *PROTOTXT, *BINARY):
        return shipped.net_file(name, say)
    if name in shipped.names() and not _is_in_zoo(name):
        return shipped.net_file(name, say)
    try:
        return str(model_folder(name) / NET_FILE)
    except UnknownModelError as e:
        raise SpecError(f"{name}: is not a net file, a folder with {NET_FILE}, or a model: {e}") from e


def _is_in_zoo(name: str) -> bool:
    """Whether there is a zoo with a model of that name."""
    try:
        return bool(find(default_location(), name))
    except ZooError:
        return False


def differences(a: Side, b: Side) -> Iterator[str]:
    """Yield the differences as lines: `-` is only in the first net, `+` only in the second, `~` differs."""
    for name in [n for n in a.layers if n not in b.layers]:
        yield f"- layer {name} ({a.layers[name]})"
    for name in [n for n in b.layers if n not in a.layers]:
        yield f"+ layer {name} ({b.layers[name]})"
    both = [n for n in b.layers if n in a.layers]
    changed = _changed(a, b)
    for name in both:
        yield from _layer(name, a, b, changed.get(f"layers.{name}.", ()))
    if [n for n in a.layers if n in b.layers] != both:
        yield "~ the layers have a different order"
    for path in changed.get("solver.", ()):
        yield f"~ {path}: {a.values.get(path) or UNSET} -> {b.values.get(path) or UNSET}"
    if a.parameters is not None and b.parameters is not None and a.parameters != b.parameters:
        yield f"~ parameters: {a.parameters:,} -> {b.parameters:,}"


def _layer(name: str, a: Side, b: Side, changed: Iterable[str]) -> Iterator[str]:
    for path in changed:
        yield f"~ {path}: {a.values.get(path) or UNSET} -> {b.values.get(path) or UNSET}"
    old, new = a.rows.get(name), b.rows.get(name)
    if old is None or new is None:
        return
    if old.shape != new.shape:
        yield f"~ layers.{name} output shape: {old.shape} -> {new.shape}"
    if old.parameters != new.parameters:
        yield f"~ layers.{name} parameters: {old.parameters:,} -> {new.parameters:,}"


def _changed(a: Side, b: Side) -> dict[str, list[str]]:
    """The paths of different values by prefix: `layers.conv1.` for each layer of both nets, or `solver.`."""
    paths: dict[str, list[str]] = {}
    for path in dict.fromkeys((*a.values, *b.values)):
        if a.values.get(path) != b.values.get(path):
            paths.setdefault(_owner(path, a, b), []).append(path)
    return paths


def _owner(path: str, a: Side, b: Side) -> str:
    """The prefix of a path. Layer names may contain dots, so this is the longest match."""
    kind, *parts = path.split(".")
    names = (".".join(parts[:k]) for k in range(len(parts) - 1, 0, -1)) if kind == "layers" else ()
    name = next((n for n in names if n in a.layers and n in b.layers), None)
    return f"{kind}." if name is None else f"{kind}.{name}."


def notes(a: Side, b: Side) -> list[str]:
    """Why shapes and parameters could not be compared; [] if they were."""
    return [f"shapes and parameters are not compared: {s.name}: {s.why}" for s in (a, b) if s.why]
