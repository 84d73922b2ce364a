"""Where tests find recorded results and data; both may be absent, and tests that need them then skip, saying so."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = Path(os.environ.get("NETC_REFERENCE", ROOT.parent / "shared" / "reference"))
DATA = Path(os.environ["NETC_DATA"].split(os.pathsep)[0] if "NETC_DATA" in os.environ else ROOT.parent / "shared" / "data")

os.environ.setdefault("NETC_CACHE", "0")  # tests leave nothing in the user's cache

needs_reference = pytest.mark.skipif(not REFERENCE.is_dir(), reason=f"no recorded results in {REFERENCE}")


def needs_data(folder: str) -> pytest.MarkDecorator:
    """Skip where a data set is not there."""
    return pytest.mark.skipif(not (DATA / folder).is_dir(), reason=f"no {folder} in {DATA}; NETC_DATA names the folder of data sets")


def pytest_addoption(parser: pytest.Parser) -> None:
    """What the tests take from the command line beside pytest's own options."""
    parser.addoption("--golden-update", action="store_true", help="write what tests/errors/ expects anew (tests/test_error_messages.py)")
    parser.addoption("--kills", type=int, default=3, help="How often a run is killed in tests/run/test_kill.py.")
