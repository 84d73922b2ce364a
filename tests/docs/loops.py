"""The loops of step-file.md at work: their blocks as files, a training of some batches in Python or in Node, and what came of it."""

import importlib.util
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from safetensors.numpy import save

from netc.zoo.vectors import samples
from tests.conftest import ROOT
from tests.docs.pages import blocks
from tests.node import NODE

PAGE = ROOT / "netc" / "docs" / "step-file.md"
Batch = dict[str, np.ndarray]
Found = tuple[list[float], dict[str, np.ndarray]]  # the losses, and samples of each state after the last step
NAMES = {"python": "# ", "js": "// "}
RUN = """\
import * as fs from "node:fs";
import { Training, readTensors } from "./step.mjs";

const jobs = JSON.parse(fs.readFileSync(process.argv[2]));
const found = [];
for (const { folder, batches, steps } of jobs) {
  const training = await Training.open(folder, { intraOpNumThreads: 1 }), given = readTensors(batches), losses = [], states = {};
  const batch = (k, part) => {
    const own = Object.entries(given).filter(([name]) => name.startsWith(`${k}.${part} `));
    return Object.fromEntries(own.map(([name, tensor]) => [name.split(" ")[1], tensor]));
  };
  for (let k = 0; k < steps; k++) {
    const parts = Array.from({ length: training.info.iter_size }, (_, part) => batch(k, part));
    losses.push((await training.step(...parts)).loss.data[0]);
  }
  for (const [name, { data }] of Object.entries(training.states)) {
    const count = Math.min(64, data.length);
    states[name] = Array.from({ length: count }, (_, k) => data[Math.floor((k * data.length) / count)]);
  }
  found.push({ losses, states });
}
console.log(JSON.stringify(found));
"""


def write_blocks(folder: Path) -> Path:
    """The page's programs as files in `folder`."""
    for block in blocks(PAGE.read_text()):
        first = block.text.partition("\n")[0]
        mark = NAMES.get(block.language)
        if mark and first.startswith(mark):
            (folder / first.removeprefix(mark).split(":")[0]).write_text(block.text)
    return folder


def step_module(folder: Path) -> Any:
    """step.py, loaded."""
    spec = importlib.util.spec_from_file_location("documented_step", folder / "step.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def in_python(loops: Path, model: Path, batches: list[list[Batch]]) -> Found:
    """`batches` are those of each step."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    training = step_module(loops).Training(model, options)
    losses = [float(training.step(*parts)["loss"]) for parts in batches]
    return losses, {name: samples(array) for name, array in training.states.items()}


def in_node(loops: Path, work: Path, jobs: list[tuple[Path, list[list[Batch]]]]) -> list[Found]:
    """The same for several models, in one process. Beside the loops lies `node_modules`."""
    assert NODE
    (work / "step.mjs").symlink_to(loops / "step.mjs")
    (work / "run.mjs").write_text(RUN)
    said = []
    for number, (model, batches) in enumerate(jobs):
        flat = {
            f"{k}.{part} {n}": np.ascontiguousarray(a)
            for k, parts in enumerate(batches)
            for part, b in enumerate(parts)
            for n, a in b.items()
        }
        (work / f"{number}.safetensors").write_bytes(save(flat))
        said.append({"folder": str(model), "batches": str(work / f"{number}.safetensors"), "steps": len(batches)})
    (work / "jobs.json").write_text(json.dumps(said))
    done = subprocess.run([NODE, "run.mjs", "jobs.json"], cwd=work, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [(f["losses"], {n: np.array(a, np.float32) for n, a in f["states"].items()}) for f in json.loads(done.stdout)]


def off(found: Any, wanted: Any) -> float:
    """How far an array is from another, by their root mean squares."""
    found, wanted = np.asarray(found, np.float64).reshape(-1), np.asarray(wanted, np.float64).reshape(-1)
    assert found.shape == wanted.shape and np.isfinite(found).all()
    size = float(np.sqrt(np.mean(wanted**2))) if wanted.size else 1.0
    return float(np.sqrt(np.mean((found - wanted) ** 2))) / (size or 1.0) if wanted.size else 0.0
