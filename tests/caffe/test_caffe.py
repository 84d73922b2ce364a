"""pycaffe's names one by one: arguments, blobs, gradients that add up, files, NetSpec, io."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netc
import netc.caffe as caffe
from netc import netc_pb2 as pb
from netc.caffe import layers as L
from netc.caffe import params as P
from netc.errors import DataError, NetcError, ShapeError, SpecError
from tests.recorded import FOLDER, Case, check, index

NET = """\
name: "n"
layer { name: "d" type: "Input" top: "x" top: "t" input_param { shape { dim: 2 dim: 3 } shape { dim: 2 dim: 4 } } }
layer { name: "drop" type: "Silence" bottom: "t" include { stage: "quiet" } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip" inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "t" top: "loss" loss_weight: 2 exclude { stage: "quiet" } }
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    (tmp_path / "n.prototxt").write_text(NET)
    return str(tmp_path / "n.prototxt")


def test_both_orders_of_arguments(path: str, tmp_path: Path) -> None:
    weights = str(tmp_path / "w.caffemodel")
    net = caffe.Net(path, caffe.TRAIN)
    net.params["ip"][0].data[...] = 7
    net.save(weights)
    old, new = caffe.Net(path, weights, caffe.TEST), caffe.Net(path, caffe.TEST, weights=weights)
    for made in (old, new, caffe.Net(path, phase=1, weights=weights)):
        assert (made.params["ip"][0].data == 7).all()
    quiet = caffe.Net(path, caffe.TEST, stages=["quiet"])
    assert list(quiet.layer_dict) == ["d", "drop", "ip"] and [layer.type for layer in quiet.layers][1:] == ["Silence", "InnerProduct"]
    with pytest.raises(SpecError, match="expected the phase caffe.TRAIN or caffe.TEST; got None"):
        caffe.Net(path)
    with pytest.raises(SpecError, match="Net has no argument wieghts"):
        caffe.Net(path, caffe.TEST, wieghts="x")


def test_hdf5_weights(path: str, tmp_path: Path) -> None:
    pytest.importorskip("h5py", reason="HDF5 files need h5py: pip install netc[caffe]")
    net, other = caffe.Net(path, caffe.TRAIN), caffe.Net(path, caffe.TRAIN)
    net.params["ip"][0].data[...] = 5
    net.save_hdf5(str(tmp_path / "w.caffemodel.h5"))
    other.load_hdf5(str(tmp_path / "w.caffemodel.h5"))
    assert (other.params["ip"][0].data == 5).all()


def test_what_there_is(path: str) -> None:
    net = caffe.Net(path, caffe.TRAIN)
    assert net.inputs == ["x", "t"] and net.outputs == ["loss"]
    assert net.bottom_names["loss"] == ["ip", "t"] and net.top_names["d"] == ["x", "t"]
    assert net.blob_loss_weights == {"x": 0, "t": 0, "ip": 0, "loss": 2}
    blob = net.blobs["x"]
    assert (blob.num, blob.channels, blob.height, blob.width, blob.count, blob.shape) == (2, 3, 1, 1, 6, (2, 3))
    assert len(net.layer_dict["ip"].blobs) == 2


def test_gradients_of_parameters_add_up_until_they_are_cleared(path: str) -> None:
    net = caffe.Net(path, caffe.TRAIN)
    feeds: dict[str, Any] = {"x": np.ones((2, 3)), "t": np.zeros((2, 4))}
    out = net.forward(blobs=["ip"], **feeds)
    assert set(out) == {"loss", "ip"}
    assert set(net.backward(diffs=["ip"])) == {"x", "t", "ip"}
    once = net.params["ip"][0].diff.copy()
    np.testing.assert_allclose(once, 2 * out["ip"].T @ feeds["x"] / 2, rtol=1e-5)
    net.backward()
    np.testing.assert_allclose(net.params["ip"][0].diff, 2 * once, rtol=1e-6)
    net.clear_param_diffs()
    assert not net.params["ip"][0].diff.any()
    assert list(net.forward(end="ip")) == ["ip"]


def test_other_shapes(path: str) -> None:
    net = caffe.Net(path, caffe.TRAIN)
    kept = net.blobs["ip"]
    net.blobs["x"].reshape(5, 3)
    net.blobs["t"].reshape(5, 4)
    net.reshape()
    assert net.blobs["ip"] is kept and kept.shape == (5, 4)
    net.forward(x=np.ones((5, 3)), t=np.ones((5, 4)))
    net.blobs["x"].reshape(5, 2)
    with pytest.raises(ShapeError, match="The shape of ip.weight is 4x3. Inputs of these shapes need 4x2"):
        net.forward()


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        (lambda n: n.forward(x=np.ones((2, 3))), "got the inputs x; expected x, t"),
        (lambda n: n.forward(start="loss", end="ip"), "layer 'ip' runs before layer 'loss'"),
        (lambda n: n.backward(start="d", end="loss"), "layer 'd' runs before layer 'loss'"),
        (lambda n: n.forward(end="pi"), "the net has no layer 'pi'. Known names: d, ip, loss"),
        (lambda n: n.forward(end="ip", x=np.ones((3, 3)), t=np.ones((2, 4))), r"Input 'x' has shape .3, 3.. The net takes .2, 3."),
        (lambda n: n.backward(start="ip", pi=np.ones((2, 4))), "The net has no blob 'pi'. Known names: ip, loss, t, x"),
        (lambda n: n.forward_all(), "expected arrays for the inputs of the net: x, t"),
    ],
)
def test_what_it_cannot(path: str, call: Callable[..., Any], wanted: str) -> None:
    with pytest.raises(NetcError, match=wanted):
        call(caffe.Net(path, caffe.TRAIN))


BRANCHES = """\
layer { name: "d" type: "Input" top: "x" top: "t" input_param { shape { dim: 3 dim: 1 dim: 6 dim: 7 } shape { dim: 3 dim: 2 } } }
layer { name: "c" type: "Convolution" bottom: "x" top: "c" param { name: "w" }
        convolution_param { num_output: 2 kernel_size: 3 pad: 1 bias_term: false weight_filler { type: "xavier" } } }
layer { name: "r" type: "TanH" bottom: "c" top: "c" }
layer { name: "s" type: "Sigmoid" bottom: "c" top: "s" }
layer { name: "e" type: "Eltwise" bottom: "c" bottom: "s" top: "e" eltwise_param { operation: PROD } }
layer { name: "m" type: "Convolution" bottom: "x" top: "m" param { name: "w" }
        convolution_param { num_output: 2 kernel_size: 3 pad: 1 bias_term: false } }
layer { name: "sum" type: "Eltwise" bottom: "e" bottom: "m" top: "sum" }
layer { name: "ip" type: "InnerProduct" bottom: "sum" top: "ip" inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "t" top: "loss" loss_weight: 3 }
"""


@pytest.fixture
def branches(tmp_path: Path) -> caffe.Net:
    """A net whose layers share a parameter and read one blob twice, after a pass in both directions."""
    (tmp_path / "b.prototxt").write_text(BRANCHES)
    random, net = np.random.default_rng(0), caffe.Net(str(tmp_path / "b.prototxt"), caffe.TRAIN)
    net.forward(x=random.normal(size=(3, 1, 6, 7)), t=random.normal(size=(3, 2)))
    net.backward()
    return net


def held(net: caffe.Net) -> dict[str, np.ndarray]:
    """All that a net's blobs and parameters hold."""
    blobs = net.blobs | {f"{name}/{k}": blob for name, blobs in net.params.items() for k, blob in enumerate(blobs)}
    return {f"{name}.{what}": np.array(getattr(blob, what)) for name, blob in blobs.items() for what in ("data", "diff")}


def check_held(net: caffe.Net, expected: dict[str, np.ndarray]) -> None:
    for name, array in held(net).items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-4, atol=1e-6, err_msg=name)


def test_layers_run_in_parts(branches: caffe.Net) -> None:
    """Up to a layer and on from it is all of it, both ways."""
    net, expected = branches, held(branches)
    for blob in net.blobs.values():
        if blob is not net.blobs["x"] and blob is not net.blobs["t"]:
            blob.data[...] = 0
    assert list(net.forward(end="e")) == ["e"] and not net.blobs["m"].data.any()
    assert list(net.forward(start="m", blobs=["m"])) == ["loss", "m"]
    net.clear_param_diffs()
    for blob in (b for n, b in net.blobs.items() if n != "loss"):
        blob.diff[...] = 0
    assert list(net.backward(end="m")) == ["x"]
    np.testing.assert_allclose(net.params["c"][0].diff + 0, net.params["m"][0].diff)
    second = net.blobs["x"].diff.copy()
    assert list(net.backward(start="e", diffs=["c"])) == ["x", "t", "c"]
    net.blobs["x"].diff[...] += second
    check_held(net, expected)


def test_layers_are_watched_one_by_one(branches: caffe.Net) -> None:
    net, expected, heard = branches, held(branches), []
    for when in ("before_forward", "after_forward", "before_backward", "after_backward"):
        getattr(net, when)(lambda k, when=when: heard.append((when, k)))
    net.clear_param_diffs()
    net.forward()
    net.backward()
    assert heard[:4] == [("before_forward", 0), ("after_forward", 0), ("before_forward", 1), ("after_forward", 1)]
    assert heard[18:20] == [("before_backward", 8), ("after_backward", 8)] and len(heard) == 36
    check_held(net, expected)
    net.after_forward(lambda k: net.blobs["sum"].data.fill(0) if k == 6 else None)
    assert not net.forward(blobs=["ip"])["ip"].any()  # what a listener writes counts; the bias is 0


def test_an_image_that_excites_a_layer(branches: caffe.Net, tmp_path: Path) -> None:
    """An image of another size, up to a layer before the inner product and back, as deep dream does it."""
    net = branches
    net.blobs["x"].reshape(1, 1, 9, 11)
    net.blobs["x"].data[0] = np.random.default_rng(1).normal(size=(1, 9, 11))
    strength = []
    for _ in range(5):
        net.forward(end="e")
        net.blobs["e"].diff[:] = net.blobs["e"].data
        net.backward(start="e")
        strength.append(float((net.blobs["e"].data ** 2).sum()))
        net.blobs["x"].data[:] += net.blobs["x"].diff[0] * 0.5
    assert net.blobs["e"].shape == (1, 2, 9, 11) and all(a < b for a, b in zip(strength, strength[1:], strict=False))
    net.blobs["x"].reshape(3, 1, 6, 7)
    assert net.forward(blobs=["e"])["e"].shape == (3, 2, 6, 7)


def test_backward_begins_with_what_the_tops_hold(tmp_path: Path) -> None:
    (tmp_path / "n.prototxt").write_text(NET.replace('exclude { stage: "quiet" }', 'include { stage: "loud" }'))
    net = caffe.Net(str(tmp_path / "n.prototxt"), caffe.TEST, stages=["quiet"])
    net.forward(x=np.ones((2, 3)), t=np.ones((2, 4)))
    net.blobs["ip"].diff[0, 1] = 2
    np.testing.assert_allclose(net.backward()["x"], [2 * net.params["ip"][0].data[1], [0, 0, 0]], rtol=1e-6)
    loss = caffe.Net(str(tmp_path / "n.prototxt"), caffe.TEST, stages=["loud"])
    loss.forward(x=np.ones((2, 3)), t=np.ones((2, 4)))
    assert loss.blobs["loss"].diff == 2
    once = loss.backward()["x"].copy()
    loss.blobs["loss"].diff[...] = 6
    np.testing.assert_allclose(loss.backward()["x"], 3 * once, rtol=1e-6)


def test_a_mask_is_one_both_ways(tmp_path: Path) -> None:
    drop = 'layer { name: "mask" type: "Dropout" bottom: "x" top: "drop" }\n'
    (tmp_path / "n.prototxt").write_text(
        NET.replace('layer { name: "ip"', drop + 'layer { name: "ip"').replace("dim: 2 dim: 3", "dim: 40 dim: 3")
    )
    net = caffe.Net(str(tmp_path / "n.prototxt"), caffe.TRAIN, stages=["quiet"])
    seen: list[Any] = []
    feeds: dict[str, Any] = {"x": np.ones((40, 3)), "t": np.ones((2, 4))}
    for options in ({}, {"end": "mask"}, {"start": "mask", "end": "mask"}):
        net.forward(**({} if seen else feeds), **options)
        net.blobs["drop"].diff[...] = 1
        seen.append(net.blobs["drop"].data.copy())
        np.testing.assert_array_equal(net.backward(start="mask")["x"], seen[-1])
    assert any((seen[0] != other).any() for other in seen[1:])


def test_a_recurrent_state_is_that_of_the_forward_pass(tmp_path: Path) -> None:
    """The second batch goes on from the first; backward in a part begins where its forward did."""
    lstm = """\
layer { name: "d" type: "Input" top: "x" top: "cont" input_param { shape { dim: 4 dim: 2 dim: 3 } shape { dim: 4 dim: 2 } } }
layer { name: "r" type: "LSTM" bottom: "x" bottom: "cont" top: "r" recurrent_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "t" type: "TanH" bottom: "r" top: "t" }
"""
    (tmp_path / "n.prototxt").write_text(lstm)
    diffs, x = [], np.random.default_rng(0).normal(size=(4, 2, 3))
    for options in ({}, {"end": "r"}):
        net = caffe.Net(str(tmp_path / "n.prototxt"), caffe.TRAIN)
        for _ in range(2):
            net.forward(x=x, cont=np.ones((4, 2)), **options)
        net.blobs["r"].diff[...] = 1
        diffs.append(net.backward(start="r")["x"].copy())
        np.testing.assert_allclose(diffs[0], diffs[-1], rtol=1e-5)
    fresh = caffe.Net(str(tmp_path / "n.prototxt"), caffe.TRAIN)
    fresh.forward(x=x, cont=np.ones((4, 2)))
    fresh.blobs["r"].diff[...] = 1
    assert np.abs(fresh.backward(start="r")["x"] - diffs[0]).max() > 1e-3


def test_forward_and_backward_of_more_rows_than_a_batch(path: str) -> None:
    net, random = caffe.Net(path, caffe.TEST, stages=["quiet"]), np.random.default_rng(0)
    x, dy = random.normal(size=(5, 3)).astype(np.float32), random.normal(size=(5, 4)).astype(np.float32)
    outputs, diffs = net.forward_backward_all(diffs=["ip"], x=x, t=np.zeros((5, 4), np.float32), ip=dy)
    np.testing.assert_allclose(outputs["ip"], x @ net.params["ip"][0].data.T, rtol=1e-5)
    np.testing.assert_allclose(diffs["x"], dy @ net.params["ip"][0].data, rtol=1e-5)
    np.testing.assert_allclose(diffs["ip"], dy)
    losses, _ = caffe.Net(path, caffe.TRAIN).forward_backward_all(x=x, t=np.zeros((5, 4), np.float32))
    assert losses["loss"].shape == (3,)


def test_shared_parameters_of_two_nets(path: str) -> None:
    one, other = caffe.Net(path, caffe.TRAIN), caffe.Net(path, caffe.TEST)
    other.share_with(one)
    one.params["ip"][0].data[...] = 3
    assert (other.params["ip"][0].data == 3).all()
    assert other.forward(x=np.ones((2, 3)), t=np.full((2, 4), 9))["loss"] == 0


@pytest.mark.skipif(not index("files"), reason=f"no recorded results in {FOLDER}")
@pytest.mark.parametrize(("name", "solver"), [("mlp_adam", "AdamSolver"), ("convbn_sgd", "SGDSolver"), ("mlp_diff", "SGDSolver")])
def test_a_solver_steps_through_a_recorded_run(name: str, solver: str) -> None:
    case = Case(FOLDER / "files" / f"{name}.npz")
    found = getattr(caffe, solver)(str(FOLDER / "files" / f"{name}_solver.prototxt"))
    found.restore(str(FOLDER / "files" / f"{name}_iter_5.solverstate"))
    losses = []
    for iteration in range(5, 10):
        for blob, batches in case.part("in_").items():
            found.net.blobs[blob].data[...] = batches[iteration]
        found.step(1)
        losses.append(float(found.net.blobs["loss"].data))
    check(np.array(losses), case.arrays["loss"][5:], "the losses")
    for key, expected in case.part("param_after_").items():
        layer, _, number = key.rpartition("_")
        check(found.net.params[layer][int(number)].data, expected, key)


def test_a_solver_of_another_type(path: str, tmp_path: Path) -> None:
    (tmp_path / "s.prototxt").write_text(f'net: "{path}" base_lr: 0.1 max_iter: 2 type: "Adam" snapshot_prefix: "{tmp_path}/s"')
    with pytest.raises(SpecError, match="the type of the solver is Adam; caffe.get_solver selects the right class"):
        caffe.SGDSolver(str(tmp_path / "s.prototxt"))
    solver = caffe.get_solver(str(tmp_path / "s.prototxt"))
    called = []
    solver.add_callback(lambda: called.append("start"), lambda: called.append("ready"))
    solver.net.blobs["x"].data[...] = 1
    solver.solve()
    assert called == ["start", "ready"] * 2 and solver.iter == 2
    assert sorted(p.name for p in tmp_path.glob("s_iter_*")) == ["s_iter_2.caffemodel", "s_iter_2.solverstate"]


def test_net_spec() -> None:
    n = caffe.NetSpec()
    n.data = L.Input(shape=[dict(dim=[2, 3])])
    n["a/b"], n.rest = L.Slice(n.data, slice_point=1, ntop=2)
    n.ip = L.InnerProduct(n["a/b"], num_output=2, weight_filler=dict(type="gaussian", std=0.1), bias_term=False)
    n.relu = L.ReLU(n.ip, in_place=True)
    n.pool = L.Pooling(L.Convolution(n.relu, kernel_size=[3, 2], num_output=1), pool="AVE", kernel_size=2)
    n.silent = L.Silence(n.rest, ntop=0)
    net = n.to_proto()
    assert [(x.name, list(x.bottom), list(x.top)) for x in net.layer] == [
        ("data", [], ["data"]),
        ("a/b", ["data"], ["a/b", "rest"]),
        ("ip", ["a/b"], ["ip"]),
        ("relu", ["ip"], ["ip"]),
        ("Convolution1", ["ip"], ["Convolution1"]),
        ("pool", ["Convolution1"], ["pool"]),
        ("silent", ["rest"], []),
    ]
    assert net.layer[2].inner_product_param.weight_filler == pb.FillerParameter(type="gaussian", std=float(np.float32(0.1)))
    assert net.layer[4].convolution_param.kernel_size == [3, 2] and net.layer[5].pooling_param.pool == P.Pooling.AVE
    assert [x.name for x in caffe.to_proto(L.ReLU(L.Input(shape=dict(dim=3)))).layer] == ["Input1", "ReLU1"]
    with pytest.raises(SpecError, match="Pooling has no field 'kernal_size'. Did you mean 'kernel_size'"):
        caffe.to_proto(L.Pooling(n.data, kernal_size=2))
    with pytest.raises(SpecError, match="ReLU: expected a top of another layer for bottom 0; got str"):
        L.ReLU("data")
    with pytest.raises(SpecError, match="num_output: 'ten' is invalid"):
        caffe.to_proto(L.InnerProduct(n.data, num_output="ten"))


def test_io() -> None:
    image = np.arange(24, dtype=np.float32).reshape(4, 2, 3)
    np.testing.assert_array_equal(caffe.io.resize_image(image, (4, 2)), image)
    assert caffe.io.resize_image(image, (8, 4)).shape == (8, 4, 3)
    np.testing.assert_allclose(caffe.io.resize_image(image, (2, 1)).mean((0, 1)), image.mean((0, 1)))
    crops = caffe.io.oversample([image], (2, 2))
    np.testing.assert_array_equal(crops[5], crops[0][:, ::-1])
    datum = caffe.io.array_to_datum(image.astype(np.uint8), 3)
    assert datum.label == 3
    np.testing.assert_array_equal(caffe.io.datum_to_array(datum), image)
    blob = caffe.io.array_to_blobproto(image, image + 1)
    np.testing.assert_array_equal(caffe.io.blobproto_to_array(blob, return_diff=True), image + 1)
    with pytest.raises(DataError, match="the transformer has no input 'dta'. Did you mean 'data'"):
        caffe.io.Transformer({"data": (1, 3, 4, 2)}).set_raw_scale("dta", 1)


def test_netcs_own_net_reshapes_too(path: str) -> None:
    net = netc.Net(path)
    net.reshape(x=(7, 3), t=(7, 4))
    assert net.forward(x=np.ones((7, 3)), t=np.ones((7, 4)))["loss"].shape == ()
    with pytest.raises(DataError, match="The net has no input 'y'"):
        net.reshape(y=(1,))


def test_layer_types() -> None:
    assert {"Convolution", "SoftmaxWithLoss"} <= set(caffe.layer_type_list())
