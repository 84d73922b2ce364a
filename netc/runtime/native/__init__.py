"""Native kernels: C++ implementations of training ops, an optional part that is built if a compiler is available.

If a session loads a library of kernels, they replace the bodies of these ops. `NETC_NATIVE=0` disables them.
"""

import ctypes
import json
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from netc.errors import NetcError, RunError

AVX2 = {"avx2", "bmi1", "bmi2", "f16c", "fma"}
AVX512 = {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
PLAIN = "plain"
SUFFIX = ".dylib" if sys.platform == "darwin" else ".so"


@dataclass(frozen=True)
class Argument:
    """An input or output of a kernel, or `count` of them under one name. pattern.h defines the syntax of shapes."""

    name: str
    type: int  # of TensorProto.DataType
    shape: str
    optional: bool
    count: int


@dataclass(frozen=True)
class Kernel:
    """A library's description of one of its kernels."""

    op: str
    domain: str
    inputs: tuple[Argument, ...]
    outputs: tuple[Argument, ...]
    derived: tuple[str, ...]  # names of sizes that are computed from attributes and other sizes


def library() -> Path | None:
    """The tested library of kernels for this processor; None if there is none, it fails the test, or kernels are disabled."""
    return None if missing() else _fastest()


@cache
def kernels(path: Path) -> tuple[Kernel, ...]:
    """The kernels of a library, as it describes them. RunError if it does not load."""
    try:
        describe = ctypes.CDLL(str(path)).NetcDescribeOps
    except OSError as e:
        raise RunError(f"it does not load ({e})") from e
    except AttributeError as e:
        raise RunError(f"it was built from other sources; build it again with `python setup.py build_ext --inplace` ({e})") from e
    describe.restype = ctypes.c_char_p
    return tuple(_kernel(**op) for op in json.loads(describe()))


def _kernel(op: str, domain: str, inputs: list[Any], outputs: list[Any], derived: list[str]) -> Kernel:
    inputs, outputs = ([Argument(**fields) for fields in arguments] for arguments in (inputs, outputs))
    return Kernel(op, domain, tuple(inputs), tuple(outputs), tuple(derived))


def kernels_of(path: Path | None) -> frozenset[str]:
    """The ops that the library at `path` has kernels for; none without a library."""
    return frozenset(kernel.op for kernel in kernels(path)) if path else frozenset()


def missing() -> str | None:
    """The reason why native kernels cannot be used, in a sentence; None if they can."""
    if os.environ.get("NETC_NATIVE", "1") == "0":
        return "NETC_NATIVE=0 switches native kernels off"
    path = _fastest()
    if path is None:
        return "no native kernels are built for this processor (pip install builds them where a C++ compiler is)"
    return _trial_error(path)


def libraries() -> list[Path]:
    """All built libraries that this processor can run, the fastest first."""
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    names = tiers(processor()) if x86 else [PLAIN]
    paths = (Path(__file__).parent / f"netc_kernels_{name}{SUFFIX}" for name in names)
    return [p for p in paths if p.is_file()]


def tiers(processor: Mapping[str, str]) -> list[str]:
    """The library variants that an x86-64 processor can run, the fastest first.

    `processor` has the fields of /proc/cpuinfo. AMD's Zen 4 splits 512-bit operations in two. So 256-bit vectors waste less work if the
    number of channels is not a multiple of 16.
    """
    flags = set(processor.get("flags", "").split())
    halves = processor.get("vendor_id") == "AuthenticAMD" and "avx_vnni" not in flags
    wide = [] if halves else ["x86_64_v4_wide"]
    return ([*wide, "x86_64_v4"] if flags >= AVX512 else []) + (["x86_64_v3"] if flags >= AVX2 else [])


def processor() -> dict[str, str]:
    """The fields of the first processor in /proc/cpuinfo; empty on systems without that file."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return {}
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


@cache
def _fastest() -> Path | None:
    return next(iter(libraries()), None)


@cache
def _trial_error(path: Path) -> str | None:
    """The error in the trial of a library; None if it passes."""
    from netc.runtime.native.trial import try_kernels

    try:
        try_kernels(path)
    except (NetcError, AssertionError) as e:
        return f"{path.name} is not used: {str(e).strip().splitlines()[0]}"
    return None
