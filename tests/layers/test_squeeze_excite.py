"""SqueezeExcite, compared with torchvision."""

import pytest

from tests.layers.nets import about
from tests.layers.torch_values import check_torch


@about("SqueezeExcite")
@pytest.mark.parametrize("case, fields", [("plain", "reduction: 2"), ("mobile", "squeeze_channels: 2, gate: HARD_SIGMOID"),
                                          ("efficient", "squeeze_channels: 2, activation: SWISH")])  # fmt: skip
def test_torchvisions_block(case: str, fields: str) -> None:
    check_torch(f"excite/{case}", f"SqueezeExcite: {{bottom: x, name: y, {fields}}}")
