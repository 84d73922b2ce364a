"""A registry: functions by name, each with a record of its properties. Decorators fill it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Generic, TypeVar

from netc.errors import GradientError, NetcError, SpecError, near
from netc.registry.records import LayerType, OpInfo

F = TypeVar("F", bound=Callable[..., Any])
Record = TypeVar("Record")


class Registry(dict[Any, Callable[..., Any]], Generic[Record]):
    """Functions by name. `records` has a record for each name, which `record` creates from the name and the decorator's keywords."""

    def __init__(self, kind: str, record: Callable[..., Record], error: type[NetcError] = SpecError):
        super().__init__()
        self.kind, self.record, self.error = kind, record, error
        self.records: dict[Any, Record] = {}

    def __call__(self, *names: Any, **properties: Any) -> Callable[[F], F]:
        """Decorator that registers a function under each of `names`, with a record of `properties`. ValueError if a name is taken."""

        def add(function: F) -> F:
            for name in names:
                if name in self and not self.is_replaceable(name):
                    raise ValueError(f"{self.kind} {name!r} is defined twice")
                self.records[name] = self.record(name, **properties)
                self[name] = function
            return function

        return add

    def is_replaceable(self, name: Any) -> bool:
        """Whether a plug-in may define `name` again."""
        return False

    def find(self, name: Any) -> Callable[..., Any]:
        """Return the function called `name`. If there is none, raise the registry's error with similar names."""
        if name in self:
            return self[name]
        raise self.error(f"There is no {self.kind} {name!r}. {near(str(name), map(str, self))}")

    def is_own(self, name: Any) -> bool:
        """Whether the function called `name` is part of netc, not of a plug-in."""
        return name in self and str(getattr(self[name], "__module__", "")).startswith("netc.")

    @contextmanager
    def scoped(self) -> Iterator[None]:
        """Undo registrations at the end of the `with` block, except those of netc's own modules: Python imports these only once."""
        functions, records = dict(self), dict(self.records)
        try:
            yield
        finally:
            own = {n: f for n, f in self.items() if self.is_own(n) and n not in functions}
            records |= {n: self.records[n] for n in own}
            self.clear()
            self.update(functions | own)
            self.records = records


def _properties(_: Any, **properties: Any) -> dict[str, Any]:
    """The record of a kind that has no record type: the decorator's keywords."""
    return properties


class Functions(Registry[dict[str, Any]]):
    """A registry whose records are the keywords of the decorators."""

    def __init__(self, kind: str, error: type[NetcError] = SpecError):
        super().__init__(kind, _properties, error)


class Layers(Registry[LayerType]):
    """The functions of layers, by layer type."""

    def __init__(self) -> None:
        super().__init__("layer type", LayerType)
        self.replaced = set[str]()  # types of netc that a plug-in has defined again

    def is_replaceable(self, name: Any) -> bool:
        """A type that only forks of Caffe have may be a plug-in's: the plug-in may be older than netc's own layer."""
        if not self.is_own(name) or name not in import_module("netc.spec.forks").TYPES:
            return False
        self.replaced.add(name)
        return True

    @contextmanager
    def scoped(self) -> Iterator[None]:
        """Like that of every registry. It also forgets which types were defined again."""
        replaced = set(self.replaced)
        try:
            with super().scoped():
                yield
        finally:
            self.replaced = replaced

    def __call__(self, *names: Any, **properties: Any) -> Callable[[F], F]:
        """Like that of every registry. A relative path in `fields` starts from the file of the function."""

        def add(function: F) -> F:
            fields = properties.get("fields")
            beside = {"fields": str(Path(function.__code__.co_filename).parent / fields)} if isinstance(fields, str) else {}
            return super(Layers, self).__call__(*names, **{**properties, **beside})(function)

        return add


class Rules(Functions):
    """The gradient rules, by (domain, op)."""

    def __init__(self) -> None:
        super().__init__("gradient of op", GradientError)

    def __call__(self, *ops: Any, domain: str = "", **properties: Any) -> Callable[[F], F]:
        return super().__call__(*((domain, op) for op in ops), **properties)


class TrainingOps(Registry[OpInfo]):
    """The functions of training ops, by name."""

    def __init__(self) -> None:
        super().__init__("training op", lambda _, **properties: OpInfo(**properties))
