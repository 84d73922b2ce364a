"""`python -m tests.gpu [--quick] [--cpu] [--device N] [--output FOLDER]`: what holds on this GPU, in six minutes and without a network.

Each part runs in a process of its own, under a time limit. gpu.md and gpu.json in FOLDER are written anew after every part, so that a part
that fails or hangs loses nothing. The exit code is 1 if any part failed. `--device 1` checks the second GPU. `--cpu` runs all parts on the
CPU, which tries the command itself.
Data sets are read from NETC_DATA and the cache and never fetched; nets whose data is not there are listed as such.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from math import inf
from pathlib import Path

from netc.runtime.backends import CUDA, PORTABLE
from tests.gpu.device import VARIABLE, backend
from tests.gpu.parts import PARTS, Options, Outcome, failed
from tests.gpu.report import write

ALL = 355  # seconds for all parts on a GPU


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer iterations and nets: about a minute")
    parser.add_argument("--cpu", action="store_true", help="on the CPU, where there is no GPU")
    parser.add_argument("--device", type=int, default=0, help="which GPU, counted from 0")
    parser.add_argument("--output", type=Path, help="where gpu.md and gpu.json go [default: they are printed only]")
    parser.add_argument("--part", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--net", nargs="+", default=[], help="only these nets")
    parser.add_argument("--one", choices=list(PARTS), help=argparse.SUPPRESS)  # a part's own process
    arguments = parser.parse_args()
    provider = PORTABLE.provider if arguments.cpu else replace(CUDA, index=arguments.device).name
    os.environ[VARIABLE] = str(arguments.device)  # for the processes of the parts
    options = Options(provider, arguments.quick, tuple(arguments.net))
    if arguments.one:
        print(json.dumps(PARTS[arguments.one].run(options).__dict__))
        return 0
    outcomes: dict[str, Outcome] = {}
    begin = time.monotonic()
    for name in arguments.part:
        left = inf if arguments.cpu else ALL - (time.monotonic() - begin)
        outcomes[name] = apart(name, options, min(PARTS[name].seconds, left))
        text = write(outcomes, arguments.output)
        print(text[name], flush=True)
    return int(any(not outcome.well for outcome in outcomes.values()))


def apart(name: str, options: Options, limit: float) -> Outcome:
    """A part in a process of its own, for at most `limit` seconds; what it cannot tell itself (a crash, a hang) is told of it."""
    command = [sys.executable, "-m", "tests.gpu", "--one", name, *(["--quick"] if options.quick else [])]
    command += ["--device", str(backend(options.provider).index)] if options.on_gpu else ["--cpu"]
    command += ["--net", *options.nets] if options.nets else []
    begin = time.monotonic()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=max(1.0, limit))
    except subprocess.TimeoutExpired as e:
        said = e.stderr.decode(errors="replace") if isinstance(e.stderr, bytes) else e.stderr or ""
        return failed(f"took more than {limit:.0f} s", said, limit)
    seconds = time.monotonic() - begin
    lines = done.stdout.splitlines()
    if done.returncode or not lines or not lines[-1].startswith("{"):
        return failed(f"ended with exit code {done.returncode}", done.stderr, seconds)
    return Outcome(**json.loads(lines[-1]) | {"seconds": round(seconds, 1)})


if __name__ == "__main__":
    sys.exit(main())
