"""The backends that netc supports, and the choice of one for a run.

Only this table names providers and targets. To add a provider, add a row here and the table of its kernels.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from netc.errors import NetcError, ProviderError, SpecError, near
from netc.graph.passes import channels_last
from netc.graph.training_ops.define import CPU
from netc.runtime import cuda, kernel_table, native
from netc.runtime.backend import CPU_PROVIDER, Backend
from netc.runtime.kernel_table import KernelTable

AUTO = "auto"

PORTABLE = Backend("cpu", "portable", CPU_PROVIDER, kernel_table.CPU, bodies=CPU, keeps_graphs=True)
NATIVE = replace(PORTABLE, target="native", passes=(channels_last,), library=native.library, library_missing=native.missing)
CUDA = Backend(
    "cuda",
    "cuda",
    cuda.PROVIDER,
    kernel_table.CUDA,
    options={"use_tf32": "0"},
    bodies="cuda",
    capture_option="enable_cuda_graph",
    memory="cuda",
    index_option=cuda.DEVICE,
    devices=cuda.devices,
    provider_missing=lambda backend: cuda.missing(backend.index),
    found="a CUDA device is there",
    varies="CUDA kernels may add in another order each time (--provider cpu does not)",
)

# The first row that can run here is the default. Rows after the CPU's run only when a user selects them.
BACKENDS: tuple[Backend, ...] = (CUDA, replace(CUDA, target=PORTABLE.target), NATIVE, PORTABLE)


def providers() -> list[str]:
    """The names that `--provider` accepts, except `auto`."""
    return sorted({row.provider for row in BACKENDS})


def targets() -> list[str]:
    """The names that `--target` accepts."""
    return sorted({row.target for row in BACKENDS})


def tables() -> Iterator[tuple[KernelTable, str]]:
    """The providers that `netc check` evaluates a net for: the kernels of each, and the set of bodies that its graphs use.

    WebGPU is not in Python's onnxruntime: browsers run published models on it.
    """
    rows = sorted(BACKENDS, key=lambda row: row.provider != PORTABLE.provider)  # the CPU first
    yield from {row.kernels.name: (row.kernels, row.bodies) for row in rows}.values()
    yield kernel_table.WEBGPU, PORTABLE.bodies


def choose(provider: str = AUTO, target: str | None = None, on_cpu: bool = False) -> tuple[Backend, str]:
    """Choose the first matching backend that can run here. Returns it with the reason.

    `provider` is a name, with the index of a device after a colon, or `auto`. `on_cpu`: the net itself requests the CPU, which a user's
    choice overrides.

    SpecError if provider and target do not exist or do not fit together. ProviderError if they cannot run here.
    """
    fitting = _fitting(provider, target)
    on_cpu = on_cpu and provider == AUTO and any(row.provider == PORTABLE.provider for row in fitting)
    fitting = [row for row in fitting if row.provider == PORTABLE.provider] if on_cpu else fitting
    asked = (on_cpu or target or provider != AUTO) and len({row.provider for row in fitting}) == 1
    missing: dict[str, str] = {}  # by provider
    for row in fitting:
        if row.provider not in missing and (why := row.missing()):
            missing[row.provider] = why
        if row.provider in missing or row.library_missing():
            continue
        return row, "asked for" if asked else next(iter(missing.values()), row.found)
    first = fitting[0]
    if first.provider in missing:
        raise ProviderError(f"Cannot use the provider {first.name}: {missing[first.provider]}")
    raise ProviderError(f"Cannot use the target {first.target}: {first.library_missing()}")


def choose_plain(provider: str = AUTO) -> Backend:
    """The backend for a net that a program runs by hand: like `choose`, but without netc's own kernels."""
    backend, _ = choose(provider)
    return PORTABLE if backend.provider == PORTABLE.provider else backend


def with_library(path: Path | None) -> Backend:
    """The native backend with the kernels of the library at `path`; without native kernels if it is None."""
    return replace(NATIVE, library=lambda: path)


def _fitting(provider: str, target: str | None) -> list[Backend]:
    """The backends for a provider and a target that a user names."""
    name, index = parsed(provider)
    if target is not None and target not in targets():
        raise SpecError(f"There is no target {target!r}. {near(target, targets())}")
    fitting = [replace(row, index=index) for row in BACKENDS if name in (AUTO, row.provider) and target in (None, row.target)]
    if not fitting:
        able = " or ".join(sorted({row.provider for row in BACKENDS if row.target == target}))
        raise SpecError(f"The target {target} needs the provider {able}, got --provider {provider}.")
    return fitting


def parsed(provider: str) -> tuple[str, int]:
    """Split `cuda` or `cuda:1` into the name and the device index.

    SpecError if there is no such provider, or the index is not a number.
    """
    name, colon, number = provider.partition(":")
    if name != AUTO and name not in providers():
        raise SpecError(f"There is no provider {name!r}. {near(name, [AUTO, *providers()])}")
    if not colon:
        return name, 0
    if name == AUTO:
        raise SpecError(f"--provider {provider}: {AUTO} cannot have a device. Name the provider ({', '.join(providers())}).")
    if not (number.isascii() and number.isdecimal()):
        raise SpecError(f"--provider {provider}: The device after the colon must be a number from 0. {name}:1 is the second device.")
    return name, int(number)


def made_for(target: str | None) -> Backend:
    """The backend whose models `netc compile --target` writes, even if it cannot run here. SpecError for an unknown target."""
    fitting = _fitting(AUTO, target or PORTABLE.target)
    return next((row for row in fitting if row.provider == PORTABLE.provider), fitting[0])


def recalled(provider: str, target: str) -> Backend:
    """The backend that a run used, according to a file; the portable one if it is unknown or cannot run here."""
    try:
        return choose(provider, target)[0]
    except NetcError:
        return PORTABLE
