"""The tables that decorators fill: one for each kind of thing that a user can add.

    @layer("ELU")
    def elu(ctx, x): ...

`layer.find("ELU")` is then that function. A plug-in is a Python file that uses these
decorators; nothing else is needed to add a layer, a gradient or an optimizer.
"""

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from traceback import extract_tb
from typing import Any, TypeVar

from netc.errors import Diagnostic, GradientError, NetcError, Place, SpecError, near

F = TypeVar("F", bound=Callable[..., Any])


class Registry(dict[Any, Callable[..., Any]]):
    """Functions by name. Names are strings, or (domain, op) pairs for gradients."""

    def __init__(self, kind: str, error: type[NetcError] = SpecError):
        super().__init__()
        self.kind, self.error = kind, error
        self.facts: dict[Any, dict[str, Any]] = {}

    def __call__(self, *names: Any, **facts: Any) -> Callable[[F], F]:
        """Decorator that files a function, and facts about it, under each of `names`. ValueError if one is taken."""

        def add(function: F) -> F:
            for name in names:
                if name in self:
                    raise ValueError(f"{self.kind} {name!r} is defined twice")
                self[name] = function
                self.facts[name] = facts
            return function

        return add

    def find(self, name: Any) -> Callable[..., Any]:
        """The function called `name`; the registry's error, with what is near, if there is none."""
        if name in self:
            return self[name]
        raise self.error(f"There is no {self.kind} {name!r}. {near(str(name), map(str, self))}")


class Rules(Registry):
    """Gradient rules by (domain, op)."""

    def __call__(self, *ops: Any, domain: str = "", **facts: Any) -> Callable[[F], F]:
        return super().__call__(*((domain, op) for op in ops), **facts)


layer = Registry("layer type")
source = Registry("data source")
dataset = Registry("data set")
filler = Registry("filler")
training_op = Registry("training op")
body = Registry("body of training op")
gradient = Rules("gradient of op", GradientError)
optimizer = Registry("solver type")
schedule = Registry("lr_policy")
score = Registry("score of layer type")
section = Registry("section of a report")

BUILT_IN = ("netc.fillers", "netc.graph.training_ops", "netc.layers", "netc.graph.gradients", "netc.optimizers", "netc.schedules",
            "netc.training.likelihood")  # fmt: skip
_loaded: set[str] = set()


def load(*plugins: str) -> None:
    """Fill the tables: netc's own modules, installed plug-ins (entry points `netc.plugins`), and plug-in files.

    SpecError if a plug-in cannot be found or fails to load.
    """
    if "netc" not in _loaded:
        _loaded.add("netc")
        for name in BUILT_IN:
            import_module(name)
        for entry in entry_points(group="netc.plugins"):
            entry.load()
    for plugin in plugins:
        path = Path(plugin).resolve()
        if str(path) in _loaded:
            continue
        spec = spec_from_file_location(f"netc_plugin_{path.stem}", path)
        if not path.is_file() or spec is None or spec.loader is None:
            raise SpecError(f"Plug-in {plugin}: There is no such Python file.")
        try:
            spec.loader.exec_module(module_from_spec(spec))
        except Exception as e:
            raise SpecError(
                Diagnostic(_place_of(e, str(path), plugin), f"The plug-in cannot be loaded: {type(e).__name__}: {getattr(e, 'msg', e)}")
            ) from e
        _loaded.add(str(path))


def plugins() -> tuple[str, ...]:
    """The plug-in files that were loaded."""
    return tuple(sorted(_loaded - {"netc"}))


def _place_of(error: Exception, path: str, name: str) -> Place:
    """The place of what went wrong in the plug-in at `path`, which the user calls `name`."""
    if isinstance(error, SyntaxError) and error.filename == path:
        return Place(name, error.lineno or 0, error.offset or 1)
    lines = [frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == path]
    return Place(name, lines[-1] or 0, 1) if lines else Place(name)
