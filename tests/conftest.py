"""The folders of recorded results and of data. Either may be missing; tests that need it then skip with a reason."""

import os
import pty
from collections.abc import Iterator
from pathlib import Path

import pytest

from netc import registry

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = Path(os.environ.get("NETC_REFERENCE", ROOT.parent / "shared" / "reference"))
DATA = Path(os.environ["NETC_DATA"].split(os.pathsep)[0] if "NETC_DATA" in os.environ else ROOT.parent / "shared" / "data")

os.environ.setdefault("NETC_CACHE", "0")  # tests must not write to the user's cache

# Folders and modules that train nets, start processes or read many files. Without them (`pytest -m "not slow"`), the tests take a minute.
SLOW = (
    "benchmarks", "docs", "test_autoencoder", "test_gpu_check", "test_recorded_lenet", "test_recurrent_nets", "test_reference",
    "test_scale", "test_terminal", "test_uses", "zoo", "caffe/test_backward", "caffe/test_nets", "commands/export",
    "commands/init", "commands/test_explain", "commands/test_leaderboard", "commands/test_show", "commands/test_verify_resume",
    "compiler/test_cache", "data/named/test_named",
    "data/named/test_sequences", "data/sources/test_database_fuzz", "data/sources/test_leveldb", "data/sources/test_trees",
    "layers/test_boltzmann", "layers/test_recorded", "onnx_import/test_hostile", "onnx_import/test_opsets", "onnx_import/test_recurrent",
    "predict/explain", "predict/raw", "predict/test_generate", "predict/test_model", "predict/test_tokens",
    "report/test_board", "report/test_damaged", "report/test_recorder", "runtime/native", "runtime/test_kernel_table",
    "spec/test_hostile_texts",
    "spec/test_schema", "training/test_carry", "training/test_interruptions", "training/test_input_files", "training/test_kill",
    "training/test_pretraining", "training/test_resume", "training/test_watch", "zoo/test_release",
)  # fmt: skip

YOURS = ("resnet18",)  # the nets in nets/ for data that only a user has
NETS = sorted(p.stem for p in (ROOT / "nets").glob("*.yaml") if p.stem not in YOURS)

ZOO = ROOT / "model_zoo"
needs_zoo = pytest.mark.skipif(not ZOO.is_dir(), reason="no model_zoo/ here, as in an sdist")
needs_reference = pytest.mark.skipif(not REFERENCE.is_dir(), reason=f"no recorded results in {REFERENCE}")


def needs_data(folder: str) -> pytest.MarkDecorator:
    """Skip if a data set is missing."""
    return pytest.mark.skipif(not (DATA / folder).is_dir(), reason=f"no {folder} in {DATA}; NETC_DATA names the folder of data sets")


@pytest.fixture(autouse=True)
def registered_by_the_test() -> Iterator[None]:
    """Undo after each test what it or its plug-ins register."""
    with registry.scoped():
        yield


def pseudo_terminal() -> tuple[int, int]:
    """Return both ends of a pseudo terminal. The test skips if the system has none, as in some containers."""
    try:
        return pty.openpty()
    except OSError as e:
        pytest.skip(f"no pseudo-terminal: {e}")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the test suite."""
    parser.addoption("--golden-update", action="store_true", help="write what tests/errors/ expects anew (tests/test_error_messages.py)")
    parser.addoption("--kills", type=int, default=3, help="How often a run is killed in tests/training/test_kill.py.")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of SLOW as `slow`."""
    slow = tuple(str(ROOT / "tests" / name) for name in SLOW)
    for item in items:
        path = str(item.path.with_suffix(""))
        if path in slow or any(path.startswith(f"{folder}{os.sep}") for folder in slow):
            item.add_marker(pytest.mark.slow)
