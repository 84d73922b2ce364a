"""Whole small nets against results recorded from Caffe."""

from typing import Any

import pytest

from tests.recorded import FOLDER, Case, check_case, index

CASES = [entry["file"].removesuffix(".npz") for entry in index("nets")]

pytestmark = pytest.mark.skipif(not CASES, reason=f"no recorded results in {FOLDER}")


@pytest.mark.parametrize("provider", ["cpu", "cuda"])
@pytest.mark.parametrize("name", CASES)
def test_recorded(name: Any, provider: str) -> None:
    """Both sets of bodies: those for CUDA run on the CPU too."""
    check_case(Case(FOLDER / "nets" / f"{name}.npz"), provider)
