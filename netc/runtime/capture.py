"""Fixed buffers for sessions that record their kernels once and replay them, as CUDA graphs do.

A replay reads and writes the addresses of the recording. So inputs and results have buffers on the device that stay for the whole run, and
each set of state buffers has a recording of its own.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper

from netc.errors import RunError
from netc.runtime.backend import Backend

RUN_OPTION = "gpu_graph_id"  # names the recording that a run makes or replays
NO_RECORDING = "-1"
MOST_RECORDINGS = 8  # of one session; each holds the memory of a step


class Buffers:
    """The tensors on the device that a session's runs read their inputs from and write their results to."""

    def __init__(self, inputs: Sequence[Any], results: Sequence[Any], backend: Backend):
        self.inputs = {i.name: _tensor(i, backend) for i in inputs}
        self.results = {r.name: _tensor(r, backend) for r in results}

    def bind(self, binding: Any) -> None:
        """Let a binding read and write these tensors."""
        for name, value in self.inputs.items():
            binding.bind_ortvalue_input(name, value)
        for name, value in self.results.items():
            binding.bind_ortvalue_output(name, value)

    def fill(self, feeds: Mapping[str, np.ndarray]) -> None:
        """Copy the arrays of a run into its inputs. RunError if one is missing, or of another type or shape."""
        for name, tensor in self.inputs.items():
            if name not in feeds:
                raise RunError(f"The input {name!r} is missing.")
            fill(tensor, feeds[name], name)

    def arrays(self) -> dict[str, np.ndarray]:
        """Copies of the results."""
        return {name: np.array(value.numpy()) for name, value in self.results.items()}


def run_options(recording: int | None) -> Any:
    """The options of a run that makes or replays a recording, numbered from 0; None for a run without one."""
    options = ort.RunOptions()
    named = NO_RECORDING if recording is None or recording >= MOST_RECORDINGS else str(recording + 1)
    options.add_run_config_entry(RUN_OPTION, named)
    return options


def zeros_of(info: Any) -> np.ndarray:
    """Zeros of the type and shape of a session's input or output."""
    code = TensorProto.DataType.Value(info.type.removeprefix("tensor(").removesuffix(")").upper())
    return np.zeros(info.shape, helper.tensor_dtype_to_np_dtype(code))


def _tensor(info: Any, backend: Backend) -> ort.OrtValue:
    return ort.OrtValue.ortvalue_from_numpy(zeros_of(info), backend.memory, backend.index)


def fill(tensor: ort.OrtValue, array: np.ndarray, name: str) -> None:
    """Copy an array into a tensor. RunError if type or shape differ, because onnxruntime does not check them."""
    if tensor.shape() != list(array.shape) or tensor.element_type() != helper.np_dtype_to_tensor_dtype(array.dtype):
        wanted = f"{tensor.data_type()} of shape {tuple(tensor.shape())}"
        raise RunError(f"Expected {wanted} for {name!r}, got {array.dtype} of shape {array.shape}.")
    tensor.update_inplace(np.asarray(array, order="C"))
