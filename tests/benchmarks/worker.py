"""A process that holds one contender and runs steps when it is told to: it reads a count from each line, and answers with milliseconds.

Each contender has a process of its own, since two thread pools in one process disturb each other. Usage:
`python -m tests.benchmarks.worker CONTENDER NET THREADS`. The first answer is {"loss": of the first step, "start": seconds from
the start of the process to its end, "memory": nothing yet}; the answer to a count is {"times": [...], "memory": peak MiB}.
"""

import json
import os
import sys
import time
from pathlib import Path

from tests.benchmarks.contenders import CONTENDERS
from tests.gpu import speed


def main() -> None:
    contender, net, threads = sys.argv[1:]
    step = (CONTENDERS | speed.CONTENDERS)[contender](net, int(threads))
    loss = step()
    print(json.dumps({"loss": loss, "start": age()}), flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            begin = time.perf_counter()
            step()
            times.append(1000 * (time.perf_counter() - begin))
        print(json.dumps({"times": times, "memory": peak_memory(os.getpid())}), flush=True)


def age() -> float:
    """Seconds since this process was started."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def peak_memory(process: int) -> float:
    """The most memory that a process and those it started held at once, in MiB."""
    children = [int(p) for p in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    own = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    return own + sum(peak_memory(child) for child in children)


if __name__ == "__main__":
    main()
