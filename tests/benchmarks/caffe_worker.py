"""BVLC Caffe's worker, for the Python that Caffe has (3.8): `python caffe_worker.py SOLVER ARRAYS.npz`.

It speaks as `worker.py` does. ARRAYS holds "blob:<name>" for inputs and "<layer>:<index>" for the blobs that layers start with.
"""

import json
import sys
import time
from typing import Any

import caffe
import numpy as np


def main() -> None:
    caffe.set_mode_cpu()
    solver = caffe.SGDSolver(sys.argv[1])
    with np.load(sys.argv[2]) as arrays:
        for key in arrays.files:
            name, _, index = key.rpartition(":")
            target = solver.net.blobs[index] if name == "blob" else solver.net.params[name][int(index)]
            target.data[...] = arrays[key].reshape(target.data.shape)
    solver.step(1)
    print(json.dumps({"loss": loss_of(solver.net)}), flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            begin = time.perf_counter()
            solver.step(1)
            times.append(1000 * (time.perf_counter() - begin))
        with open("/proc/self/status") as status:
            peak = next(int(x.split()[1]) for x in status if x.startswith("VmHWM")) / 1024
        print(json.dumps({"times": times, "memory": peak}), flush=True)


def loss_of(net: Any) -> Any:
    """The sum of the losses, each times its weight, which Caffe keeps in the diff of its blob."""
    losses = [net.blobs[name] for name in net.outputs if net.blobs[name].data.size == 1]
    return sum(float(loss.data) * float(loss.diff) for loss in losses)


if __name__ == "__main__":
    main()
