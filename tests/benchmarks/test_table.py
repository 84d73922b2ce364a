"""The benchmark's own arithmetic."""

import numpy as np

from tests.benchmarks.__main__ import measure, table


def test_speeds_are_multiples_of_the_best_torch_variant():
    times = {"netc native": np.array([1.0, 2.0, 3.0]), "torch eager": np.array([9.0]), "torch channels_last": np.array([3.0])}
    lines = table("lenet", times).splitlines()
    assert lines[2] == "| netc native | 2.000 (1.500 - 2.500) | 1.50 |"
    assert lines[3].endswith("| 0.33 |") and lines[4].endswith("| 1.00 |")
    assert table("lenet", {"netc native": np.array([1.0])}).splitlines()[2].endswith("| - |")


def test_a_contender_is_measured_in_a_process_of_its_own():
    times = measure("mlp", ["netc portable"], rounds=1, threads=1)
    assert len(times["netc portable"]) == 200 and (times["netc portable"] > 0).all()
