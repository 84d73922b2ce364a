"""What a run notes of itself beside its log, in run.json: where it ran, with what, and how long. Its times are here, not in the log."""

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
from netc.training.evaluate import Scores
from netc.version import VERSION

NAME = "run.json"


@dataclass(frozen=True)
class Part:
    """A run, or what of it was done without a stop: a run that is resumed has several."""

    command: str
    started: str  # as ISO 8601 has it
    environment: dict[str, str]
    steps: int = 0
    training: float = 0.0  # seconds in steps
    other: float = 0.0  # seconds in tests, snapshots and compiling


@dataclass(frozen=True)
class Record:
    """A run: its net file, its size, its parts, and how it ended: `reason` is "" while it goes on, `error` the message that ended it."""

    net: str
    name: str
    plugins: tuple[str, ...]
    layers: int
    parameters: int
    rows: int  # of one iteration
    parts: tuple[Part, ...] = ()
    reason: str = ""
    error: str = ""
    iteration: int = 0
    best: int | None = None
    scores: Scores = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return sum(p.training + p.other for p in self.parts)

    @property
    def speed(self) -> float:
        """Rows a second in training steps; 0 where there was none."""
        training = sum(p.training for p in self.parts)
        return sum(p.steps for p in self.parts) * self.rows / training if training else 0.0

    def write(self, folder: Path) -> None:
        """As run.json in the folder. RunError if it cannot be written."""
        try:
            replace_file(folder / NAME, (json.dumps(asdict(self), indent=1) + "\n").encode())
        except OSError as e:
            raise RunError(f"Cannot write {folder / NAME}: {e.strerror or e}") from e


def read(folder: Path) -> Record | None:
    """What run.json in the folder says; None where there is none, or none that can be read."""
    return read_judged(folder)[0]


def read_judged(folder: Path) -> tuple[Record | None, str]:
    """What `read` gives, and what is wrong with the file; "" if nothing is, or if there is none."""
    path = folder / NAME
    try:
        return typed(json.loads(read_file(path)), Record), ""
    except FileNotFoundError:
        return None, ""
    except OSError as e:
        return None, f"Cannot read {path}: {e.strerror or e}"
    except (ValueError, RecursionError, MisfitError) as e:
        return None, f"{path}: is damaged: {e}"


def begun(program: Program, rows: int, plugins: tuple[str, ...]) -> Record:
    """The record of a run that has not done anything yet."""
    parameters = sum(size(p.shape) for p in program.train.parameters)
    path = os.path.abspath(program.job.train.path)
    return Record(path, program.job.name, plugins, len(program.train_net.layers), parameters, rows)


def environment(program: Program, threads: int, why: str) -> dict[str, str]:
    """What this machine is, and what runs on it."""
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
    """The processor's name, as the system has it."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    names: Mapping[str, str] = dict(line.split(":", 1) for line in text.splitlines() if ":" in line and line.startswith("model name"))
    return next(iter(names.values()), platform.machine()).strip()
