"""The parts of the check: a function each, under `@part`, which says whether all was well and gives the rows of a table."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from netc.runtime.backends import CUDA
from netc.runtime.session import cores
from tests.conftest import NETS, ROOT
from tests.gpu.device import backend


@dataclass(frozen=True)
class Options:
    """The provider that is checked, whether briefly, and which nets (all where there are none)."""

    provider: str
    quick: bool
    nets: tuple[str, ...] = ()

    @property
    def on_gpu(self) -> bool:
        """Whether it is a GPU that is checked."""
        return backend(self.provider).provider == CUDA.provider

    def chosen(self, names: list[str]) -> list[str]:
        """Those of the names that are asked for."""
        return [n for n in names if n in self.nets] if self.nets else names


@dataclass(frozen=True)
class Outcome:
    """What a part found."""

    well: bool
    rows: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Part:
    """A part: what it is called, how long it may take, and what does it."""

    title: str
    seconds: int
    run: Callable[[Options], Outcome]


PARTS: dict[str, Part] = {}


def part(name: str, title: str, seconds: int) -> Callable[[Callable[[Options], Outcome]], Callable[[Options], Outcome]]:
    """Makes a function a part, after those above it."""

    def add(run: Callable[[Options], Outcome]) -> Callable[[Options], Outcome]:
        PARTS[name] = Part(title, seconds, run)
        return run

    return add


def failed(why: str, said: str, seconds: float) -> Outcome:
    """The outcome of a part that could not tell its own."""
    return Outcome(False, notes=[why, *said.strip().splitlines()[-5:]], seconds=round(seconds, 1))


def process(*command: object, seconds: int = 300) -> subprocess.CompletedProcess[str]:
    """A command of netc, in a process of its own."""
    return subprocess.run([sys.executable, "-m", *map(str, command)], capture_output=True, text=True, timeout=seconds, cwd=ROOT)


@part("devices", "Devices", 60)
def devices(options: Options) -> Outcome:
    """What `netc devices` and the driver say."""
    done = process("netc", "devices")
    notes = done.stdout.splitlines()
    try:
        query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
        notes += subprocess.run(query, capture_output=True, text=True, timeout=30).stdout.splitlines()
    except OSError:
        notes.append("there is no nvidia-smi")
    ready = not options.on_gpu or "cuda: ready" in done.stdout
    return Outcome(done.returncode == 0 and ready, notes=notes + done.stderr.splitlines())


@part("tests", "Tests of CUDA", 120)
def tests(options: Options) -> Outcome:
    """tests/runtime/test_cuda.py. On a GPU none may skip."""
    done = process("pytest", "-q", "-rs", "tests/runtime/test_cuda.py")
    last = (done.stdout.strip().splitlines() or [""])[-1]
    skipped = "skipped" in last and options.on_gpu
    return Outcome(done.returncode == 0 and not skipped, notes=[last, *re.findall(r"^(?:FAILED|SKIPPED|E ) .*", done.stdout, re.M)[:10]])


@part("gradients", "Ops and their gradients beside the CPU's", 150)
def gradients(options: Options) -> Outcome:
    """Every row of the tests of gradients; those that differ are listed."""
    from tests.gpu.gradients import differing

    rows = differing(options)
    return Outcome(not rows, rows)


@part("nets", "Losses beside the CPU's", 200)
def nets(options: Options) -> Outcome:
    """Every net of nets/ for some iterations from one start, on one sequence of batches: the provider's losses and the CPU's."""
    count = 5 if options.quick else 20
    with ThreadPoolExecutor(max(1, cores() // 4)) as pool:
        rows = list(pool.map(partial(_net, provider=options.provider, count=count), options.chosen(NETS)))
    return Outcome(all(row["well"] in ("yes", "no data") for row in rows), rows)


def _net(name: str, provider: str, count: int) -> dict[str, Any]:
    """The row of one net, from a process of its own: onnxruntime can end one."""
    import json

    try:
        done = process("tests.gpu.losses", name, provider, count, seconds=150)
    except subprocess.TimeoutExpired:
        return {"net": name, "well": "no", "why": "took more than 150 s"}
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        return {"net": name, "well": "no", "why": (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1][:300]}
    row: dict[str, Any] = json.loads(lines[-1])
    return {"net": name} | row


@part("lenet", "LeNet", 120)
def lenet(options: Options) -> Outcome:
    """LeNet trained as `netc train` does, and what it reaches on the test images."""
    iterations, least = (200, 0.9) if options.quick else (2000, 0.98)
    with tempfile.TemporaryDirectory() as runs:
        done = process(
            "netc", "train", "nets/lenet.yaml", "--provider", options.provider, "--no-publish", "--runs", runs,
            "--set", f"solver.max_iter={iterations}", "--set", f"solver.test_interval={iterations}",
        )  # fmt: skip
    end = re.search(r"after \d+ iterations: accuracy ([\d.]+), loss ([\d.]+)", done.stdout)
    rate = re.findall(r"([\d,]+) images/s", done.stdout)
    if not end:
        return Outcome(False, notes=(done.stderr or done.stdout).strip().splitlines()[-5:])
    row = {"iterations": iterations, "accuracy": float(end[1]), "loss": float(end[2]), "images/s": rate[-1] if rate else None}
    return Outcome(float(end[1]) >= least, [row], [f"at least {least} is expected"])


@part("resume", "Resuming", 120)
def resume(options: Options) -> Outcome:
    """A run that is stopped or killed and resumed gives the bits of one that was not. Convolutions may vary on a GPU, and are only told."""
    count = 8 if options.quick else 40
    with ThreadPoolExecutor(2) as pool:
        command = ("--provider", options.provider, "--iterations", count)
        exact, varying = pool.map(lambda net: process("netc", "verify-resume", f"nets/{net}.yaml", *command), ("mlp", "lenet"))
    notes = [line for done in (exact, varying) for line in done.stdout.splitlines()]
    return Outcome(exact.returncode == 0, notes=[*notes, *exact.stderr.splitlines()[-3:]])


@part("speed", "A training step beside torch's", 300)
def speed(options: Options) -> Outcome:
    """Milliseconds of a step, contenders taking turns, each in a process of its own."""
    from tests.gpu.speed import measure

    rows = measure(options)
    return Outcome(bool(rows) and all(row.get("netc") is not None for row in rows), rows)


@part("profile", "The slowest ops", 90)
def profile(options: Options) -> Outcome:
    """Where the time of a step goes, by op and provider, as onnxruntime's profile has it."""
    from tests.gpu.profile import slowest

    rows = [row for net in options.chosen(["lenet"] if options.quick else ["lenet", "resnet20", "lstm"]) for row in slowest(net, options)]
    return Outcome(bool(rows), rows)
