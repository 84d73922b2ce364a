"""ort_abi.h against onnxruntime's official C header.

The header is not part of onnxruntime's wheels. `NETC_ORT_HEADER` names an onnxruntime_c_api.h; without it the places are searched
where packages for C and C++ install it.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from netc.runtime import native

SOURCES = Path(native.__file__).parent
NAME = "onnxruntime_c_api.h"
PREFIXES = ("/usr/include", "/usr/local/include", "/opt/homebrew/include", f"{sys.prefix}/include")
TYPES = {"kFloat": "FLOAT", "kUint8": "UINT8", "kInt64": "INT64"}
CODES = {"kInvalidArgument": "ORT_INVALID_ARGUMENT", "kFail": "ORT_FAIL"}
CHARACTERISTICS = {"kRequired": "INPUT_OUTPUT_REQUIRED", "kOptional": "INPUT_OUTPUT_OPTIONAL"}


def official_header() -> Path | None:
    """The official header, if this machine has it."""
    if "NETC_ORT_HEADER" in os.environ:
        return Path(os.environ["NETC_ORT_HEADER"])
    folders = ("", "onnxruntime", "onnxruntime/core/session")
    return next((p for prefix in PREFIXES for f in folders if (p := Path(prefix, f, NAME)).is_file()), None)


def entries(text: str) -> dict[str, int]:
    """The functions that ort_abi.h names, with their place in the table."""
    return {name: int(index) for name, index in re.findall(r"constexpr Entry<[^;]*>\s+(\w+)\{(\d+)\};", text)}


def fields(text: str) -> list[str]:
    """The fields of OrtCustomOp in ort_abi.h."""
    return re.findall(r"\(\*(\w+)\)\(", text[text.index("struct OrtCustomOp {") :])


def checks(text: str) -> Iterator[str]:
    """What must hold, as C++ expressions; the declarations of ort_abi.h are in namespace ours."""
    for name, index in entries(text).items():
        yield f"offsetof(OrtApi, {name}) == {index} * sizeof(void*)"
    for name in fields(text):
        yield f"offsetof(OrtCustomOp, {name}) == offsetof(ours::OrtCustomOp, {name})"
    for name in ("GetApi", "GetVersionString"):
        yield f"offsetof(OrtApiBase, {name}) == offsetof(ours::ort::ApiBase, {name})"
    for ours, theirs in {**CODES, **CHARACTERISTICS, **{k: f"ONNX_TENSOR_ELEMENT_DATA_TYPE_{v}" for k, v in TYPES.items()}}.items():
        yield f"ours::ort::{ours} == {theirs}"
    yield "ours::ort::kApiVersion <= ORT_API_VERSION"


def compile_checks(folder: Path, header: Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "ours.h").write_text(text)
    source = folder / "abi.cpp"
    lines = ["#include <cstddef>", "#include <cstdint>", f'#include "{header}"', "namespace ours {", '#include "ours.h"', "}"]
    source.write_text("\n".join([*lines, *(f'static_assert({c}, "{c}");' for c in checks(text))]))
    compiler = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("there is no C++ compiler")
    command = [compiler, "-std=c++17", "-fsyntax-only", "-w", f"-I{folder}", str(source)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.fixture
def header() -> Path:
    found = official_header()
    if found is None:
        pytest.skip(f"there is no {NAME}; NETC_ORT_HEADER can name one")
    return found


@pytest.fixture(scope="module")
def text() -> str:
    return (SOURCES / "ort_abi.h").read_text()


def test_every_function_and_field_is_found_in_the_text(text: str) -> None:
    assert len(entries(text)) == text.count("constexpr Entry<") and len(fields(text)) == 25
    assert set(re.findall(r"ort::(\w+)\(", "".join(p.read_text() for p in SOURCES.glob("*.cpp")))) <= entries(text).keys()


def test_places_and_numbers_are_those_of_the_official_header(tmp_path: Path, header: Path, text: str) -> None:
    done = compile_checks(tmp_path, header, text)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("GetTensorTypeAndShape{65}", "GetTensorTypeAndShape{64}", "offsetof(OrtApi, GetTensorTypeAndShape) == 64"),
        ("kInt64 = 7", "kInt64 = 8", "ours::ort::kInt64"),
        ("  void (*KernelDestroy)(void*);\n", "", "offsetof(OrtCustomOp, GetInputCharacteristic)"),
    ],
)
def test_a_wrong_place_or_number_is_found(tmp_path: Path, header: Path, text: str, old: str, new: str, said: str) -> None:
    assert old in text
    done = compile_checks(tmp_path, header, text.replace(old, new))
    assert done.returncode != 0 and said in done.stderr
