"""The Model layer: an ONNX file in a net, cut, frozen and trained on."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from netc.compiler.lower import lower
from netc.net.model import TEST
from tests.layers.nets import about, evaluate, forward, net, states
from tests.onnx_files import classifier, save, text_classifier
from tests.small_nets import write_arrays

NET = """\
name: tuned
layers:
  - Data: {source: small.npz, batch_size: 16, test_fraction: 0.2}
  - Model: {file: base.onnx, name: body, output: flat}
  - InnerProduct: {num_output: 10, weight_filler: xavier}
  - Accuracy
  - SoftmaxWithLoss
solver: {base_lr: 0.02, momentum: 0.9, max_iter: 30, test_interval: 10, snapshot: 10, display: 10}
licence: Apache-2.0
dataset_licence: unknown
"""


def tuned(folder: Path, fields: str = "", model: onnx.ModelProto | None = None, text: str = NET) -> str:
    """The net above with fields of its Model layer, its file and its data; the path of the net file."""
    write_arrays(folder)
    save(folder / "base.onnx", model or classifier())
    path = folder / "tuned.yaml"
    path.write_text(text.replace("name: body,", f"name: body, {fields}"))
    return str(path)


def reference(model: onnx.ModelProto, output: str, **inputs: np.ndarray) -> np.ndarray:
    """The value of a tensor by onnxruntime, on the file itself."""
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    if output not in [o.name for o in copy.graph.output]:
        copy.graph.output.append(onnx.ValueInfoProto(name=output))
    session = ort.InferenceSession(copy.SerializeToString(), providers=["CPUExecutionProvider"])
    value: np.ndarray = session.run([output], inputs)[0]
    return value


@about("Model")
@pytest.mark.parametrize("output, shape", [("", (3, 5)), ("tanh", (3, 3, 12, 12)), ("flat", (3, 432))])
def test_the_values_are_those_of_the_file(tmp_path: Path, output: str, shape: tuple[int, ...]) -> None:
    model = classifier()
    file = save(tmp_path / "base.onnx", model)
    x = np.random.default_rng(0).normal(size=(3, 1, 12, 12)).astype(np.float32)
    cut = f", output: {output}" if output else ""
    got = forward(f"Model: {{bottom: x, file: {file}, top: y{cut}}}", x=x)["y"]
    assert got.shape == shape
    np.testing.assert_allclose(got, reference(model, output or "scores", image=x), rtol=1e-5, atol=1e-6)


def test_a_cut_at_both_ends_has_only_the_parameters_between(tmp_path: Path) -> None:
    model = classifier()
    file = save(tmp_path / "base.onnx", model)
    x = np.random.default_rng(0).normal(size=(2, 432)).astype(np.float32)
    made = net(f"Model: {{bottom: x, name: m, file: {file}, input: flat}}", inputs={"x": x})
    assert [p.node.name for p in made.parameters] == ["m.classifier.weight", "m.classifier.bias"]
    got = evaluate(made, {"y": made.versions["m"][-1]}, {"x": x}, states(made))["y"]
    weight, bias = (onnx.numpy_helper.to_array(t) for t in model.graph.initializer if t.name.startswith("classifier"))
    np.testing.assert_allclose(got, x @ weight.T + bias, rtol=1e-5, atol=1e-6)


def test_several_inputs_and_outputs(tmp_path: Path) -> None:
    model = text_classifier()
    file = save(tmp_path / "text.onnx", model)
    ids, mask = np.array([[3, 4, 0], [1, 2, 19]]), np.array([[1, 1, 0], [1, 1, 1]])
    got = forward(f"Model: {{bottom: [a, b], file: {file}, output: [mean, logits], top: [m, y]}}", a=ids, b=mask)
    for top, name in (("m", "mean"), ("y", "logits")):
        expected = reference(model, name, input_ids=ids, attention_mask=mask)
        np.testing.assert_allclose(got[top], expected, rtol=1e-5, atol=1e-6)


def test_a_symbolic_batch_stays_symbolic(tmp_path: Path) -> None:
    file = save(tmp_path / "base.onnx", classifier(batch=1))  # a file for one image at a time
    fixed = net(f"Model: {{bottom: x, file: {file}}}", TEST, {"x": np.zeros((1, 1, 12, 12))})
    assert lower(fixed.net, "N").versions["model"][-1].shape == ("N", 5)
