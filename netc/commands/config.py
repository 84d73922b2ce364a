"""`netc config`: list every value of a net and its solver, and where it comes from."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from google.protobuf.message import Message

from netc import terminal
from netc.data.settings import shuffles
from netc.spec import Document, Job, to_yaml
from netc.spec.fields import LAYER_FIELDS, SINGLE, messages, own_fields
from netc.spec.reading import LAYER, SOLVER
from netc.spec.scalars import to_text
from netc.spec.solver_settings import UNSET

FILE, SET, RULE, CAFFE, NETC = "file", "--set", "filled in", "Caffe's default", "netc's default"
OWN_FROM = 1000  # field numbers of netc's own fields start here
LISTS = {"stride": "1", "pad": "0", "dilation": "1"}  # defaults of repeated fields
SPOKEN = ("name", "type", "bottom", "top", "include", "exclude", "loss_weight", "param", "propagate_down", "freeze", "lr_mult", "phase")


@dataclass(frozen=True)
class Setting:
    """A value with the path of its field, such as `layers.conv1.num_output`. `place` is `file:line:column` if it is set in a file."""

    path: str
    value: str
    origin: str
    place: str = ""


def settings(job: Job, before: Job | None = None) -> list[Setting]:
    """Every value of the training net, of layers that only the test net has, and of the solver.

    `before` is the job without overrides from the command line, to mark the values that they changed.
    """
    walk = Walk(job.train, before.train if before else job.train)
    listed = [s for name in ("name", "force_backward") for s in walk.field(job.train.message, name, (), "")]
    for i, layer in enumerate(job.train.message.layer):
        listed += walk.layer(layer, i)
    names = {layer.name for layer in job.train.message.layer}
    if job.test is not job.train:
        tested = Walk(job.test, before.test if before else job.test)
        for i, layer in enumerate(job.test.message.layer):
            listed += tested.layer(layer, i) if layer.name not in names else []
    if job.solver.ListFields():
        document, at = job.solver_at
        old = before.solver if before else job.solver
        listed += Walk(document, document).solver(job.solver, old, at)
    return listed


@dataclass(frozen=True)
class Walk:
    """Walks the values of a document, and of the same document without overrides."""

    document: Document
    before: Document

    def layer(self, layer: Any, i: int) -> Iterator[Setting]:
        """The values of a layer: common fields that are set, and all fields of the messages of its type."""
        old = self.before.message.layer[i] if i < len(self.before.message.layer) else None
        at, prefix = ("layer", i), f"layers.{layer.name}."
        for name in SPOKEN:
            yield from self._set(layer, old, LAYER.fields_by_name[name], at, prefix)
        for param in messages(layer.type):
            message, had = getattr(layer, param), None if old is None else getattr(old, param)
            own = LAYER_FIELDS[param].number >= OWN_FROM
            fields = [f for f in message.DESCRIPTOR.fields if own_fields(layer.type)[f.name][0] == param]
            for setting in self.message(message, had, (*at, param), prefix, own, fields):
                shuffled = setting.path == f"{prefix}shuffle" and setting.origin in (CAFFE, NETC)
                yield replace(setting, value=str(shuffles(layer)).lower()) if shuffled else setting
        if layer.HasField("custom"):
            for key, value in layer.custom.items():
                yield Setting(f"{prefix}custom.{key}", str(value), FILE, str(str(self.document.place(*at, "custom"))))

    def solver(self, solver: Any, old: Any, at: tuple[str | int, ...]) -> Iterator[Setting]:
        """The values of the solver."""
        for setting in self.message(solver, old, at, "solver.", False, SOLVER.fields):
            name = setting.path.removeprefix("solver.")
            unset = setting.origin in (CAFFE, NETC) and name in UNSET
            yield replace(setting, value=UNSET[name], origin=NETC) if unset else setting

    def message(self, message: Any, old: Any, at: tuple[str | int, ...], prefix: str, own: bool, fields: Any = None) -> Iterator[Setting]:
        """Every field of a message: set fields, and the defaults of unset single fields."""
        for field in fields or message.DESCRIPTOR.fields:
            if _is_set(message, field):
                yield from self._set(message, old, field, at, prefix)
            elif field.message_type is None and (not field.is_repeated or field.name in {**UNSET, **LISTS}):
                value = LISTS.get(field.name, "") if field.is_repeated else to_text(field, field.default_value)
                value = value if field.is_repeated or field.has_default_value else ""
                yield Setting(f"{prefix}{field.name}", value, NETC if own or field.number >= OWN_FROM else CAFFE)
            elif field.message_type is not None and field.message_type.name == "FillerParameter":
                yield Setting(f"{prefix}{field.name}.type", "constant", CAFFE)

    def field(self, message: Any, name: str, at: tuple[str | int, ...], prefix: str) -> Iterator[Setting]:
        """One field of a message, if it is set."""
        yield from self._set(message, self.before.message, message.DESCRIPTOR.fields_by_name[name], at, prefix)

    def _set(self, message: Any, old: Any, field: Any, at: tuple[str | int, ...], prefix: str) -> Iterator[Setting]:
        if not _is_set(message, field):
            return
        here, path = (*at, field.name), f"{prefix}{field.name}"
        value = getattr(message, field.name)
        had = getattr(old, field.name) if old is not None else None
        if field.message_type is None:
            changed = had is not None and (value != had or not _is_set(old, field))
            short = message.DESCRIPTOR.name in SINGLE  # a filler, for example, can be given as its type only
            known = self.document.states(*here) or (short and self.document.states(*at))
            origin = SET if changed else FILE if known else RULE
            text = ", ".join(to_text(field, v) for v in value) if field.is_repeated else to_text(field, value)
            yield Setting(path, text, origin, str(self.document.place(*here)) if origin == FILE else "")
            return
        for k, (item, inner) in enumerate(_items(field, value, here)):
            earlier = None if had is None else had if not field.is_repeated else had[k] if k < len(had) else None
            numbered = f"{path}.{k}." if field.is_repeated else f"{path}."
            for inside, _ in item.ListFields():
                yield from self._set(item, earlier, inside, inner, numbered)


def _items(field: Any, value: Any, here: tuple[str | int, ...]) -> Iterator[tuple[Any, tuple[str | int, ...]]]:
    if not field.is_repeated:
        yield value, here
    elif not (field.message_type.GetOptions().map_entry):
        yield from ((item, (*here, k)) for k, item in enumerate(value))


def _is_set(message: Message, field: Any) -> bool:
    return bool(getattr(message, field.name)) if field.is_repeated else message.HasField(field.name)


def lines(listed: list[Setting]) -> Iterator[str]:
    """The output of `netc config`: one line per value, with its origin."""
    rows = [(f"{s.path}: {s.value or 'unset'}", s.place or s.origin) for s in listed]
    width = terminal.column(left for left, _ in rows)
    for left, right in rows:
        yield f"{left.ljust(width)}  {right}"


def as_yaml(job: Job) -> str:
    """The net and its solver as one YAML text without blocks, which reads as the same net."""
    net = job.resolved()
    if not net.solver.ListFields():
        net.ClearField("solver")
    return to_yaml(net)


def as_json(listed: list[Setting]) -> list[dict[str, str]]:
    """The settings as dictionaries for JSON."""
    return [asdict(s) for s in listed]
