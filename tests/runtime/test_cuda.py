"""CUDA: whether it can run is found out everywhere; nets train on a GPU to the numbers of the CPU where there is one."""

import ctypes
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from netc import api
from netc.runtime import cuda
from netc.runtime.backend import Backend
from netc.runtime.backends import PORTABLE
from netc.runtime.session import Session, States, Stepper
from netc.training.feed import Feeder
from tests.gpu.device import GPU
from tests.small_nets import write_small

MISSING = GPU.missing()
needs_gpu = pytest.mark.skipif(MISSING is not None, reason=f"CUDA cannot run here: {MISSING}")


def losses(path: str, backend: Backend, steps: int) -> list[float]:
    program = replace(api.load(path), backend=backend)
    stepper = Stepper(Session(program.model("train"), backend), States({f"state/{n}": a for n, a in program.start().items()}, backend))
    feeder = Feeder(program.train_net, program.steps.train, program.seed, program.job.base)
    rate = {"lr": np.asarray(0.01, np.float32)}
    return [float(stepper.run(feeder(k) | rate)["loss"]) for k in range(steps)]


@needs_gpu
def test_a_small_net_trains_alike_on_both_providers(tmp_path: Path) -> None:
    net = write_small(tmp_path)
    np.testing.assert_allclose(losses(net, GPU, 10), losses(net, PORTABLE, 10), rtol=1e-3)


@needs_gpu
def test_no_op_of_a_training_step_is_left_to_the_cpu(tmp_path: Path) -> None:
    program = replace(api.load(str(write_small(tmp_path))), backend=GPU)
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    onnxruntime.InferenceSession(program.model("train").SerializeToString(), options, providers=GPU.providers[:1])


def test_an_onnxruntime_without_cuda_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [PORTABLE.execution_provider])
    assert "built without CUDA (install onnxruntime-gpu)" in str(cuda.missing(0))


class Driver:
    """A driver of three GPUs, or one that fails."""

    def __init__(self, result: int) -> None:
        self.result = result

    def cuInit(self, flags: int) -> int:
        return 0

    def cuDeviceGetCount(self, count: "ctypes._Pointer[ctypes.c_int]") -> int:
        ctypes.cast(count, ctypes.POINTER(ctypes.c_int))[0] = 3
        return self.result


def test_the_driver_counts_the_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for result in (0, 999):
        monkeypatch.setattr(ctypes, "CDLL", lambda name, result=result: Driver(result))
        found.append(cuda.devices())
    assert found == [3, None]


def test_without_a_driver_the_number_of_devices_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "DRIVER", "libno_such_driver.so")
    assert cuda.devices() is None


@pytest.mark.parametrize(("count", "unknown"), [(1, ""), (None, " (the driver does not say how many devices there are)")])
def test_a_device_that_fails_is_named(monkeypatch: pytest.MonkeyPatch, count: int | None, unknown: str) -> None:
    def failing(*arguments: object, **options: object) -> None:
        raise RuntimeError("Invalid device ID: 4")

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [cuda.PROVIDER])
    monkeypatch.setattr(Path, "exists", lambda path: True)
    monkeypatch.setattr(onnxruntime, "InferenceSession", failing)
    monkeypatch.setattr(cuda, "devices", lambda: count)
    assert cuda.missing(4) == f"device 4 cannot be used{unknown}: onnxruntime: Invalid device ID: 4"
