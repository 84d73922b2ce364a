"""Python layers of forks that run as layer types of netc."""

import pytest

from netc.errors import SpecError
from netc.net.model import TEST
from netc.net.resolve import resolve
from netc.spec import parse_prototxt
from tests.layers.detection.nets import data, layer

INPUTS = "\n".join([data("s", 1, 24, 4, 5), data("d", 1, 48, 4, 5), data("i", 1, 3)])


def python_layer(param_str: str, module: str = "rpn.proposal_layer", name: str = "ProposalLayer") -> str:
    fields = f"python_param {{ module: '{module}' layer: '{name}' param_str: \"{param_str}\" }}"
    return f"{INPUTS}\n{layer('Python', 'proposal', ['s', 'd', 'i'], 'rois', fields)}"


@pytest.mark.parametrize("param_str, scales", [
    ("'feat_stride': 16", []),
    ("'feat_stride': 16 \\n'scales': !!python/tuple [4, 8, 16, 32]", [4, 8, 16, 32]),
    ("feat_stride: 16", []),
])  # fmt: skip
def test_the_proposal_layer_of_faster_rcnn(param_str: str, scales: list[float]) -> None:
    document = parse_prototxt(python_layer(param_str))
    own = document.message.layer[-1]
    assert (own.type, own.proposal_param.feat_stride, list(own.proposal_param.scale)) == ("Proposal", 16, scales)
    assert not own.HasField("python_param")
    (warning,) = document.warnings
    assert "runs as Proposal, with min_size 16, pre_nms_topn 6000, post_nms_topn 300 and nms_thresh 0.7" in str(warning)
    assert [x.type for x in resolve(document, TEST).layers][-1] == "Proposal"


@pytest.mark.parametrize("text", [
    python_layer("'feat_stride': 16, 'ratios': [1]"), python_layer("'feat_stride': x"), python_layer("["), python_layer(""),
    python_layer("'feat_stride': 16\\n'scales': 8"), python_layer("'feat_stride': 16", "rpn.other_layer"),
])  # fmt: skip
def test_other_python_layers_stay(text: str) -> None:
    document = parse_prototxt(text)
    assert document.message.layer[-1].type == "Python" and not document.warnings


def test_errors_point_to_the_layer() -> None:
    text = python_layer("'feat_stride': 16").replace('bottom: "i"', 'bottom: "nothing"')
    with pytest.raises(SpecError, match=r":4:\d+: .*nothing"):
        resolve(parse_prototxt(text), TEST)
