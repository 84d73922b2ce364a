"""Kernels of netc's own for training ops, in C++: an optional part that is built where a compiler is.

They run in place of the bodies of the ops in `KERNELS` when a session has them. `NETC_NATIVE=0` switches them off.
"""

import os
import platform
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from netc.errors import NetcError

KERNELS = frozenset({
    "AdaDelta", "AdaGrad", "Adam", "AdamW", "Dropout", "GRU", "GRUGrad", "LSTM", "LSTMGrad", "Nesterov", "NhwcAveragePool",
    "NhwcAveragePoolGrad", "NhwcBatchMoments", "NhwcBatchNorm", "NhwcBatchNormGrad", "NhwcConv", "NhwcConvFilterGrad",
    "NhwcConvInputGrad", "NhwcLRN", "NhwcLRNGrad", "NhwcMaxPool", "NhwcMaxPoolGrad", "RMSProp", "Recursive", "RecursiveGrad", "ReluGrad",
    "SGD",
})  # fmt: skip
AVX2 = {"avx2", "bmi1", "bmi2", "f16c", "fma"}
AVX512 = {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
PLAIN = "plain"
SUFFIX = ".dylib" if sys.platform == "darwin" else ".so"


def library() -> Path | None:
    """The library of kernels for this processor, tried and found right; None if there is none or it is switched off."""
    return None if missing() else _fastest()


def kernels_of(path: Path | None) -> frozenset[str]:
    """The ops that a session with the library at `path` has kernels for: none without one."""
    return KERNELS if path else frozenset()


def missing() -> str | None:
    """Why there are no kernels, in a sentence; None if there are."""
    if os.environ.get("NETC_NATIVE", "1") == "0":
        return "NETC_NATIVE=0 switches native kernels off"
    path = _fastest()
    if path is None:
        return "no native kernels are built for this processor (pip install builds them where a C++ compiler is)"
    return _diagnostic(path)


def libraries() -> list[Path]:
    """Every library that is built and that this processor can run, the fastest first."""
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    names = tiers(_processor()) if x86 else [PLAIN]
    paths = (Path(__file__).parent / f"netc_kernels_{name}{SUFFIX}" for name in names)
    return [p for p in paths if p.is_file()]


def tiers(processor: Mapping[str, str]) -> list[str]:
    """The libraries that an x86-64 processor can run, the fastest first. Its fields are those of /proc/cpuinfo.

    AMD's Zen 4 does 512 bits in two halves: vectors of 256 waste less on numbers of channels that are no multiple of 16.
    """
    flags = set(processor.get("flags", "").split())
    halves = processor.get("vendor_id") == "AuthenticAMD" and "avx_vnni" not in flags
    wide = [] if halves else ["x86_64_v4_wide"]
    return ([*wide, "x86_64_v4"] if flags >= AVX512 else []) + (["x86_64_v3"] if flags >= AVX2 else [])


@cache
def _fastest() -> Path | None:
    return next(iter(libraries()), None)


def _processor() -> dict[str, str]:
    """The fields of the first processor in /proc/cpuinfo; empty where Linux does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return {}
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


@cache
def _diagnostic(path: Path) -> str | None:
    from netc.runtime.native.trial import try_kernels

    try:
        try_kernels(path)
    except (NetcError, AssertionError) as e:
        return f"{path.name} is not used: {str(e).strip().splitlines()[0]}"
    return None
