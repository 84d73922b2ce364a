"""A table that decorators fill: functions by name, and a record of each."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from netc.errors import GradientError, NetcError, SpecError, near
from netc.registry.records import LayerType, OpInfo

F = TypeVar("F", bound=Callable[..., Any])
Record = TypeVar("Record")


class Registry(dict[Any, Callable[..., Any]], Generic[Record]):
    """Functions by name, and under the same names their records, which `record` makes of a name and the decorator's keywords."""

    def __init__(self, kind: str, record: Callable[..., Record], error: type[NetcError] = SpecError):
        super().__init__()
        self.kind, self.record, self.error = kind, record, error
        self.records: dict[Any, Record] = {}

    def __call__(self, *names: Any, **properties: Any) -> Callable[[F], F]:
        """Decorator that files a function, and a record of `properties`, under each of `names`. ValueError if one is taken."""

        def add(function: F) -> F:
            for name in names:
                if name in self:
                    raise ValueError(f"{self.kind} {name!r} is defined twice")
                self.records[name] = self.record(name, **properties)
                self[name] = function
            return function

        return add

    def find(self, name: Any) -> Callable[..., Any]:
        """The function called `name`; the registry's error, with what is near, if there is none."""
        if name in self:
            return self[name]
        raise self.error(f"There is no {self.kind} {name!r}. {near(str(name), map(str, self))}")

    def is_own(self, name: Any) -> bool:
        """Whether the function called `name` is netc's own, and no plug-in's."""
        return name in self and str(getattr(self[name], "__module__", "")).startswith("netc.")

    @contextmanager
    def scoped(self) -> Iterator[None]:
        """What is added within is taken back at the end, except by netc's own modules, which Python imports only once."""
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
    """The record of what has no type of its own: the decorator's keywords."""
    return properties


class Functions(Registry[dict[str, Any]]):
    """Functions whose records are the keywords of their decorators."""

    def __init__(self, kind: str, error: type[NetcError] = SpecError):
        super().__init__(kind, _properties, error)


class Layers(Registry[LayerType]):
    """The functions of layers by type."""

    def __init__(self) -> None:
        super().__init__("layer type", LayerType)


class Rules(Functions):
    """Gradient rules by (domain, op)."""

    def __init__(self) -> None:
        super().__init__("gradient of op", GradientError)

    def __call__(self, *ops: Any, domain: str = "", **properties: Any) -> Callable[[F], F]:
        return super().__call__(*((domain, op) for op in ops), **properties)


class TrainingOps(Registry[OpInfo]):
    """The functions of training ops by name."""

    def __init__(self) -> None:
        super().__init__("training op", lambda _, **properties: OpInfo(**properties))
