"""A model on onnxruntime: providers, threads, binding, states kept on the device.

States ping-pong: two sets of buffers and two bindings, alternated. An output is never bound onto its own input,
since onnxruntime promises no order between an update and another reader of the same buffer.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnx
import onnxruntime as ort

from netc.errors import ProviderError, RunError
from netc.graph.contract import NEXT, STATE

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
MULTIPLY_ADDS_PER_THREAD = 8_000_000


def choose_provider(asked: str) -> tuple[str, str]:
    """("cpu" or "cuda", why) for "auto", "cpu" or "cuda". ProviderError if CUDA is asked for and cannot run, saying what it lacks."""
    if asked == "cpu":
        return "cpu", "asked for"
    missing = cuda_missing()
    if asked == "cuda":
        if missing:
            raise ProviderError(f"provider cuda was asked for, but {missing}")
        return "cuda", "asked for"
    return ("cpu", missing) if missing else ("cuda", "a CUDA device is there")


def cuda_missing() -> str | None:
    """What stands in the way of the CUDA provider, in a sentence; None if it runs."""
    if PROVIDERS["cuda"] not in ort.get_available_providers():
        return "this onnxruntime is built without CUDA (install onnxruntime-gpu)"
    if not Path("/proc/driver/nvidia/version").exists() and not Path(r"C:\Windows\System32\nvcuda.dll").exists():
        return "no NVIDIA driver is loaded"
    probe = onnx.parser.parse_model('<ir_version: 10, opset_import: ["": 21]> g (float[1] x) => (float[1] y) { y = Identity(x) }')
    options = ort.SessionOptions()
    options.log_severity_level = 4
    found = ort.InferenceSession(probe.SerializeToString(), options, providers=[PROVIDERS["cuda"], PROVIDERS["cpu"]]).get_providers()
    return None if PROVIDERS["cuda"] in found else "its libraries do not load: pip install 'onnxruntime-gpu[cuda,cudnn]'"


def threads_for(multiply_adds: int) -> int:
    """The fixed rule for intra-op threads: one for each 8 million multiply-adds of a step, at most one a core.

    Nothing is chosen by the clock: two thread counts can differ in the last bit, and a run must repeat.
    """
    return max(1, min(cores(), round(multiply_adds / MULTIPLY_ADDS_PER_THREAD)))


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Session:
    """One model, loaded, with a library of kernels for its training ops if there is one. `run` feeds arrays and gives arrays.

    `keep` is where onnxruntime writes the graph that its optimizations make; such a file loads as an `optimized` model.
    """

    def __init__(
        self, model: onnx.ModelProto | bytes | str | Path, provider: str = "cpu", threads: int = 1, profile: str | None = None,
        kernels: Path | None = None, optimized: bool = False, keep: Path | None = None,
    ):  # fmt: skip
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # its errors are raised, and told once
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if profile:
            options.enable_profiling, options.profile_file_prefix = True, profile
        if optimized:
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        if keep:
            options.optimized_model_filepath = str(keep)
        if kernels is not None:
            _guarded(options.register_custom_ops_library, str(kernels))
        if isinstance(model, onnx.ModelProto):
            model = model.SerializeToString()
        source = str(model) if isinstance(model, Path) else model
        cuda = [(PROVIDERS["cuda"], {"use_tf32": "0"})] if provider == "cuda" else []
        self.provider = provider
        self.ort = _guarded(ort.InferenceSession, source, options, [*cuda, PROVIDERS["cpu"]])
        self.inputs = {i.name: i for i in self.ort.get_inputs()}
        self.outputs = [o.name for o in self.ort.get_outputs()]

    def sized(self, output: str) -> bool:
        """Whether the shape of an output is known before a run."""
        return all(isinstance(d, int) for o in self.ort.get_outputs() if o.name == output for d in o.shape)

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Every output by name."""
        return dict(zip(self.outputs, _guarded(self.ort.run, None, dict(feeds)), strict=True))

    def end_profiles(self) -> list[str]:
        """Paths of the profiles that were written: one."""
        return [str(self.ort.end_profiling())]


class States:
    """Named tensors on the device; `current` is what a step reads, and each step swaps in what it wrote."""

    def __init__(self, start: Mapping[str, np.ndarray], provider: str = "cpu"):
        self.device = "cuda" if provider == "cuda" else "cpu"
        self.current: dict[str, ort.OrtValue] = {}
        self.spare: dict[str, ort.OrtValue] = {}
        self.add(start)

    def add(self, arrays: Mapping[str, np.ndarray]) -> None:
        """More tensors."""
        self.current |= {name: self.copy(array) for name, array in arrays.items()}

    def copy(self, array: np.ndarray) -> ort.OrtValue:
        """A tensor of its own on the device."""
        return ort.OrtValue.ortvalue_from_numpy(np.array(array, order="C"), self.device, 0)

    def arrays(self) -> dict[str, np.ndarray]:
        """Copies of all tensors."""
        return {name: np.array(value.numpy()) for name, value in self.current.items()}

    def set(self, arrays: Mapping[str, np.ndarray]) -> None:
        """New values in the buffers that are there."""
        for name, array in arrays.items():
            _fill(self.current[name], array, name)

    def clear(self, prefix: str) -> None:
        """Zeros in all tensors whose name starts so."""
        self.zero(n for n in self.current if n.startswith(prefix))

    def zero(self, names: Iterable[str]) -> None:
        """Zeros in the tensors of these names."""
        self.set({n: np.zeros(self.current[n].shape(), np.float32) for n in names})


class Runs(Protocol):
    """A session, or a chain of them with calls of Python in between."""

    @property
    def inputs(self) -> Mapping[str, Any]: ...

    @property
    def outputs(self) -> list[str]: ...

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Every output by name."""


class Stepper:
    """A session whose `state/` and `grad/` inputs come from `states`, and whose `next/` outputs go back there."""

    def __init__(self, session: Runs, states: States):
        self.session, self.states = session, states
        self.reads = [n for n in session.inputs if n in states.current]
        written = {o: NEXT.bare(o) for o in session.outputs if o in NEXT}
        self.writes = {o: name if name in states.current else STATE(name) for o, name in written.items()}
        self.results = [n for n in session.outputs if n not in self.writes]
        for name in self.writes.values():
            if name not in states.spare:
                states.spare[name] = states.copy(states.current[name].numpy())
        self._resized = [n for n in self.results if isinstance(session, Session) and not session.sized(n)]
        self._bindings: dict[tuple[int, ...], Any] = {}

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """One run on `feeds`; the states move on. Returns the other outputs."""
        if not isinstance(self.session, Session):
            return self._run_in_parts(feeds)
        binding = self._binding(self.session)
        for name, array in feeds.items():
            if name in self.session.inputs:
                binding.bind_cpu_input(name, array)
        for name in self._resized:  # a binding keeps what its last run allocated, which a batch of another size does not fit
            binding.bind_output(name, "cpu")
        _guarded(self.session.ort.run_with_iobinding, binding)
        values = binding.get_outputs()[: len(self.results)]
        self._swap()
        return {name: np.array(value.numpy()) for name, value in zip(self.results, values, strict=True)}

    def _run_in_parts(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """A run of what calls Python on its way, with copies of the states."""
        states = {n: self.states.current[n].numpy() for n in self.reads}
        results = self.session.run({n: a for n, a in {**feeds, **states}.items() if n in self.session.inputs})
        for output, name in self.writes.items():
            _fill(self.states.spare[name], results[output], name)
        self._swap()
        return {name: np.array(results[name]) for name in self.results}

    def undo(self) -> None:
        """The states as they were before the last run."""
        self._swap()

    def _swap(self) -> None:
        current, spare = self.states.current, self.states.spare
        for name in self.writes.values():
            current[name], spare[name] = spare[name], current[name]

    def _binding(self, session: Session) -> Any:
        """The binding for the buffers that are current now: two of them in turn."""
        current, spare = self.states.current, self.states.spare
        key = (*(id(current[n]) for n in self.reads), *(id(spare[n]) for n in self.writes.values()))
        if key not in self._bindings:
            binding = session.ort.io_binding()
            for name in self.reads:
                binding.bind_ortvalue_input(name, current[name])
            for name in self.results:
                binding.bind_output(name, "cpu")
            for output, name in self.writes.items():
                binding.bind_ortvalue_output(output, spare[name])
            self._bindings[key] = binding
        return self._bindings[key]


def _fill(tensor: ort.OrtValue, array: np.ndarray, name: str) -> None:
    """The values of an array into a tensor, which copies bytes and looks at nothing. RunError if they are of another type or shape."""
    if tensor.shape() != list(array.shape) or tensor.element_type() != onnx.helper.np_dtype_to_tensor_dtype(array.dtype):
        wanted = f"{tensor.data_type()} of shape {tuple(tensor.shape())}"
        raise RunError(f"{name} is {wanted}; {array.dtype} of shape {array.shape} does not fit there")
    tensor.update_inplace(np.asarray(array, order="C"))


def _guarded(call: Any, *arguments: Any) -> Any:
    """onnxruntime's errors as RunError."""
    try:
        return call(*arguments)
    except Exception as e:
        if type(e).__module__.startswith("onnxruntime") or isinstance(e, RuntimeError):
            raise RunError(f"onnxruntime: {e}") from e
        raise
