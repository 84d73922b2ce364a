"""`python -m tests.gpu.losses NET PROVIDER[:DEVICE] COUNT`: the losses of a net of nets/ on a provider and on the CPU, as one JSON object.

On CUDA a second session refuses every op that CUDA does not run. With the provider cpu the graph that is made for CUDA runs on the CPU:
its bodies are tried even where there is no GPU.
"""

import json
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import onnxruntime

from netc import api, data
from netc.compiler import cache
from netc.errors import DataError
from netc.runtime.backend import Backend
from netc.runtime.backends import CUDA, PORTABLE
from netc.runtime.session import Session, States, Stepper
from netc.training.feed import Feeder, Feeds
from tests.conftest import ROOT
from tests.gpu.device import backend

CLOSE = 2e-3  # relative; products are summed in another order on each provider
TIMES = 10  # of the difference that weights with other last bits make: in some nets small differences grow
LAST_BITS = 1 + 2**-22


def main(net: str, provider: str, count: int) -> dict[str, Any]:
    """The row of a net: how far the losses are apart at most, and whether that is well."""
    program = api.load(str(ROOT / "nets" / f"{net}.yaml"))
    try:
        with data.no_downloads():
            feeder = Feeder(program.train_net, program.steps.train, program.seed, program.job.base)
            feeds = [feeder(k) for k in range(count)]
    except DataError:
        return {"well": "no data"}
    device = backend(provider)
    made_for = device if device.provider == CUDA.provider else CUDA
    found, recorded = losses(program, feeds, made_for, device)
    wanted, _ = losses(program, feeds, PORTABLE, PORTABLE)
    near, _ = losses(program, feeds, PORTABLE, PORTABLE, LAST_BITS)
    apart, by_last_bits = (float(np.max(np.abs(v - wanted) / np.maximum(np.abs(wanted), 1e-3))) for v in (found, near))
    row: dict[str, Any] = {"first loss": float(wanted[0]), "last loss": float(found[-1]), "relative difference": apart}
    row["of other last bits"] = by_last_bits
    well = np.isfinite(found).all() and apart < max(CLOSE, TIMES * by_last_bits)
    if device.provider == CUDA.provider:
        row["recorded"] = "yes" if recorded else "no"
        row["left to the CPU"] = left = left_to_the_cpu(replace(program, backend=device))
        well = well and (not left or bool(program.metadata("train", program.steps.train, CUDA)["dynamic"]))
    return {"well": "yes" if well else "no"} | row


def losses(program: Any, feeds: list[Feeds], made_for: Backend, runs_on: Backend, factor: float = 1.0) -> tuple[np.ndarray, bool]:
    """The loss of each step, from the net's start times `factor`, of the graph that is made for one provider and run on another.

    And whether the steps were recorded and replayed.
    """
    made = replace(program, backend=made_for)
    session = cache.session(made, "train", 1) if made_for == runs_on else Session(made.model("train"), runs_on)
    assert isinstance(session, Session) and session.ort.get_providers()[0] == runs_on.execution_provider
    stepper = Stepper(
        session, States({f"state/{n}": a * np.float32(factor) if a.dtype == np.float32 else a for n, a in program.start().items()}, runs_on)
    )
    rate = {"lr": np.asarray(program.job.solver.base_lr, np.float32)}
    return np.array([float(stepper.run(feed | rate)["loss"]) for feed in feeds]), session.captured


def left_to_the_cpu(program: Any) -> str:
    """What onnxruntime says if no op of a training step may run on the CPU; "" where none has to."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    try:
        onnxruntime.InferenceSession(program.model("train").SerializeToString(), options, providers=program.backend.providers[:1])
    except Exception as e:
        return str(e)[:200]
    return ""


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
