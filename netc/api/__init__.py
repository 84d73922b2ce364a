"""The Python interface of netc: programs, training and step files. `netc.api.net` has nets to run by hand."""

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
    """Load and check a net file. Returns its program: nets, graphs and models.

    `overrides` are as for --set, `allow_python` as for --allow-python.
    """
    registry.load()
    return checked(compilation.load(path, overrides, allow_python=allow_python))


def compile(path: str, output: str = "build", **overrides: Any) -> list[Any]:
    """Compile a net file into the step contract in a folder. Returns the paths.

    Overrides are fields of the solver, as in `netc.compile(p, max_iter=9)`.
    """
    return write(load(path, *_solver(overrides)), output)


def train(path: str, runs: str = "runs", zoo: str | None = None, provider: str = AUTO, allow_python: bool = False, **overrides: Any) -> str:
    """Train a net file like `netc train`. Keyword arguments are fields of its solver. Returns why training ended."""
    registry.load()
    job = compilation.load(path, _solver(overrides), allow_python=allow_python)
    return train_command(job, TrainOptions(provider=provider, runs=runs, zoo=zoo))


def _solver(overrides: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(f"solver.{name}={value}" for name, value in overrides.items())
