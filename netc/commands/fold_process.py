"""A process that trains a fold. It ends with this process, however this one ends."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from netc.compiler.program import Program
from netc.errors import RunError
from netc.runtime.session import cores, threads_for

# The child reads its standard input, which ends when the parent does. The run resumes from its newest snapshot.
CHILD = """\
import os, sys, threading
threading.Thread(target=lambda: (os.read(0, 1), os._exit(1)), daemon=True).start()
from netc.cli import main
sys.argv[0] = "netc"
main(prog_name="netc")
"""
OF_NUMPY = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
POLL = 0.05  # seconds
MOST_LINES = 60  # of the output of a process that failed


@dataclass(frozen=True)
class FoldProcess:
    """`netc train` for a fold, whose output goes to a file."""

    fold: int
    process: "subprocess.Popen[bytes]"
    output: Path

    @classmethod
    def start(cls, fold: int, arguments: Sequence[str], folder: Path, threads: int | None) -> "FoldProcess":
        """Start a process. `threads` also bounds the threads of NumPy."""
        output = folder / f"fold{fold}.log"
        with output.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-c", CHILD, *arguments],
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=_environment(threads),
            )
        return cls(fold, process, output)

    def ended(self, wait: bool) -> bool:
        """Whether the process has ended. With `wait`, this takes a moment if it has not."""
        if self.process.poll() is None and wait:
            time.sleep(POLL)
        return self.process.poll() is not None

    def check(self) -> None:
        """RunError, with the end of the output, if the process failed."""
        if self.process.stdin:
            self.process.stdin.close()
        if self.process.returncode:
            lines = self.output.read_text(errors="replace").splitlines()[-MOST_LINES:]
            said = "\n".join(lines) or f"It ended with the code {self.process.returncode}."
            raise RunError(f"fold {self.fold} failed; the same command continues it\n{said}")

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()


def bounded(program: Program, threads: int | None, jobs: int) -> tuple[int | None, list[str]]:
    """The threads of each of `jobs` processes, None for their own choice, and a note if they are fewer than one process would use."""
    if threads or jobs == 1:
        return threads, []
    own = program.job.solver.threads or threads_for(program.multiply_adds())
    most = max(1, cores() // jobs)
    text = f"each fold uses {most} of {own} threads because of --jobs; results can differ in the last bits"
    return min(own, most), [text] if most < own else []


def _environment(threads: int | None) -> dict[str, str]:
    """The environment of a process, whose imports are those of this one."""
    path = os.pathsep.join(dict.fromkeys(p for p in (*sys.path, os.environ.get("PYTHONPATH", "")) if p))
    return {**os.environ, "PYTHONPATH": path} | (dict.fromkeys(OF_NUMPY, str(threads)) if threads else {})
