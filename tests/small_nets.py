"""Small nets on small arrays, and the command line on them, for tests where the size is not the point."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from click.testing import CliRunner, Result

from netc.cli import main
from tests.conftest import ROOT

NET = """\
name: small
layers:
  - Data: {source: small.npz, batch_size: 16, test_fraction: 0.2}
  - Convolution: {num_output: 4, kernel_size: 3, weight_filler: xavier}
  - Pooling: {kernel_size: 2, stride: 2}
  - InnerProduct: {num_output: 16, weight_filler: xavier}
  - ReLU
  - Dropout
  - InnerProduct: {num_output: 10, weight_filler: xavier}
  - Accuracy
  - SoftmaxWithLoss
solver: {base_lr: 0.02, momentum: 0.9, weight_decay: 0.0005, lr_policy: inv, gamma: 0.01, power: 0.75, max_iter: 60,
  test_interval: 15, snapshot: 20, average_loss: 5, display: 1}
licence: Apache-2.0
dataset_licence: unknown
"""


def write_small(folder: Path, net: str = NET, name: str = "small.yaml") -> str:
    """`net` and its 200 images of 12 x 12 in `folder`; the path of the net file."""
    write_arrays(folder)
    path = folder / name
    path.write_text(net)
    return str(path)


def write_arrays(folder: Path, rows: int = 200) -> Path:
    """small.npz: images whose mean is a tenth of their label, so that a net can learn them."""
    random = np.random.default_rng(0)
    label = random.integers(0, 10, rows)
    data = random.normal(size=(rows, 1, 12, 12)) + 0.1 * label[:, None, None, None]
    np.savez(folder / "small.npz", data=data.astype(np.float32), label=label)
    return folder / "small.npz"


def netc(*arguments: Any, **environment: str) -> Result:
    """The command line, in this process, whose arguments it sees as its own."""
    own = [str(a) for a in arguments]
    with patch.object(sys, "argv", ["netc", *own]):
        return CliRunner().invoke(main, own, env=environment, prog_name="netc")


def netc_process(*arguments: Any, cwd: Path) -> "subprocess.Popen[str]":
    """The command line, in a process of its own."""
    command = [sys.executable, "-m", "netc", *map(str, arguments)]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        command, cwd=cwd, env={**os.environ, "PYTHONPATH": path}, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def log(run: Path) -> list[dict[str, Any]]:
    """The lines of a run's log."""
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
