"""Kernels of netc's own for training ops, in C++: an optional part that is built where a compiler is.

They run in place of the bodies of the ops in `KERNELS` when a session has them. `NETC_NATIVE=0` switches them off.
"""

import os
import platform
import sys
from functools import cache
from pathlib import Path

from netc.errors import NetcError

KERNELS = frozenset({
    "AdaDelta", "AdaGrad", "Adam", "AdamW", "Dropout", "Nesterov", "NhwcAveragePool", "NhwcAveragePoolGrad", "NhwcBatchMoments",
    "NhwcBatchNorm", "NhwcBatchNormGrad", "NhwcConv", "NhwcConvFilterGrad", "NhwcConvInputGrad", "NhwcLRN", "NhwcLRNGrad", "NhwcMaxPool",
    "NhwcMaxPoolGrad", "RMSProp", "ReluGrad", "SGD",
})  # fmt: skip
TIERS = {  # of x86-64, the best first: what a processor must have
    "x86_64_v4": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
    "x86_64_v3": {"avx2", "bmi1", "bmi2", "f16c", "fma"},
}
PLAIN = "plain"
SUFFIX = ".dylib" if sys.platform == "darwin" else ".so"


def library() -> Path | None:
    """The library of kernels for this processor, tried and found right; None if there is none or it is switched off."""
    return None if missing() else _file()


def missing() -> str | None:
    """Why there are no kernels, in a sentence; None if there are."""
    if os.environ.get("NETC_NATIVE", "1") == "0":
        return "NETC_NATIVE=0 switches native kernels off"
    path = _file()
    if path is None:
        return "no native kernels are built for this processor (pip install builds them where a C++ compiler is)"
    return _fault(path)


@cache
def _file() -> Path | None:
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    names = [tier for tier, needs in TIERS.items() if needs <= _flags()] if x86 else [PLAIN]
    paths = (Path(__file__).parent / f"netc_kernels_{name}{SUFFIX}" for name in names)
    return next((p for p in paths if p.is_file()), None)


def _flags() -> set[str]:
    """What the processor says it can do; empty where Linux does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return set(next((line for line in lines if line.startswith("flags")), "").split())


@cache
def _fault(path: Path) -> str | None:
    from netc.native.trial import try_kernels

    try:
        try_kernels(path)
    except (NetcError, AssertionError) as e:
        return f"{path.name} is not used: {str(e).strip().splitlines()[0]}"
    return None
