"""`netc convert NET WEIGHTS -o model.onnx`: Caffe's trained nets on plain onnxruntime, and graphs for images of any size."""

import io
import lzma
import tarfile
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from click.testing import CliRunner
from PIL import Image

import netc.caffe as caffe
from netc import netc_pb2 as pb
from netc import registry
from netc.cli import main
from netc.compiler.compilation import Compilation
from netc.compiler.program import Program
from netc.data.named.images import idx
from netc.data.named.lookup import unpacked
from netc.formats.caffe_weights import read_blob
from netc.runtime.session import Session
from netc.spec.job import load_job
from netc.training.caffe_snapshots import write_model
from tests.conftest import DATA, needs_data
from tests.data.named.records import builtin
from tests.some import some

MODELS = DATA / "caffemodels"
V1, MTCNN = MODELS / "v1", MODELS / "mtcnn"
needs_models = pytest.mark.skipif(not MODELS.is_dir(), reason=f"no trained nets in {MODELS}")


def converted(net: Path, weights: Path, output: Path, *options: str) -> ort.InferenceSession:
    """The net as plain onnxruntime sees it, with two threads."""
    result = CliRunner().invoke(main, ["convert", str(net), str(weights), "-o", str(output), *options])
    assert result.exit_code == 0, result.output
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = 2
    return ort.InferenceSession(output.read_bytes(), settings)


def accuracy(session: ort.InferenceSession, images: np.ndarray, labels: np.ndarray) -> float:
    batches = [session.run(None, {"data": images[k : k + 500]})[0].argmax(1) for k in range(0, len(images), 500)]
    return float(np.mean(np.concatenate(batches) == labels))


@needs_models
@needs_data("mnist")
def test_lenet_of_2014(tmp_path: Path) -> None:
    session = converted(V1 / "lenet.prototxt", V1 / "lenet_iter_10000.caffemodel", tmp_path / "lenet.onnx")
    images, labels = (idx(unpacked(builtin("mnist"), file)) for file in builtin("mnist").files[2:])
    assert accuracy(session, images[:, None].astype(np.float32) / 256, labels) == 0.9905


@needs_models
@needs_data("cifar10")
def test_cifar10_quick_of_2014(tmp_path: Path) -> None:
    session = converted(V1 / "cifar10_quick.prototxt", V1 / "cifar10_quick_iter_5000.caffemodel", tmp_path / "quick.onnx")
    mean = read_blob(V1 / "mean.binaryproto")[0]
    images, names = [], []
    with tarfile.open(fileobj=io.BytesIO(lzma.decompress((DATA / "cifar10" / "cifar10_jpg.tar.xz").read_bytes()))) as archive:
        for member in archive:
            if member.isfile() and "/test/" in f"/{member.name}":
                picture = np.asarray(Image.open(io.BytesIO(some(archive.extractfile(member)).read())).convert("RGB"), np.float32)
                images.append(picture.transpose(2, 0, 1) - mean)
                names.append(member.name.split("/")[-2])
    classes = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    assert len(images) == 10_000
    assert round(accuracy(session, np.stack(images), np.array([classes.index(n) for n in names])), 3) == 0.735


@needs_models
@pytest.mark.parametrize(
    ("name", "sizes"),
    [("det1", [(1, 3, 12, 12), (2, 3, 47, 61), (1, 3, 120, 99)]), ("det2", [(1, 3, 24, 24), (3, 3, 24, 24), (8, 3, 24, 24)])],
)
def test_mtcnn_equals_opencvs(name: str, sizes: list[tuple[int, ...]], tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2", reason="OpenCV runs Caffe's nets: pip install 'netc[test]'")
    net, weights = MTCNN / f"{name}.prototxt", MTCNN / f"{name}.caffemodel"
    session, theirs = converted(net, weights, tmp_path / "n.onnx"), cv2.dnn.readNetFromCaffe(str(net), str(weights))
    names = [o.name for o in session.get_outputs()]
    random = np.random.default_rng(0)
    for size in sizes:
        image = random.standard_normal(size).astype(np.float32)
        theirs.setInput(image)
        for ours, wanted in zip(session.run(None, {"data": image}), theirs.forward(names), strict=True):
            np.testing.assert_allclose(ours, wanted, rtol=0, atol=1e-5)


ANY_SIZE = """\
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: %d dim: %d } } }
layer { name: "c1" type: "Convolution" bottom: "data" top: "c1"
        convolution_param { num_output: 4 kernel_size: 3 stride: 2 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "bn" type: "BatchNorm" bottom: "c1" top: "c1" }
layer { name: "sc" type: "Scale" bottom: "c1" top: "c1" scale_param { bias_term: true } }
layer { name: "n" type: "LRN" bottom: "c1" top: "n" lrn_param { local_size: 3 } }
layer { name: "p1" type: "Pooling" bottom: "n" top: "p1" pooling_param { pool: AVE kernel_size: 3 stride: 2 %s } }
layer { name: "p2" type: "Pooling" bottom: "n" top: "p2" pooling_param { pool: MAX kernel_size: 3 stride: 2 %s } }
layer { name: "cat" type: "Concat" bottom: "p1" bottom: "p2" top: "cat" }
layer { name: "a" type: "Convolution" bottom: "cat" top: "a" convolution_param { num_output: 2 kernel_size: 1 } }
layer { name: "b" type: "Convolution" bottom: "cat" top: "b" convolution_param { num_output: 2 kernel_size: 3 pad: 1 } }
layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "sum" }
layer { name: "e" type: "ELU" bottom: "sum" top: "sum" }
layer { name: "prob" type: "Softmax" bottom: "sum" top: "prob" }
layer { name: "g" type: "Pooling" bottom: "cat" top: "g" pooling_param { pool: AVE global_pooling: true } }
layer { name: "ip" type: "InnerProduct" bottom: "g" top: "ip" inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
"""


@pytest.mark.parametrize("options", ["", "pad: 1", "round_mode: FLOOR pad: 1", "pad: 2"])
def test_images_of_any_size(options: str, tmp_path: Path) -> None:
    """The graph for any size gives at each what the graph that was made for it gives."""
    registry.load()

    def made(height: int, width: int) -> Program:
        (tmp_path / "n.prototxt").write_text(ANY_SIZE % (height, width, options, options))
        return Program(Compilation.of(load_job(str(tmp_path / "n.prototxt"))))

    random = np.random.default_rng(1)
    first = made(17, 20)
    states = {n.name: n for n in first.deploy[0].graph.leaves("State")}
    weights = {n: np.abs(random.standard_normal(tuple(map(int, s.types[0].shape)))).astype(np.float32) for n, s in states.items()}
    model = first.deploy_model(weights, any_size=True)
    assert [d.dim_param for d in model.graph.input[0].type.tensor_type.shape.dim] == ["N", "", "H", "W"]
    session = Session(model)
    for height, width in [(17, 20), (12, 13), (31, 64), (18, 19), (9, 10)]:
        image = random.standard_normal((2, 3, height, width)).astype(np.float32)
        wanted = Session(made(height, width).deploy_model(weights)).run({"data": image})
        for name, ours in session.run({"data": image}).items():
            np.testing.assert_allclose(ours, wanted[name], rtol=1e-5, atol=1e-5, err_msg=f"{name} at {height}x{width}")


FCN = """\
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: %d dim: %d } } }
layer { name: "c1" type: "Convolution" bottom: "data" top: "c1"
        convolution_param { num_output: 4 kernel_size: 3 pad: 20 weight_filler { type: "xavier" } } }
layer { name: "r1" type: "ReLU" bottom: "c1" top: "c1" }
layer { name: "p1" type: "Pooling" bottom: "c1" top: "p1" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "c2" type: "Convolution" bottom: "p1" top: "c2"
        convolution_param { num_output: 6 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "p2" type: "Pooling" bottom: "c2" top: "p2" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "fc" type: "Convolution" bottom: "p2" top: "fc"
        convolution_param { num_output: 8 kernel_size: 5 weight_filler { type: "xavier" } } }
layer { name: "drop" type: "Dropout" bottom: "fc" top: "fc" }
layer { name: "score" type: "Convolution" bottom: "fc" top: "score"
        convolution_param { num_output: 3 kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "up2" type: "Deconvolution" bottom: "score" top: "up2" param { lr_mult: 0 }
        convolution_param { num_output: 3 kernel_size: 4 stride: 2 group: 3 bias_term: false weight_filler { type: "bilinear" } } }
layer { name: "skip" type: "Convolution" bottom: "p1" top: "skip"
        convolution_param { num_output: 3 kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "skipc" type: "Crop" bottom: "skip" bottom: "up2" top: "skipc" crop_param { axis: 2 offset: 3 } }
layer { name: "fuse" type: "Eltwise" bottom: "up2" bottom: "skipc" top: "fuse" }
layer { name: "up4" type: "Deconvolution" bottom: "fuse" top: "up4" param { lr_mult: 0 }
        convolution_param { num_output: 3 kernel_size: 4 stride: 2 bias_term: false weight_filler { type: "xavier" } } }
layer { name: "cut" type: "Crop" bottom: "up4" bottom: "data" top: "cut" crop_param { axis: 2 offset: 7 offset: 6 } }
layer { name: "prob" type: "Softmax" bottom: "cut" top: "prob" }
"""


def test_a_segmentation_net_takes_images_of_any_size(tmp_path: Path) -> None:
    """Deconvolution and Crop too, as in fully convolutional nets with a skip (Long et al. 2015)."""

    def written(height: int, width: int) -> Path:
        path = tmp_path / f"{height}x{width}.prototxt"
        path.write_text(FCN % (height, width))
        return path

    weights, random = tmp_path / "w.caffemodel", np.random.default_rng(1)
    caffe.Net(str(written(24, 32)), caffe.TEST).save(str(weights))
    session = converted(written(24, 32), weights, tmp_path / "any.onnx")
    assert [i.shape for i in (*session.get_inputs(), *session.get_outputs())] == [["N", 3, "H", "W"], ["N", 3, "H", "W"]]
    for height, width in [(24, 32), (33, 17), (50, 41), (9, 100)]:
        image = random.standard_normal((2, 3, height, width)).astype(np.float32)
        net = caffe.Net(str(written(height, width)), str(weights), caffe.TEST)
        net.blobs["data"].reshape(2, 3, height, width)
        ours = session.run(None, {"data": image})[0]
        assert ours.shape == (2, 3, height, width)
        np.testing.assert_allclose(ours, net.forward(data=image)["prob"], rtol=1e-5, atol=1e-6)


def test_a_net_bound_to_its_size_keeps_it(tmp_path: Path) -> None:
    registry.load()
    flat = 'layer { name: "f" type: "InnerProduct" bottom: "cat" top: "f" inner_product_param { num_output: 2 } }'
    text = ANY_SIZE % (17, 20, "", "") + flat
    (tmp_path / "n.prototxt").write_text(text)
    made = Program(Compilation.of(load_job(str(tmp_path / "n.prototxt"))))
    model = made.deploy_model({n.name: n.state.start() for n in made.deploy[0].graph.leaves("State")}, any_size=True)
    assert [d.dim_param or d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim] == ["N", 3, 17, 20]


def test_weights_that_are_missing(tmp_path: Path) -> None:
    registry.load()
    (tmp_path / "n.prototxt").write_text(ANY_SIZE % (17, 20, "", ""))
    made = Program(Compilation.of(load_job(str(tmp_path / "n.prototxt"))))
    lowered = made.deploy[0]
    states = {n.name: n.state.start() for n in lowered.graph.leaves("State")}
    write_model(tmp_path / "w.caffemodel", lowered, states)
    net = pb.NetParameter.FromString((tmp_path / "w.caffemodel").read_bytes())
    for layer in net.layer:
        layer.name = {"a": "other"}.get(layer.name, layer.name)
    (tmp_path / "less.caffemodel").write_bytes(net.SerializeToString())

    def said(*arguments: str) -> str:
        result = CliRunner().invoke(main, ["convert", "n.prototxt", *arguments, "-o", str(tmp_path / "m.onnx")])
        assert result.exit_code == 2 and not (tmp_path / "m.onnx").exists()
        return result.output

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert "ONNX needs the weights: netc convert NET WEIGHTS" in said()
        assert "less.caffemodel: no weights for layer a; weights are matched by layer name" in said("less.caffemodel")
        result = CliRunner().invoke(main, ["convert", "n.prototxt", "w.caffemodel", "-o", "m.onnx"])
    lines = result.output.splitlines()
    assert lines[0] == "m.onnx is written: 320 parameters; data Nx3xHxW -> ip Nx3, prob Nx2xH3xW4"
    assert lines[1:] == ["without ops of their own: 1 BatchNorm, 1 Scale"]
