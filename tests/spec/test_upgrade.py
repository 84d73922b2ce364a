"""Old formats on their way to the current one, against recorded upgrades, and the places of what is wrong with them."""

from pathlib import Path
from typing import Any

import pytest

from netc import netc_pb2 as pb
from netc import registry
from netc.errors import SpecError
from netc.spec import load, parse_prototxt, to_prototxt
from netc.spec.document import Dropped
from tests.conftest import REFERENCE, needs_reference
from tests.recorded import FOLDER, index

CASES = [(entry["before"], entry["after"]) for entry in index("upgrade")]
TRAIN_VAL = 'layers { name: "d" type: DATA top: "x" }'


def message_type(name: str) -> Any:
    return pb.SolverParameter if "solver" in name else pb.NetParameter


@pytest.mark.skipif(not CASES, reason=f"no recorded results in {FOLDER}")
@pytest.mark.parametrize(("before", "after"), CASES, ids=[b for b, _ in CASES])
def test_recorded(before: str, after: str) -> None:
    folder, kind = FOLDER / "upgrade", message_type(before)
    wanted = load(folder / after, kind).message
    assert load(folder / before, kind).message == wanted
    assert (folder / before).read_bytes() != (folder / after).read_bytes()


@needs_reference
def test_every_v1_type_has_its_name() -> None:
    registry.load()
    names = [name for name in pb.V1LayerParameter.LayerType.keys() if name != "NONE"]  # noqa: SIM118
    of_caffe = [value for value in pb.V1LayerParameter.LayerType.values() if 0 < value < 1000]
    net = parse_prototxt(" ".join(f"layers {{ type: {name} }}" for name in names)).message
    assert len(net.layer) == len(names) > len(of_caffe) == 39
    assert {layer.type for layer in net.layer} <= registry.layer.keys()
    assert REFERENCE


def test_one_old_transformation_gives_every_data_layer_the_message() -> None:
    net = parse_prototxt(f'{TRAIN_VAL} layers {{ name: "e" type: IMAGE_DATA image_data_param {{ mirror: true }} }}').message
    assert net.layer[0].HasField("transform_param") and net.layer[0].HasField("data_param")
    assert net.layer[1].transform_param.mirror and not net.layer[1].image_data_param.HasField("mirror")
    assert not parse_prototxt(TRAIN_VAL).message.layer[0].HasField("transform_param")


def test_inputs_without_shapes_go() -> None:
    assert parse_prototxt('input: "x" name: "n"').message == pb.NetParameter(name="n")


def test_nets_inside_a_solver_are_upgraded_with_their_places() -> None:
    solver = parse_prototxt(f'base_lr: 1\nnet_param {{ name: "n"\n{TRAIN_VAL}\n}} test_net_param {{ input: "a"\ninput_dim: [1, 2, 3, 4] }}',
                            pb.SolverParameter, "s")  # fmt: skip
    assert [layer.type for layer in solver.message.net_param.layer] == ["Data"]
    assert solver.message.test_net_param[0].layer[0].input_param.shape[0].dim == [1, 2, 3, 4]
    assert str(solver.place("net_param", "layer", 0, "type")) == "s:3:20"
    assert str(solver.place("test_net_param", 0, "layer", 0)) == "s:4:20"


@pytest.mark.parametrize(
    ("text", "path", "place"),
    [
        ('layers { name: "c" type: RELU\nblobs_lr: 2 }', ("layer", 0, "param", 0, "lr_mult"), "n:2:1"),
        ('layers { type: DATA\ndata_param { scale: 2 } }', ("layer", 0, "transform_param", "scale"), "n:2:14"),
        ('input: "x"\ninput_dim: [1, 1, 1, 1]\nlayer {\nname: "r" }', ("layer", 1, "name"), "n:4:1"),
        ('input: "x"\ninput_dim: [1, 1, 1, 1]\nlayer { name: "r" }', ("layer", 0), "n:1:1"),
        (
            'input: "x" input_dim: [1, 1, 1, 1]\nlayers { layer { name: "p" type: "padding" pad: 1 } bottom: "x" top: "p" }\n'
            'layers { layer { name: "c"\ntype: "conv"\nkernelsize: 3 } bottom: "p" top: "c" }',
            ("layer", 1, "convolution_param", "kernel_size"),
            "n:5:1",
        ),
    ],
)  # fmt: skip
def test_places_move_along(text: str, path: tuple[str | int, ...], place: str) -> None:
    assert str(parse_prototxt(text, path="n").place(*path)) == place


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('layer { name: "a" }\nlayers { name: "b" }', "n:2:1: The net has both `layer` and `layers`"),
        ('input: "x"\ninput_dim: 1', "n:2:1: There are 1 `input_dim` for 1 inputs. Expected 4, four for each."),
        (
            'layers { layer { name: "c"\ntype: "covn" } }',
            "n:2:1: There is no layer type 'covn' in Caffe's format of 2013.",
        ),
        ('layers { layer { type: "conv" }\nbottom: "x" }', "n:2:1: Layer '': It reads 'x', which no layer above writes."),
        (
            'layers { layer { type: "data" } top: "x" }\nlayers { layer { type: "padding" } bottom: "x" top: "p" }\n'
            'layers { layer { name: "r" type: "relu" }\nbottom: "p" }',
            "n:4:1: Layer 'r': A padding layer must lead from one blob to one conv or pool, not to 'relu'.",
        ),
        ("layers { type: PERMUTE }", "n:1:16: `type` cannot be 'PERMUTE'."),
    ],
)
def test_what_has_no_meaning(text: str, wanted: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_prototxt(text, path="n")
    assert str(caught.value).startswith(wanted)


def test_a_solver_with_both_types() -> None:
    with pytest.raises(SpecError, match="s:2:1: Both `solver_type`, Caffe's old enum, and `type` are set. Remove one of t"):
        parse_prototxt('type: "SGD"\nsolver_type: ADAM', pb.SolverParameter, "s")


def test_a_field_of_another_v0_type_is_dropped_with_a_warning() -> None:
    document = parse_prototxt('layers { layer { name: "r" type: "relu"\nnum_output: 3 } }', path="n")
    assert [str(w) for w in document.warnings] == ["n:2:1: Layer 'r': 'relu' has no `num_output`. It is ignored."]
    assert to_prototxt(document.message) == 'layer {\n  name: "r"\n  type: "ReLU"\n}\n'


def test_a_field_of_a_layer_is_dropped_by_its_name_alone() -> None:
    text = 'zzz: 1\nlayer { name: "p" type: "Pooling" pooling_param { kernel_size: 2 qqq: false } param { foo: 1 } }'
    with pytest.raises(SpecError) as caught:
        parse_prototxt(text, path="n", dropped=Dropped(outside=True))
    assert [str(d.place) for d in caught.value.diagnostics] == ["n:2:66", "n:2:87"]
    assert "`--ignore pooling_param.qqq` ignores it" in str(caught.value) and "`--ignore param.foo` ignores it" in str(caught.value)
    document = parse_prototxt(text, path="n", dropped=Dropped(True, ("pooling_param.qqq", "param.foo")))
    assert len(document.warnings) == 3


def test_fields_of_forks() -> None:
    text = 'layer { name: "p" type: "Permute"\nfork_param { order: [0, 2] } }'
    with pytest.raises(SpecError) as caught:
        parse_prototxt(text, path="n")
    assert str(caught.value).startswith("n:2:1: LayerParameter has no field 'fork_param'. Did you mean")
    assert str(caught.value).endswith(
        "Otherwise it belongs to a fork of Caffe (BVLC Caffe has no such field). netc cannot know what it does "
        "in this layer; `--ignore fork_param` ignores it."
    )
    document = parse_prototxt(text, path="n", dropped=Dropped(fields=("fork_param",)))
    assert [str(w) for w in document.warnings] == ["n:2:1: LayerParameter has no field 'fork_param'. It is ignored."]
    assert document.message.layer[0] == pb.LayerParameter(name="p", type="Permute")


def test_binary_files(tmp_path: Path) -> None:
    old = pb.NetParameter(layers=[pb.V1LayerParameter(name="r", type=pb.V1LayerParameter.RELU, bottom=["x"], top=["y"])])
    (tmp_path / "n.caffemodel").write_bytes(old.SerializeToString())
    new = load(tmp_path / "n.caffemodel").message
    assert new == pb.NetParameter(layer=[pb.LayerParameter(name="r", type="ReLU", bottom=["x"], top=["y"])])
