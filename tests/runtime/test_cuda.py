"""On a machine with a CUDA device: nets train there to the numbers of the CPU. Elsewhere these tests skip."""

import numpy as np
import pytest

from netc import api
from netc.runtime.session import Session, States, Stepper, cuda_missing
from netc.training.feed import Feeder
from tests.small_nets import write_small

MISSING = cuda_missing()
pytestmark = pytest.mark.skipif(MISSING is not None, reason=f"CUDA cannot run here: {MISSING}")


def losses(path, provider: str, steps: int) -> list[float]:
    program = api.load(str(path))
    session = Session(program.model("train", provider=provider), provider)
    assert provider == "cpu" or session.ort.get_providers()[0] == "CUDAExecutionProvider"
    stepper = Stepper(session, States({f"state/{n}": a for n, a in program.start().items()}, provider))
    feeder = Feeder(program.train_net, program.steps.train, program.seed, program.job.base)
    rate = {"lr": np.asarray(0.01, np.float32)}
    return [float(stepper.run(feeder(k) | rate)["loss"]) for k in range(steps)]


def test_a_small_net_trains_alike_on_both_providers(tmp_path):
    net = write_small(tmp_path)
    np.testing.assert_allclose(losses(net, "cuda", 10), losses(net, "cpu", 10), rtol=1e-3)


def test_no_op_of_a_training_step_is_left_to_the_cpu(tmp_path):
    import onnxruntime

    program = api.load(str(write_small(tmp_path)))
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    onnxruntime.InferenceSession(program.model("train", provider="cuda").SerializeToString(), options, providers=["CUDAExecutionProvider"])
