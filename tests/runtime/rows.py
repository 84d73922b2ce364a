"""Backends for tests: rows that this machine can run, or cannot, in place of those of real devices."""

from dataclasses import replace

import pytest

from netc.runtime import backends
from netc.runtime.backend import Backend
from netc.runtime.kernel_table import CPU, KernelTable
from netc.runtime.native import library

# A provider of two devices, which runs on the CPU under another name, with the default bodies and without some kernels.
LACKS = ("MaxPool", "Gemm")
OTHER = Backend(
    "other",
    "other",
    backends.PORTABLE.execution_provider,
    KernelTable("Other", lambda: {op: kernels for op, kernels in CPU.ops.items() if op not in LACKS}),
    options={"precision": "f32"},
    index_option="device",
    devices=lambda: 2,
    varies="the other device rounds as it likes",
)


def add(monkeypatch: pytest.MonkeyPatch, *rows: Backend) -> None:
    """Add rows to the table of backends."""
    monkeypatch.setattr(backends, "BACKENDS", (*backends.BACKENDS, *rows))


def without_cuda(monkeypatch: pytest.MonkeyPatch, why: str | None = "no NVIDIA driver is loaded", count: int | None = None) -> None:
    """Let CUDA be missing for a reason, or be there with None, on any machine."""

    def changed(row: Backend) -> Backend:
        return replace(row, provider_missing=lambda backend: why, devices=lambda: count)

    rows = tuple(changed(row) if row.provider == backends.CUDA.provider else row for row in backends.BACKENDS)
    monkeypatch.setattr(backends, "BACKENDS", rows)


def only_portable() -> bool:
    """Whether this machine has no kernels of netc's own."""
    return library() is None
