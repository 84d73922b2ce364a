"""run.json: the machine, versions and times of a run. Times are here and not in the log, so that equal runs have equal logs."""

import json
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from netc.compiler.program import Program
from netc.errors import RunError
from netc.files import read_file, replace_file
from netc.formats.typed_json import MisfitError, typed
from netc.graph.multiply_adds import size
from netc.spec.scalars import shortest
from netc.training.evaluate import Scores
from netc.version import VERSION

NAME = "run.json"


@dataclass(frozen=True)
class Part:
    """A part of a run without interruption. A resumed run has several parts."""

    command: str
    started: str  # in ISO 8601 format
    environment: dict[str, str]
    steps: int = 0
    training: float = 0.0  # seconds in steps
    other: float = 0.0  # seconds in tests, snapshots and compiling


@dataclass(frozen=True)
class Record:
    """A run: its net file, its size, its parts, and how it ended. `reason` is "" while the run is active."""

    net: str
    name: str
    plugins: tuple[str, ...]
    layers: int
    parameters: int
    rows: int  # per iteration
    parts: tuple[Part, ...] = ()
    reason: str = ""
    error: str = ""
    iteration: int = 0
    best: int | None = None
    ema: float = 0.0  # the scores and the model are those of an average of the weights, which keeps this share in each iteration
    scores: Scores = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return sum(p.training + p.other for p in self.parts)

    @property
    def speed(self) -> float:
        """Rows per second during training steps; 0 if there were none."""
        training = sum(p.training for p in self.parts)
        return sum(p.steps for p in self.parts) * self.rows / training if training else 0.0

    def write(self, folder: Path) -> None:
        """Write run.json. RunError if that fails."""
        try:
            replace_file(folder / NAME, (json.dumps(asdict(self), indent=1) + "\n").encode())
        except OSError as e:
            raise RunError(f"Cannot write {folder / NAME}: {e.strerror or e}") from e


def read(folder: Path) -> Record | None:
    """Read run.json; None if it is missing or cannot be read."""
    return read_checked(folder)[0]


def read_checked(folder: Path) -> tuple[Record | None, str]:
    """The result of `read`, and why the file cannot be read; "" if it can or is missing."""
    path = folder / NAME
    try:
        return typed(json.loads(read_file(path)), Record), ""
    except FileNotFoundError:
        return None, ""
    except OSError as e:
        return None, f"Cannot read {path}: {e.strerror or e}"
    except (ValueError, RecursionError, MisfitError) as e:
        return None, f"{path}: The record of the training run is invalid: {e}"


def new(program: Program, rows: int, plugins: tuple[str, ...]) -> Record:
    """The record of a new run."""
    parameters = sum(size(p.shape) for p in program.train.parameters)
    path = os.path.abspath(program.job.train.path)
    layers, ema = len(program.train_net.layers), program.job.settings.ema
    return Record(path, program.job.name, plugins, layers, parameters, rows, ema=float(shortest(ema)))


def environment(program: Program, threads: int, why: str) -> dict[str, str]:
    """The machine and the versions of the software."""
    import numpy
    import onnx
    import onnxruntime

    return {
        "provider": f"{program.backend.name} ({why})", "target": program.backend.target, "threads": str(threads), "processor": processor(),
        "cores": str(os.cpu_count()), "system": f"{platform.system()} {platform.machine()}",
        "netc": VERSION, "onnxruntime": onnxruntime.__version__, "onnx": onnx.__version__, "NumPy": numpy.__version__,
        "Python": sys.version.split()[0],
    }  # fmt: skip


def processor() -> str:
    """The name of the processor."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    names: Mapping[str, str] = dict(line.split(":", 1) for line in text.splitlines() if ":" in line and line.startswith("model name"))
    return next(iter(names.values()), platform.machine()).strip()
