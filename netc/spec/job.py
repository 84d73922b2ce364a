"""A job: a net with its solver, as a command reads them from one file or from Caffe's two."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from netc import netc_pb2 as pb
from netc.errors import Fault, SpecError, near
from netc.spec.document import Document
from netc.spec.load import load, parse_yaml

SOLVER_FIELDS = {f.name for f in pb.SolverParameter.DESCRIPTOR.fields}
OLD_TYPES = ("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam")  # by the number in Caffe's old enum
LENGTHS = {"max_iter": "max_epoch", "max_epoch": "max_iter"}  # to set one on the command line is to unset the other
NET_FIELDS = {f.name for f in pb.NetParameter.DESCRIPTOR.fields}


@dataclass(frozen=True)
class Job:
    """What to train, and how. `solver_at` is where the solver stands: a document and the path within it."""

    name: str
    train: Document
    test: Document
    solver: pb.SolverParameter
    solver_at: tuple[Document, tuple[str | int, ...]]
    overrides: tuple[str, ...] = ()

    def net(self, phase: str) -> Document:
        """The NetParameter of a phase."""
        return self.train if phase == "TRAIN" else self.test

    def state(self, phase: str) -> tuple[tuple[str, ...], int | None]:
        """Stages and level that the solver asks for in a phase."""
        solver = self.solver
        state = solver.train_state if phase == "TRAIN" else solver.test_state[0] if solver.test_state else pb.NetState()
        return tuple(state.stage), state.level if state.HasField("level") else None

    def solver_place(self, *path: str | int) -> str:
        """`file:line:column` of a field of the solver."""
        document, start = self.solver_at
        return document.place(*start, *path)

    @property
    def draws_seed(self) -> bool:
        """Whether each start of the job has a seed of its own."""
        return bool(self.solver.HasField("random_seed") and self.solver.random_seed == -1)

    @cached_property
    def seed(self) -> int:
        """random_seed; 0 where it is unset, so that runs repeat, and a random one for -1."""
        if self.draws_seed:
            return secrets.randbits(31)
        return int(self.solver.random_seed) if self.solver.HasField("random_seed") else 0

    def with_seed(self, seed: int) -> "Job":
        """The same job with the seed of a run that drew one."""
        return replace(self, solver=_seeded(self.solver, seed))

    def pretraining(self, stage: int) -> "Job":
        """The job of that stage of solver.pretrain: the solver with the stage's fields in place of its own, and without tests."""
        document, at = self.solver_at
        return replace(self, solver=_stage_solver(self.solver, stage, self.seed), solver_at=(document, (*at, "pretrain", stage)))

    @property
    def base(self) -> str:
        """The folder that paths of data are relative to: the net file's."""
        return str(Path(self.train.path).parent)

    @property
    def sha256(self) -> str:
        """Of the texts that the job was read from, and of what was changed on the command line."""
        texts = [self.train.text, self.test.text, self.solver_at[0].text, *self.overrides]
        return sha256("\0".join(texts).encode()).hexdigest()

    def resolved(self) -> pb.NetParameter:
        """The whole job as one NetParameter, the solver inside, with every override and the seed that was drawn for -1."""
        whole = _copy(self.train.message) if self.train is self.test else _joined(self.train.message, self.test.message)
        whole.solver.CopyFrom(_seeded(self.solver, self.seed) if self.draws_seed else self.solver)
        for field in ("net", "train_net", "test_net", "net_param", "train_net_param", "test_net_param"):
            whole.solver.ClearField(field)
        return whole


def load_job(path: str, overrides: Sequence[str] = ()) -> Job:
    """The job of a net file with a solver in it, or of a solver file that names its net. `overrides` are `path=value`.

    SpecError lists all that is wrong with the files and the overrides.
    """
    at: tuple[str, ...]
    document = load(path, pb.SolverParameter if _is_solver(path) else pb.NetParameter)
    if isinstance(document.message, pb.NetParameter):
        train = test = document
        solver, at = document.message.solver, ("solver",)
    else:
        solver, at = document.message, ()
        train, test = _nets(document)
    solver = _with_type(_copy(solver))
    train, test, solver = _overridden(train, test, solver, overrides)
    name = train.message.name or Path(path).stem
    return Job(_plain(name), train, test, solver, (document, at), tuple(overrides))


def _with_type(solver: pb.SolverParameter) -> pb.SolverParameter:
    """`solver` with the type that Caffe's old enum names, where only that is given."""
    if solver.HasField("solver_type") and not solver.HasField("type"):
        solver.type = OLD_TYPES[solver.solver_type]
    return solver


def _seeded(solver: pb.SolverParameter, seed: int) -> pb.SolverParameter:
    copy: pb.SolverParameter = _copy(solver)
    copy.random_seed = seed
    return copy


def _stage_solver(solver: pb.SolverParameter, stage: int, seed: int) -> pb.SolverParameter:
    copy, own = _seeded(solver, seed), solver.pretrain[stage]
    for name in {*own.DESCRIPTOR.fields_by_name, "pretrain", "test_interval", "patience", "monitor"} - {"layer"}:
        copy.ClearField(name)
    for field, value in own.ListFields():
        if field.is_repeated:
            getattr(copy, field.name).extend(value)
        elif field.name != "layer":
            setattr(copy, field.name, value)
    return copy


def _is_solver(path: str) -> bool:
    """Whether a protobuf text is a solver: what its first field belongs to decides. YAML files are nets."""
    if Path(path).suffix in (".yaml", ".yml") or not Path(path).is_file():
        return False
    for line in Path(path).read_text(errors="replace").splitlines():
        words = line.split("#")[0].replace(":", " ").replace("{", " ").split()
        if words:
            return words[0] in SOLVER_FIELDS - NET_FIELDS
    return False


def _nets(document: Document) -> tuple[Document, Document]:
    """The nets for training and for testing that a solver names or holds."""
    solver, found = document.message, []
    for phase in ("train", "test"):
        fields = (f"{phase}_net_param", f"{phase}_net", "net_param", "net")
        field = next((f for f in fields if (len(getattr(solver, f)) if f.startswith("test") else solver.HasField(f))), None)
        if field is None:
            raise SpecError(Fault(document.place(), f'the solver names no net for phase {phase.upper()}; give net: "FILE"'))
        value = getattr(solver, field)
        first = value[0] if field.startswith("test") else value
        if isinstance(first, str):
            found.append(_named(document, field, first))
        else:
            path = (field, 0) if field.startswith("test") else (field,)
            positions = {p[len(path) :]: at for p, at in document.positions.items() if p[: len(path)] == path}
            found.append(replace(document, message=first, positions=positions))
    return found[0], found[1]


def _named(document: Document, field: str, name: str) -> Document:
    """The net file that a solver names, from the current folder as in Caffe, or else from the solver's."""
    for path in (Path(name), Path(document.path).parent / name):
        if path.is_file():
            return load(str(path))
    raise SpecError(Fault(document.place(field), f"{field}: no such file {name!r}, neither here nor beside the solver"))


def _overridden(
    train: Document, test: Document, solver: pb.SolverParameter, overrides: Sequence[str]
) -> tuple[Document, Document, pb.SolverParameter]:
    """The documents and the solver with each `path=value` in them, and all faults of those at once."""
    faults: list[Fault] = []
    nets = [_copy(d.message) for d in ((train,) if train is test else (train, test))]
    for override in overrides:
        path, equals, value = override.partition("=")
        try:
            if not equals or not all(path.split(".")):
                raise SpecError("expected path=value, such as solver.max_iter=500 or layers.conv1.num_output=32")
            first, _, rest = path.partition(".")
            if first == "solver" and rest:
                _merge(solver, _parsed(_nested(rest, value), pb.SolverParameter))
                if value.strip() == "[]":
                    solver.ClearField(rest)
                if rest in LENGTHS:
                    solver.ClearField(LENGTHS[rest])
            elif first in ("layers", "layer"):
                for net in nets:
                    _set_layer(net, rest, value)
            elif first in NET_FIELDS:
                for net in nets:
                    _merge(net, _parsed(_nested(path, value), pb.NetParameter))
            else:
                hint = near(first, NET_FIELDS | {"solver", "layers"})
                raise SpecError(f"{first!r} is neither solver, layers nor a field of the net; {hint}")
        except SpecError as e:
            faults += [Fault(f"--set {override}", f.text) for f in e.faults]
    if faults:
        raise SpecError(*faults)
    new = [replace(d, message=m) for d, m in zip((train,) if train is test else (train, test), nets, strict=True)]
    return new[0], new[-1], solver


def _joined(train: pb.NetParameter, test: pb.NetParameter) -> pb.NetParameter:
    """Two nets as one: layers that both have once, the others each for its phase, in an order that suits both."""
    whole = _copy(train)
    whole.ClearField("layer")
    old, new = ([layer.SerializeToString(deterministic=True) for layer in net.layer] for net in (train, test))
    for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            whole.layer.extend(train.layer[a:b])
        else:
            whole.layer.extend(only for layer in train.layer[a:b] if (only := _only(layer, pb.TRAIN)))
            whole.layer.extend(only for layer in test.layer[c:d] if (only := _only(layer, pb.TEST)))
    return whole


def _only(layer: pb.LayerParameter, phase: pb.Phase) -> pb.LayerParameter | None:
    """`layer` with rules that keep it out of the other phase; None if it never runs in `phase`."""
    layer = _copy(layer)
    if layer.exclude:
        layer.exclude.add(phase=pb.TEST if phase == pb.TRAIN else pb.TRAIN)
        return layer
    rules = [rule for rule in layer.include if not rule.HasField("phase") or rule.phase == phase]
    if layer.include and not rules:
        return None
    layer.ClearField("include")
    layer.include.extend(rules or [pb.NetStateRule()])
    for rule in layer.include:
        rule.phase = phase
    return layer


def _nested(path: str, value: str) -> str:
    """`a.b=1` as YAML, a key a line."""
    keys = path.split(".")
    return "\n".join(f"{'  ' * k}{key}:" for k, key in enumerate(keys)) + f" {value}"


def _parsed(text: str, message_type: type[Message]) -> Any:
    return parse_yaml(text, message_type, "--set").message


def _set_layer(net: pb.NetParameter, path: str, value: str) -> None:
    """Set `name.field` in every layer of that name. A name may have dots in it."""
    names = {layer.name for layer in net.layer}
    name = max((n for n in names if path.startswith(f"{n}.")), key=len, default="")
    field = path.removeprefix(f"{name}.")
    if not name or not field:
        said = path.partition(".")[0]
        missing = f"a field is missing: layers.{said}.FIELD=value"
        raise SpecError(missing if said in names else f"there is no layer {said!r}; {near(said, names)}")
    for layer in net.layer:
        if layer.name == name:
            fixed = {"type": layer.type, "name": "x", "bottom": "[x, x]", "top": "[x]"}
            fixed.pop(field, None)
            lines = [*(f"{k}: {v}" for k, v in fixed.items()), *_nested(field, value).splitlines()]
            change = _parsed("layers:\n  - " + "\n    ".join(lines), pb.NetParameter).layer[0]
            for k in fixed:
                change.ClearField(k)
            _merge(layer, change)


def _merge(target: Message, change: Message) -> None:
    """Fields of `change` into `target`; lists are replaced, not lengthened."""
    for field, value in change.ListFields():
        if field.message_type and field.message_type.GetOptions().map_entry:
            for key in value:
                getattr(target, field.name)[key].CopyFrom(value[key])
        elif field.message_type and not field.is_repeated:
            _merge(getattr(target, field.name), value)
        else:
            target.ClearField(field.name)
            only = type(change)()
            getattr(only, field.name).extend(value) if field.is_repeated else setattr(only, field.name, value)
            target.MergeFrom(only)


def _copy(message: Any) -> Any:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def _plain(name: str) -> str:
    """A net's name as a folder and a zoo can have it: lower case, `-` for what is neither letter nor digit."""
    text = "".join(c if c.isalnum() and c.isascii() else "-" if c in " -./" else "_" if c == "_" else "" for c in name.lower())
    return text.strip("-._") or "net"
