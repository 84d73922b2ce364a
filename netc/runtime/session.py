"""Models on onnxruntime: sessions, states that stay on the device, and steps that update them.

Each state has two buffers that take turns: a step reads one and writes the other. An output is never bound to its own input buffer,
because onnxruntime does not order an update and another reader of the same buffer.
"""

import os
from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnx
import onnxruntime as ort

from netc.errors import RunError
from netc.graph.contract import GRAD, NEXT, STATE
from netc.runtime.backend import HOST, Backend
from netc.runtime.backends import PORTABLE
from netc.runtime.capture import Buffers, fill, run_options, zeros_of
from netc.runtime.guard import guarded

MULTIPLY_ADDS_PER_THREAD = 8_000_000
ort.set_default_logger_severity(3)  # errors: loading CUDA warns of plug-ins that nobody asked for


def threads_for(multiply_adds: int) -> int:
    """The number of threads per op: one for each 8 million multiply-adds of a step, at most one per core.

    It does not depend on measured times. Results with different thread counts can differ in the last bit, and a run must be repeatable.
    """
    return max(1, min(cores(), round(multiply_adds / MULTIPLY_ADDS_PER_THREAD)))


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Session:
    """A model, loaded by onnxruntime on a backend. `run` takes arrays by name and returns arrays by name.

    `profile` is the path prefix for onnxruntime's profile. `keep` is the path for the optimized graph, which loads faster as an
    `optimized` model. `capture`: steps of the session are recorded and replayed, for a model of static shapes whose ops all run on the
    device. RunError if onnxruntime refuses the model.
    """

    def __init__(
        self, model: onnx.ModelProto | bytes | str | Path, backend: Backend = PORTABLE, threads: int = 1, profile: str | None = None,
        optimized: bool = False, keep: Path | None = None, capture: bool = False,
    ):  # fmt: skip
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # errors are raised, so the log would repeat them
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.use_deterministic_compute = True  # CUDA's sums in one order
        if profile:
            options.enable_profiling, options.profile_file_prefix = True, profile
        if optimized:
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        if keep:
            options.optimized_model_filepath = str(keep)
        if library := backend.library():
            guarded(options.register_custom_ops_library, str(library))
        if isinstance(model, onnx.ModelProto):
            model = model.SerializeToString()
        source = str(model) if isinstance(model, Path) else model
        self.backend, self.captured, self.recordings = backend, capture, count()
        # Without its fallback onnxruntime raises an error where it would otherwise continue on the CPU.
        providers = backend.capturing if capture else backend.providers
        self.ort = guarded(ort.InferenceSession, source, options, providers, enable_fallback=0)
        if backend.execution_provider not in self.ort.get_providers():
            raise RunError(f"onnxruntime did not load {backend.execution_provider}: {backend.missing() or 'the reason is unknown'}")
        self.inputs = {i.name: i for i in self.ort.get_inputs()}
        self.outputs = [o.name for o in self.ort.get_outputs()]

    def sized(self, output: str) -> bool:
        """Whether the shape of an output is known before it runs."""
        return all(isinstance(d, int) for o in self.ort.get_outputs() if o.name == output for d in o.shape)

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run once. Returns every output by name."""
        options = run_options(None) if self.captured else None
        return dict(zip(self.outputs, guarded(self.ort.run, None, dict(feeds), options), strict=True))

    def end_profiles(self) -> list[str]:
        """Stop profiling. Returns the paths of the profiles, here one."""
        return [str(self.ort.end_profiling())]


class States:
    """Named tensors in the memory of a backend's device. A step reads `current`, writes `spare`, and swaps them."""

    def __init__(self, start: Mapping[str, np.ndarray], backend: Backend = PORTABLE):
        self.backend = backend
        self.current: dict[str, ort.OrtValue] = {}
        self.spare: dict[str, ort.OrtValue] = {}
        self.add(start)

    def add(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Add tensors."""
        self.current |= {name: self.copy(array) for name, array in arrays.items()}

    def copy(self, array: np.ndarray) -> ort.OrtValue:
        """A new tensor on the device."""
        return ort.OrtValue.ortvalue_from_numpy(np.array(array, order="C"), self.backend.memory, self.backend.index)

    def arrays(self) -> dict[str, np.ndarray]:
        """Copies of all tensors."""
        return {name: np.array(value.numpy()) for name, value in self.current.items()}

    def set(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Write new values into the existing tensors."""
        for name, array in arrays.items():
            fill(self.current[name], array, name)

    def clear(self, prefix: str) -> None:
        """Set all tensors whose names start with `prefix` to zero."""
        self.zero(n for n in self.current if n.startswith(prefix))

    def zero(self, names: Iterable[str]) -> None:
        """Set the tensors of these names to zero."""
        self.set({n: np.zeros(self.current[n].shape(), np.float32) for n in names})


class Runs(Protocol):
    """A session, or a chain of sessions with Python calls in between."""

    @property
    def inputs(self) -> Mapping[str, Any]: ...

    @property
    def outputs(self) -> list[str]: ...

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run once. Returns every output by name."""


class Stepper:
    """A session that reads its `state/` and `grad/` inputs from `states` and writes its `next/` outputs there."""

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
        self._bindings: dict[tuple[int, ...], tuple[Any, int]] = {}
        self._buffers = self._fixed_buffers(session) if isinstance(session, Session) and session.captured else None

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run once on `feeds` and advance the states. Returns the other outputs."""
        if not isinstance(self.session, Session):
            return self._run_in_parts(feeds)
        binding, recording = self._binding(self.session)
        if self._buffers is not None:
            self._buffers.fill(feeds)
            guarded(self.session.ort.run_with_iobinding, binding, run_options(recording))
            self._swap()
            return self._buffers.arrays()
        for name, array in feeds.items():
            if name in self.session.inputs:
                binding.bind_cpu_input(name, array)
        for name in self._resized:  # a binding keeps its previous output buffer, which does not fit a batch of another size
            binding.bind_output(name, HOST)
        guarded(self.session.ort.run_with_iobinding, binding)
        values = binding.get_outputs()[: len(self.results)]
        self._swap()
        return {name: np.array(value.numpy()) for name, value in zip(self.results, values, strict=True)}

    def _run_in_parts(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run a chain, which uses copies of the states."""
        states = {n: self.states.current[n].numpy() for n in self.reads}
        results = self.session.run({n: a for n, a in {**feeds, **states}.items() if n in self.session.inputs})
        for output, name in self.writes.items():
            fill(self.states.spare[name], results[output], name)
        self._swap()
        return {name: np.array(results[name]) for name in self.results}

    def undo(self) -> None:
        """Restore the states from before the last run."""
        self._swap()

    def _swap(self) -> None:
        current, spare = self.states.current, self.states.spare
        for name in self.writes.values():
            current[name], spare[name] = spare[name], current[name]

    def _fixed_buffers(self, session: Session) -> Buffers:
        outputs = {o.name: o for o in session.ort.get_outputs()}
        inputs = [i for name, i in session.inputs.items() if name not in self.states.current]
        return Buffers(inputs, [outputs[name] for name in self.results], self.states.backend)

    def _binding(self, session: Session) -> tuple[Any, int]:
        """The binding for the buffers that are current now, and the number of its recording. Two bindings alternate."""
        current, spare = self.states.current, self.states.spare
        key = (*(id(current[n]) for n in self.reads), *(id(spare[n]) for n in self.writes.values()))
        if key not in self._bindings:
            binding = session.ort.io_binding()
            for name in self.reads:
                binding.bind_ortvalue_input(name, current[name])
            if self._buffers is not None:
                self._buffers.bind(binding)
            for name in self.results if self._buffers is None else ():
                binding.bind_output(name, HOST)
            for output, name in self.writes.items():
                binding.bind_ortvalue_output(output, spare[name])
            self._bindings[key] = binding, next(session.recordings)
        return self._bindings[key]


def tried(session: Session) -> Session:
    """A session that records its steps, after a run on zeros. RunError if an op cannot be recorded."""
    zeros = {name: zeros_of(i) for name, i in session.inputs.items()}
    kept = {n: a for n, a in zeros.items() if n in STATE or n in GRAD}
    Stepper(session, States(kept, session.backend)).run({n: a for n, a in zeros.items() if n not in kept})
    return session
