"""netc from Python: programs, training and step files. `netc.api.net` has nets to run by hand."""

from collections.abc import Mapping
from typing import Any

from netc import registry
from netc.commands.options import TrainOptions
from netc.commands.train import train_command
from netc.compiler import compilation
from netc.compiler.program import Program, checked
from netc.compiler.step_files import write
from netc.runtime.backends import AUTO


def load(path: str, *overrides: str, allow_python: bool = False) -> Program:
    """The checked program of a net file: its nets, graphs and models. `overrides` are as of --set, `allow_python` as --allow-python."""
    registry.load()
    return checked(compilation.load(path, overrides, allow_python=allow_python))


def compile(path: str, output: str = "build", **overrides: Any) -> list[Any]:
    """Write the step contract of a net file into a folder; returns the paths. Overrides as `netc.compile(p, max_iter=9)`: solver fields."""
    return write(load(path, *_solver(overrides)), output)


def train(path: str, runs: str = "runs", zoo: str | None = None, provider: str = AUTO, allow_python: bool = False, **overrides: Any) -> str:
    """Train a net file as `netc train` does; keyword arguments are fields of its solver. Returns why it ended."""
    registry.load()
    job = compilation.load(path, _solver(overrides), allow_python=allow_python)
    return train_command(job, TrainOptions(provider=provider, runs=runs, zoo=zoo))


def _solver(overrides: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(f"solver.{name}={value}" for name, value in overrides.items())
