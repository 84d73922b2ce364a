"""Layers against results recorded from Caffe, one test a recorded case."""

import numpy as np
import pytest

from tests.recorded import FOLDER, Case, Run, check, check_case, index

CASES = index("layers")

pytestmark = pytest.mark.skipif(not CASES, reason=f"no recorded results in {FOLDER}")


@pytest.mark.parametrize("provider", ["cpu", "cuda"])
@pytest.mark.parametrize("entry", CASES, ids=lambda e: e["file"].removesuffix(".npz"))
def test_recorded(entry, provider):
    check_case(Case(FOLDER / "layers" / entry["file"]), provider)
