"""netc/kernels.json.gz from onnxruntime's own lists: `python -m tests.kernel_table` writes it."""

import csv
import gzip
import json
import re
from pathlib import Path
from typing import Any

from tests.conftest import REFERENCE, ROOT

# WebGPU's kernels that the recorded list lacks, from the same file of onnxruntime: those that its macros KERNEL_CREATE_INFO and
# its functions for int64 register, and those of several domains in one. First and last version.
MORE_OF_WEBGPU: dict[str, list[tuple[int, int | None]]] = {
    "Add": [(7, 12), (13, 13), (14, None)], "And": [(7, None)], "Cast": [(6, 8), (9, 12), (13, 18), (19, 20), (21, 22), (23, None)],
    "Concat": [(1, 3), (4, 10), (11, 12), (13, None)], "Div": [(7, 12), (13, 13), (14, None)],
    "Equal": [(7, 10), (11, 12), (13, 18), (19, None)], "Expand": [(8, 12), (13, None)], "Gather": [(1, 10), (11, 12), (13, None)],
    "Greater": [(7, 8), (9, 12), (13, None)], "GreaterOrEqual": [(12, 15), (16, None)], "Less": [(7, 8), (9, 12), (13, None)],
    "LessOrEqual": [(12, 15), (16, None)], "Mul": [(7, 12), (13, 13), (14, None)], "Pow": [(7, 11), (12, 12), (13, 14), (15, None)],
    "Range": [(11, None)], "ReduceSum": [(1, 10), (11, 12), (13, None)],
    "Reshape": [(5, 12), (13, 13), (14, 18), (19, 20), (21, 22), (23, 24), (25, None)], "Sub": [(7, 12), (13, 13), (14, None)],
    "Tile": [(6, 12), (13, None)], "Unsqueeze": [(1, 10), (11, 12), (13, 20), (21, 22), (23, 23), (24, 24), (25, None)],
    "Where": [(9, 15), (16, None)],
}  # fmt: skip
FOLDER = REFERENCE / "onnxruntime"
TABLE = ROOT / "netc" / "kernels.json.gz"


def versions(text: str) -> tuple[int, int | None]:
    """`N+` is N and no end, `[a, b]` those between; `N` that one alone."""
    if closed := re.fullmatch(r"\[(\d+), (\d+)\]", text):
        return int(closed[1]), int(closed[2])
    return int(text.rstrip("+")), None if text.endswith("+") else int(text)


def table() -> dict[str, Any]:
    """{provider: {op: [[first, last, {variable: types}]]}} of ONNX's own domain."""
    found: dict[str, Any] = {"CPU": {}, "CUDA": {}, "WebGPU": {}}
    with (FOLDER / "kernels.tsv").open() as file:
        for row in csv.DictReader(file, delimiter="\t"):
            provider = row["provider"].removesuffix("ExecutionProvider")
            if provider in found and row["domain"] == "ai.onnx":
                types = [part.strip().split(" = ") for part in row["types"].split("<br/>") if " = " in part]
                limits = {name: sorted(kinds.split(", ")) for name, kinds in types}
                found[provider].setdefault(row["op"], []).append([*versions(row["opset"]), limits])
    for op, rows in json.loads((FOLDER / "webgpu_ops.json").read_text()).items():
        numbers = [[int(part) for part in row if part.isdigit()] for row in rows if "kMSInternalNHWCDomain" not in row]
        ends = [[n[0], n[1] if len(n) > 1 else None, {}] for n in numbers if n]
        if ends:
            found["WebGPU"][op] = ends
    found["WebGPU"] |= {op: [[first, last, {}] for first, last in rows] for op, rows in MORE_OF_WEBGPU.items()}
    return found


def packed() -> bytes:
    """The table as the package carries it."""
    return gzip.compress(json.dumps(table(), sort_keys=True, separators=(",", ":")).encode(), mtime=0)


if __name__ == "__main__":
    Path(TABLE).write_bytes(packed())
