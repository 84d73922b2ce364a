"""Where the time of a training step goes, op by op."""

import json
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from netc.runtime.session import Session, States, Stepper
from tests.benchmarks import nets
from tests.gpu.device import backend
from tests.gpu.parts import Options

KERNEL = "_kernel_time"  # the end of an event's name in onnxruntime's profile
WARM_UP, STEPS, MOST = 5, 20, 8


def slowest(net: str, options: Options) -> list[dict[str, Any]]:
    """The ops that take longest: milliseconds a step, share, and the provider that ran them."""
    program = replace(nets.program(net), backend=backend(options.provider))
    spent: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        model = program.model("train", functions=False)
        session = Session(model, program.backend, profile=str(Path(folder) / "profile"))
        stepper = Stepper(session, States({f"state/{n}": a for n, a in program.start().items()}, program.backend))
        for _ in range(WARM_UP + STEPS):
            stepper.run(nets.feeds(net, stepper.session.inputs))
        for path in session.end_profiles():
            for event in json.loads(Path(path).read_text()):
                if event["name"].endswith(KERNEL):
                    about = event["args"]
                    spent[about["op_name"], about.get("provider", "").removesuffix("ExecutionProvider")] += event["dur"]
    total = sum(spent.values())
    return [
        {
            "net": net,
            "op": op,
            "provider": provider,
            "ms a step": time / 1000 / (WARM_UP + STEPS),
            "share": round(time / total, 3),
        }
        for (op, provider), time in spent.most_common(MOST)
    ]
