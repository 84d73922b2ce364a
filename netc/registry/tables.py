"""All registries together, and the plug-in files that were loaded into them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from traceback import extract_tb

from netc.errors import Diagnostic, Place, SpecError
from netc.registry.records import LayerType
from netc.registry.table import Functions, Layers, Registry, Rules, TrainingOps

BUILT_IN = ("netc.fillers", "netc.graph.training_ops", "netc.table", "netc.layers", "netc.graph.gradients", "netc.optimizers",
            "netc.schedules", "netc.training.likelihood")  # fmt: skip


class Tables:
    """All registries."""

    def __init__(self) -> None:
        self.layer = Layers()
        self.column_type = Functions("column type")
        self.source = Functions("data source")
        self.dataset = Functions("data set")
        self.filler = Functions("filler")
        self.training_op = TrainingOps()
        self.body = Functions("body of training op")
        self.gradient = Rules()
        self.optimizer = Functions("solver type")
        self.schedule = Functions("lr_policy")
        self.score = Functions("score of layer type")
        self.section = Functions("section of a report")
        self._plugins: set[str] = set()
        self._has_own = False

    def layer_type(self, name: str) -> LayerType:
        """The record of a layer type; a record without properties if the type is not registered."""
        self.load()
        return self.layer.records.get(name) or LayerType(name)

    def load(self, *plugins: str) -> None:
        """Fill the registries: netc's own modules, installed plug-ins (entry points `netc.plugins`), and plug-in files.

        SpecError if a plug-in does not exist or fails to load.
        """
        if not self._has_own:
            self._has_own = True
            for name in BUILT_IN:
                import_module(name)
            for entry in entry_points(group="netc.plugins"):
                entry.load()
        for plugin in plugins:
            path = str(Path(plugin).resolve())
            if path not in self._plugins:
                _run(plugin, path)
                self._plugins.add(path)

    def plugins(self) -> tuple[str, ...]:
        """The plug-in files that were loaded."""
        return tuple(sorted(self._plugins))

    @contextmanager
    def scoped(self) -> Iterator[None]:
        """Undo registrations and loaded plug-ins at the end of the `with` block."""
        self.load()
        before = set(self._plugins)
        with ExitStack() as stack:
            for table in vars(self).values():
                if isinstance(table, Registry):
                    stack.enter_context(table.scoped())
            try:
                yield
            finally:
                self._plugins = before


def _run(plugin: str, path: str) -> None:
    """Run a plug-in's file. SpecError at the line that fails."""
    spec = spec_from_file_location(f"netc_plugin_{Path(path).stem}", path)
    if not Path(path).is_file() or spec is None or spec.loader is None:
        raise SpecError(f"Plug-in {plugin}: There is no such Python file.")
    try:
        spec.loader.exec_module(module_from_spec(spec))
    except Exception as e:
        text = f"The plug-in cannot be loaded: {type(e).__name__}: {getattr(e, 'msg', e)}"
        raise SpecError(Diagnostic(_place_of(e, path, plugin), text)) from e


def _place_of(error: Exception, path: str, name: str) -> Place:
    """The place of an error in the plug-in at `path`, which the user calls `name`."""
    if isinstance(error, SyntaxError) and error.filename == path:
        return Place(name, error.lineno or 0, error.offset or 1)
    lines = [frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == path]
    return Place(name, lines[-1] or 0, 1) if lines else Place(name)
