"""Layers against results recorded from Caffe, one test per case."""

import numpy as np
import pytest

from tests.recorded import FOLDER, Case, Run, check, check_case, index

CASES = {entry["file"].removesuffix(".npz"): entry for entry in index("layers")}

# Intended differences: the arrays of the case, and the reason.
STATES = {"dtop_hT", "dtop_cT", "d_h0", "d_c0"}
DIFFERS = {
    "bn_batch_test": ({"param_after"}, "testing leaves the statistics as training made them, with use_global_stats: false as well"),
    "clip_inplace": ({"d_x"}, "the gradient in place is that of the values that came, not of the clipped ones"),
    "power_linear": ({"d_x"}, "the gradient in place is scale times that of the top, not scale squared"),
    "elt_sum_one": ({"out_a", "d_a"}, "a sum in place keeps its first bottom: values are never overwritten"),
    **{
        f"{kind}_expose{static}": (STATES, "gradients flow through exposed states, so that a decoder trains its encoder")
        for kind in ("lstm", "rnn")
        for static in ("", "_static")
    },
}

pytestmark = pytest.mark.skipif(not CASES, reason=f"no recorded results in {FOLDER}")


@pytest.mark.parametrize("provider", ["cpu", "cuda"])
@pytest.mark.parametrize("name", [n for n, entry in CASES.items() if not entry.get("random")])
def test_recorded(name: str, provider: str) -> None:
    """Check both sets of bodies. Those for CUDA run on the CPU too."""
    differs, _ = DIFFERS.get(name, (set(), ""))
    check_case(Case(FOLDER / "layers" / CASES[name]["file"]), provider, differs)


@pytest.mark.parametrize("name", [n for n, entry in CASES.items() if entry.get("random")])
def test_dropout_uses_one_mask_both_ways(name: str) -> None:
    """This holds for the recorded arrays too: the mask in the output is also the mask of the gradient."""
    case = Case(FOLDER / "layers" / CASES[name]["file"])
    run = Run(case.lower(case.part("in_")))
    ratio = run.lowered.net.layers[-1].param.dropout_param.dropout_ratio
    x, dy = case.arrays["in_x"], case.arrays["dtop_y"]
    dx = run.gradients({"y": dy})["dblob/x"]
    got = run.run({"y": run.lowered.versions["y"][-1], "dx": dx}, {"x": x}, {})
    for y, d in ((got["y"], got["dx"]), (case.arrays["out_y"], case.arrays["din_x"])):
        mask = np.where(y != 0, np.float32(1 / (1 - ratio)), np.float32(0))
        check(y, x * mask, "y")
        check(d, dy * mask, "dx")
        assert abs((y != 0).mean() - (1 - ratio)) < 3 * np.sqrt(ratio * (1 - ratio) / y.size)


def test_what_differs_is_recorded() -> None:
    assert DIFFERS.keys() <= CASES.keys()
