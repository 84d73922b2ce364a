"""`netc draw`: layers of both phases, and the graph of a training step."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from netc import api
from netc.compiler.lower import lower
from netc.net.resolve import resolve
from netc.report import net_drawing
from netc.report.drawing import dot_document
from netc.report.step_drawing import group, ops
from netc.spec import parse_yaml
from tests.conftest import ROOT
from tests.small_nets import netc

SPACE = "{http://www.w3.org/2000/svg}"
LENET = ROOT / "nets/lenet.yaml"
PHASES = """\
name: phases
layers:
  - Data: {source: mnist, batch_size: 64}
  - InnerProduct: {num_output: 10, weight_filler: xavier}
  - Accuracy: {include: {phase: TEST}}
  - Softmax: {bottom: ip1, top: scores, include: {phase: TRAIN}}
  - SoftmaxWithLoss: {bottom: [ip1, label]}
solver: {base_lr: 0.1, max_iter: 1}
"""


def boxes(path: Path) -> list[list[str]]:
    """The texts of each box."""
    groups = ElementTree.parse(path).getroot().iter(f"{SPACE}g")
    return [[t.text or "" for t in group.iter(f"{SPACE}text")] for group in groups]


def test_layers_carry_their_shapes(tmp_path: Path) -> None:
    result = netc("draw", LENET, "-o", tmp_path / "x.svg")
    assert result.exit_code == 0 and result.stdout == f"{tmp_path}/x.svg is written: 10 layers\n"
    drawn = boxes(tmp_path / "x.svg")
    assert drawn[:3] == [["data", "Data", "64x1x28x28, 64"], ["conv1", "Convolution", "64x20x24x24"], ["pool1", "Pooling", "64x20x12x12"]]
    assert drawn[-1] == ["loss", "SoftmaxWithLoss", "scalar"]


def test_both_phases_in_one_picture_with_layers_of_one_marked(tmp_path: Path) -> None:
    (tmp_path / "n.yaml").write_text(PHASES)
    assert netc("draw", tmp_path / "n.yaml", "-o", tmp_path / "x.svg").exit_code == 0
    kinds = {name: kind for name, kind, _ in boxes(tmp_path / "x.svg")}
    assert kinds == {"data": "Data", "ip1": "InnerProduct", "accuracy": "Accuracy, TEST only", "prob": "Softmax, TRAIN only",
                     "loss": "SoftmaxWithLoss"}  # fmt: skip
    rects = [r for r in ElementTree.parse(tmp_path / "x.svg").getroot().iter(f"{SPACE}rect") if r.get("stroke-dasharray")]
    assert len(rects) == 2
    assert netc("draw", tmp_path / "n.yaml", "--phase", "TRAIN", "-o", tmp_path / "x.svg").exit_code == 0
    assert {name: kind for name, kind, _ in boxes(tmp_path / "x.svg")} == {"data": "Data", "ip1": "InnerProduct", "prob": "Softmax",
                                                                         "loss": "SoftmaxWithLoss"}  # fmt: skip


def test_data_layers_of_one_name_are_two_boxes(tmp_path: Path) -> None:
    text = (ROOT / "nets/lenet.prototxt").read_text()
    head, tail = text[: text.index("layer {", 1)], text[text.index("layer {", text.index("layer {") + 1) :]
    data = text[text.index("layer {") : text.index("layer {", text.index("layer {") + 1)]
    head = text[: text.index("layer {")]
    for_phase = [data.rstrip().removesuffix("}") + f"  include {{ phase: {phase} }}\n}}\n" for phase in ("TRAIN", "TEST")]
    (tmp_path / "n.prototxt").write_text(head + "".join(for_phase) + tail)
    assert netc("draw", tmp_path / "n.prototxt", "-o", tmp_path / "x.svg").exit_code == 0
    kinds = [kind for _, kind, _ in boxes(tmp_path / "x.svg")]
    assert "Data, TRAIN only" in kinds and "Data, TEST only" in kinds


def test_the_graph_of_a_step_by_layer_and_part(tmp_path: Path) -> None:
    result = netc("draw", LENET, "--graph", "training", "-o", tmp_path / "x.svg")
    assert result.exit_code == 0 and "15 ops for gradients, 8 ops in the update" in result.stdout
    drawn = boxes(tmp_path / "x.svg")
    assert ["conv2", "ConvInputGrad  64x20x12x12", "ConvFilterGrad  50x20x5x5"] in drawn
    assert ["ip2", "SGD  10x500", "SGD  10"] in drawn
    program = api.load(str(LENET))
    assert len(drawn) == len({group(n) for n in ops(program)}) and sum(len(b) - 1 for b in drawn) == len(ops(program))


def test_a_large_graph_is_counted(tmp_path: Path) -> None:
    assert netc("draw", ROOT / "nets/deep_autoencoder.yaml", "--graph", "training", "-o", tmp_path / "x.svg").exit_code == 0
    drawn = boxes(tmp_path / "x.svg")
    assert ["encode1", "2 Add, 2 Adam"] in drawn and not any("x1000" in line for box in drawn for line in box)


@pytest.mark.parametrize("graph", ["layers", "training"])
def test_text_for_graphviz(tmp_path: Path, graph: str) -> None:
    result = netc("draw", LENET, "-o", tmp_path / "lenet.dot", "--graph", graph)
    assert result.exit_code == 0, result.stderr
    lines = (tmp_path / "lenet.dot").read_text().splitlines()
    nodes = [line.split(" [")[0].strip() for line in lines if "[label=" in line]
    arrows = [line.strip().split(" -> ") for line in lines if " -> " in line]
    assert lines[0] == 'digraph "lenet" {' and lines[-1] == "}" and {n for pair in arrows for n in pair} <= set(nodes)
    if graph == "layers":
        assert (len(nodes), len(arrows)) == (10, 11) and any('label="conv1\\nConvolution' in line for line in lines)


def test_names_in_text_for_graphviz_are_quoted() -> None:
    text = dot_document('a "b"', [("n0", ['x\\"y"', "", "z"], "#fff", True)], [])
    assert 'digraph "a \\"b\\"" {' in text and 'label="x\\\\\\"y\\"\\nz", fillcolor="#fff", style="rounded,filled,dashed"' in text


DECODER = """\
name: decoder
layers:
  - Input: {name: x, top: x, shape: {dim: [5, 2, 16]}}
  - Input: {name: z, top: z, shape: {dim: [9, 2, 16]}}
  - LayerNorm: {bottom: x}
  - Attention: {bottom: [norm1, z], heads: 4}
  - Eltwise: {bottom: [x, attention1]}
  - Transformer
  - Eltwise: {bottom: [x, eltwise1, transformer1]}
"""


def test_long_arrows_pass_beside_boxes_and_each_other() -> None:
    lowered = [lower(resolve(parse_yaml(DECODER)))]
    drawn, arrows = net_drawing.layers_of(lowered), net_drawing._arrows(lowered)
    places = net_drawing._places(drawn, arrows)
    lanes = net_drawing._lanes(places, arrows)
    assert len(lanes) == 4 and len(set(lanes.values())) > 2
    for (source, target), lane in lanes.items():
        between = [b for b in places.values() if places[source].row < b.row < places[target].row]
        assert between and all(not net_drawing._x(b) <= lane <= net_drawing._x(b) + net_drawing.WIDTH for b in between)
