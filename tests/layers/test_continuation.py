"""ContinuationIndicator: where the sequences of a batch begin."""

import numpy as np
import pytest

from netc.errors import SpecError
from tests.layers.nets import about, forward

LINE = "ContinuationIndicator: {top: cont, time_step: 3, batch_size: 2}"
X = np.random.default_rng(0).normal(size=(3, 2, 4)).astype(np.float32)


@about("ContinuationIndicator")
def test_a_recurrent_layer_reads_whole_sequences() -> None:
    found = forward(LINE, x=X)
    assert found["cont"].tolist() == [[0, 0], [1, 1], [1, 1]]
    layer = "LSTM: {bottom: [x, BOTTOM], top: y, num_output: 3, weight_filler: {type: constant, value: 0.3}}"
    told = forward(f"{LINE}\n{layer.replace('BOTTOM', 'cont')}", x=X)["y"]
    np.testing.assert_allclose(told, forward(layer.replace("BOTTOM", "b"), x=X, b=[[0, 0], [1, 1], [1, 1]])["y"], rtol=1e-6)


@about("ContinuationIndicator")
def test_its_sizes_are_needed() -> None:
    with pytest.raises(SpecError, match="`batch_size` is missing"):
        forward(LINE.replace(", batch_size: 2", ""), x=X)
