"""netc: a declarative net compiler. Net files in; ONNX training graphs, trained models and a model zoo out."""

from importlib import import_module
from typing import Any

_HOMES = {
    "Blob": "netc.runtime.blob",
    "Model": "netc.predict.model",
    "Net": "netc.api.net",
    "NetcError": "netc.errors",
    "Program": "netc.compiler.program",
    "compile": "netc.api",
    "dataset": "netc.registry",
    "filler": "netc.registry",
    "gradient": "netc.registry",
    "layer": "netc.registry",
    "load": "netc.api",
    "op": "netc.graph.ir",
    "optimizer": "netc.optimizers",
    "schedule": "netc.registry",
    "source": "netc.registry",
    "test": "netc.commands.test",
    "train": "netc.api",
    "training_op": "netc.graph.training_ops",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Public names are imported when they are first used, so that `netc --help` is quick."""
    if name not in _HOMES:
        raise AttributeError(f"module 'netc' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
