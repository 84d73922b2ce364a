"""netc/runtime/kernels.json.gz: `python -m tests.kernel_table [LIBRARY]` writes it.

CPU and CUDA are those of onnxruntime's own lists; WebGPU those that the library of the package onnxruntime-ep-webgpu registers, which
needs a device that WebGPU runs on. Without LIBRARY WebGPU's part stays as it is.
"""

import csv
import gzip
import json
import re
import sys
from pathlib import Path
from typing import Any

from netc.runtime.kernel_table import WEBGPU, Kernels
from tests.conftest import REFERENCE, ROOT

FOLDER = REFERENCE / "onnxruntime"
UNTYPED = {"NonMaxSuppression": [[11, None, {}], [10, 10, {}]]}  # of CPU and CUDA: kernels.tsv leaves out kernels of one fixed type
TABLE = ROOT / "netc" / "runtime" / "kernels.json.gz"


def versions(text: str) -> tuple[int, int | None]:
    """`N+` is N and no end, `[a, b]` those between; `N` that one alone."""
    if closed := re.fullmatch(r"\[(\d+), (\d+)\]", text):
        return int(closed[1]), int(closed[2])
    return int(text.rstrip("+")), None if text.endswith("+") else int(text)


def lists() -> dict[str, Any]:
    """{provider: {op: [[first, last, {variable: types}]]}} of ONNX's own domain, for CPU and CUDA."""
    found: dict[str, Any] = {"CPU": dict(UNTYPED), "CUDA": dict(UNTYPED)}
    with (FOLDER / "kernels.tsv").open() as file:
        for row in csv.DictReader(file, delimiter="\t"):
            provider = row["provider"].removesuffix("ExecutionProvider")
            if provider in found and row["domain"] == "ai.onnx":
                types = [part.strip().split(" = ") for part in row["types"].split("<br/>") if " = " in part]
                limits = {name: sorted(kinds.split(", ")) for name, kinds in types}
                found[provider].setdefault(row["op"], []).append([*versions(row["opset"]), limits])
    return found


def registered(library: str, provider: str = "WebGpuExecutionProvider") -> dict[str, Any]:
    """The same of one provider, as its library says."""
    import onnxruntime
    from onnxruntime.capi import _pybind_state

    onnxruntime.register_execution_provider_library("table", library)
    found: dict[str, Any] = {}
    for kernel in _pybind_state.get_registered_ep_kernel_defs(provider):
        if kernel.domain in ("", "ai.onnx"):
            first, last = kernel.version_range
            limits = {n: sorted(re.sub(r"^tensor\((.*)\)$", r"\1", t) for t in kinds) for n, kinds in kernel.type_constraints.items()}
            found.setdefault(kernel.op_name, []).append([first, None if last >= 2**31 - 1 else last, limits])
    return found


def packed(webgpu: Kernels) -> bytes:
    """The table as the package carries it."""
    return gzip.compress(json.dumps(lists() | {"WebGPU": webgpu}, sort_keys=True, separators=(",", ":")).encode(), mtime=0)


if __name__ == "__main__":
    Path(TABLE).write_bytes(packed(registered(sys.argv[1]) if sys.argv[1:] else WEBGPU.ops))
