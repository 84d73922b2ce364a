"""The record of a backend: one way of running graphs on onnxruntime."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import onnxruntime as ort

from netc.graph.ir import Graph
from netc.graph.training_ops.define import DEFAULT
from netc.runtime import native
from netc.runtime.kernel_table import KernelTable

CPU_PROVIDER = "CPUExecutionProvider"
HOST = "cpu"  # onnxruntime's name for CPU memory


def _nothing() -> None:
    """A default for optional functions: no library, or nothing missing."""


def _not_built(backend: "Backend") -> str | None:
    """A reason if onnxruntime is built without the provider; else None."""
    built = backend.execution_provider in ort.get_available_providers()
    return None if built else f"this onnxruntime is built without {backend.execution_provider}"


@dataclass(frozen=True)
class Backend:
    """One way of running graphs: a provider of onnxruntime, and a target that selects how ops run on it.

    `provider` and `target` are the names that the command line accepts, and that models and snapshots store.
    """

    provider: str
    target: str
    execution_provider: str  # onnxruntime's name for the provider
    kernels: KernelTable  # the ops that the provider can run
    options: Mapping[str, str] = field(default_factory=dict)  # provider options for onnxruntime
    bodies: str = DEFAULT  # the set of bodies of training ops: see `netc.graph.training_ops.define`
    passes: tuple[Callable[[Graph], Graph], ...] = ()  # change the graph layout for the target
    capture_option: str = ""  # the provider option that records a step's kernels and replays them; empty if it cannot
    library: Callable[[], Path | None] = _nothing  # netc's own kernels for training ops
    library_missing: Callable[[], str | None] = _nothing  # why this library is missing, in a sentence
    memory: str = HOST  # onnxruntime's name for the memory that holds the states
    index: int = 0  # the device index of the provider
    index_option: str = ""  # the provider option that holds the index; empty if there is only one device
    devices: Callable[[], int | None] = lambda: 1  # the number of devices, None if unknown
    provider_missing: Callable[["Backend"], str | None] = _not_built  # why the device cannot run graphs here, in a sentence
    found: str = "it is there"  # why `auto` chooses it, in a sentence
    keeps_graphs: bool = False  # whether an optimized graph can be saved and loaded again
    varies: str = ""  # why the last bits of two equal runs may differ

    @property
    def name(self) -> str:
        """The provider as `--provider` takes it, with the index of the device unless that is 0."""
        return f"{self.provider}:{self.index}" if self.index else self.provider

    @property
    def providers(self) -> list[tuple[str, dict[str, str]]]:
        """The providers for an onnxruntime session: this provider with its options, then the CPU for ops that it lacks."""
        device = {self.index_option: str(self.index)} if self.index else {}
        own = (self.execution_provider, {**self.options, **device})
        return [own] if self.execution_provider == CPU_PROVIDER else [own, (CPU_PROVIDER, {})]

    @property
    def captures(self) -> bool:
        """Whether steps are recorded and replayed. Graphs of static shapes must not contain Loop, Scan and If then."""
        return bool(self.capture_option)

    @property
    def capturing(self) -> list[tuple[str, dict[str, str]]]:
        """The providers for a session that records its steps."""
        (name, options), *others = self.providers
        return [(name, {**options, self.capture_option: "1"}), *others]

    @property
    def native_ops(self) -> frozenset[str]:
        """The training ops that its library has kernels for."""
        return native.kernels_of(self.library())

    def missing(self) -> str | None:
        """Why its device cannot run graphs here, in a sentence; None if it can."""
        count = self.devices() if self.index else None
        if count is not None and self.index >= count:
            numbers = f": {', '.join(map(str, range(count)))}" if count else ""
            return f"there {'is' if count == 1 else 'are'} {count} {self.kernels.name} device{'' if count == 1 else 's'}{numbers}"
        return self.provider_missing(self)
