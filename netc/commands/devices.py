"""`netc devices`: what this machine can run graphs on."""

from collections.abc import Iterator

import onnxruntime

from netc.runtime import backends
from netc.runtime.backend import Backend
from netc.runtime.session import cores


def lines() -> Iterator[str]:
    """What `netc devices` prints: onnxruntime's version, the CPU with netc's own kernels, then every other provider."""
    cpu, native = backends.PORTABLE, backends.NATIVE
    yield f"onnxruntime {onnxruntime.__version__}"
    yield f"{cpu.provider}: {cores()} cores"
    yield f"{native.target} kernels: {native.library_missing() or 'ready'}"
    others = {row.provider: row for row in backends.BACKENDS if row.provider != cpu.provider}
    yield from (f"{name}: {row.missing() or _ready(row)}" for name, row in others.items())


def _ready(row: Backend) -> str:
    count = row.devices()
    return f"ready, device {', '.join(map(str, range(count)))}" if count else "ready"
