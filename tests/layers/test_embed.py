"""Embed against its formula."""

import numpy as np
import pytest

from netc.errors import SpecError
from tests.layers.nets import about, forward, net

TABLE = np.arange(8).reshape(4, 2)


@about("Embed")
def test_rows_of_the_table() -> None:
    layer = "Embed: {name: e, bottom: x, num_output: 2, input_dim: 4, bias_term: %s}"
    x = [[3, 0], [1, 1]]
    np.testing.assert_array_equal(forward(layer % "false", given={"e.weight": TABLE}, x=x)["e"], TABLE[np.array(x)])
    got = forward(layer % "true", given={"e.weight": TABLE, "e.bias": [10, 20]}, x=x)["e"]
    np.testing.assert_array_equal(got, TABLE[np.array(x)] + [10, 20])


@pytest.mark.parametrize("missing, given", [("input_dim", "num_output"), ("num_output", "input_dim")])
def test_sizes_that_are_missing(missing: str, given: str) -> None:
    with pytest.raises(SpecError, match=f"{missing} is missing"):
        net(f"Embed: {{bottom: x, {given}: 2}}", inputs={"x": [1]})
