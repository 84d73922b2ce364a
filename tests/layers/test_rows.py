"""Every layer type has a test that covers it, and gives the same results with a symbolic batch as with a number."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from netc import netc_pb2 as pb
from netc import registry
from netc.compiler.lower import lower
from netc.errors import SpecError
from netc.net.model import TEST
from netc.spec import parse_prototxt
from tests.layers.nets import COVERED, evaluate, net, states
from tests.layers.test_gradients import ROWS
from tests.recorded import FOLDER, index

PINNED = {
    "MultiBoxLoss",  # neither the priors nor the labelled boxes have a batch axis
    "InfogainLoss",  # the matrix, here an input, has no batch axis
    "Parameter",  # a learned blob has no batch axis
    "RecursiveNet: {bottom: [x, child, width]}",  # the number of levels is not a batch size
    "RecursiveTensor: {bottom: [x, child, width]}",
    "Bias: {bottom: [x, b], axis: 2}",  # the second input has no batch axis
    "Convolution: {bottom: [x, z], top: [a, b], num_output: 2, kernel_size: 3, axis: 2}",  # it would merge two batch axes
    "Position: {bottom: x}",  # its table has a row for each time step, which is the batch axis here
    "CTCLoss: {bottom: [x, label]}",  # labels have the batch on axis 0, scores on axis 1
    "CTCLoss: {bottom: [x, label, cont], reduction: SUM, blank: -1}",
    "CTCLoss: {bottom: [x, label], reduction: BATCH_MEAN, zero_infinity: true}",
    "LastStep: {bottom: [x, cont]}",  # they compare all time steps with each other
    "Reverse: {bottom: [x, cont]}",
    "Reverse: {bottom: x}",
}

# Caffe's 61 types: those in the nets that it ships, those that its V1 format lacks, and the others.
SHIPPED = {
    "ReLU", "Convolution", "Pooling", "InnerProduct", "LRN", "Dropout", "Data", "Accuracy", "Concat", "SoftmaxWithLoss", "Sigmoid",
    "Input", "Softmax", "HDF5Data", "ImageData", "BatchNorm", "WindowData", "DummyData", "Slice", "ContrastiveLoss", "Flatten",
    "SigmoidCrossEntropyLoss", "EuclideanLoss", "Python",
}  # fmt: skip
YOUNGER = {
    "BatchNorm", "BatchReindex", "Bias", "Clip", "Crop", "ELU", "Embed", "Filter", "Input", "LSTM", "LSTMUnit", "Log", "PReLU",
    "Parameter", "Python", "RNN", "Reduction", "Reshape", "SPP", "Scale", "Swish", "Tile",
}  # fmt: skip
OTHERS = {
    "AbsVal", "ArgMax", "BNLL", "Deconvolution", "Eltwise", "Exp", "HDF5Output", "HingeLoss", "Im2col", "InfogainLoss", "MVN",
    "MemoryData", "MultinomialLogisticLoss", "Power", "Silence", "Split", "TanH", "Threshold",
}  # fmt: skip
# User code, images that another library decodes, and a file that tests/data compares.
NOT_RECORDED = {"Python", "ImageData", "WindowData", "HDF5Output"}

OTHER_BATCH = "cont, s", "expose_hidden"  # x has time on axis 0, a static input the batch; initial states have neither


def test_every_layer_has_a_row() -> None:
    tests = Path(__file__).parents[1]
    for folder in ("layers", "data"):
        for path in (tests / folder).rglob("test_*.py"):
            import_module(".".join(("tests", *path.relative_to(tests).with_suffix("").parts)))
    assert registry.layer.keys() == COVERED


def test_caffes_types_are_all_there() -> None:
    assert (len(SHIPPED), len(YOUNGER), len(SHIPPED | YOUNGER | OTHERS)) == (24, 22, 61)
    assert registry.layer.keys() >= SHIPPED | YOUNGER | OTHERS
    numbers = [v.number for v in pb.V1LayerParameter.LayerType.DESCRIPTOR.values if 0 < v.number < 1000]
    old = parse_prototxt("\n".join(f"layers {{ type: {number} }}" for number in numbers)).message
    assert sorted(layer.type for layer in old.layer) == sorted((SHIPPED | OTHERS) - YOUNGER)


@pytest.mark.skipif(not index("layers"), reason=f"no recorded results in {FOLDER}")
def test_caffes_types_are_recorded() -> None:
    found = {entry["type"] for entry in index("layers")} | {"Input"}  # each case has an Input
    for entry in index("data"):
        with np.load(FOLDER / "data" / entry["file"]) as file:
            found.update(layer.type for layer in parse_prototxt(str(file["prototxt"])).message.layer)
    assert found == (SHIPPED | YOUNGER | OTHERS) - NOT_RECORDED


@pytest.mark.parametrize("kind", ROWS)
def test_symbolic_batch(kind: str) -> None:
    """A net lowered for a symbolic batch gives the same results as one lowered for a fixed batch."""
    for layers, inputs in ROWS[kind]:
        fixed = net(layers, TEST, inputs)
        try:
            free = lower(fixed.net, "N")
        except SpecError:
            assert layers in PINNED or kind in PINNED or any(other in layers for other in OTHER_BATCH)
            continue
        held = states(fixed)
        names = [n for n in fixed.net.outputs if n not in inputs]
        got, expected = (evaluate(low, {n: low.versions[n][-1] for n in names}, inputs, held) for low in (free, fixed))
        for name in names:
            np.testing.assert_allclose(got[name], expected[name], rtol=1e-5, atol=1e-6)
