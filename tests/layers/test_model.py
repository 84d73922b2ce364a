"""The Model layer: an ONNX file in a net, cut, frozen and trained on."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from netc import load
from netc.compiler.lower import lower
from netc.errors import GradientError, SpecError
from netc.net.model import TEST
from tests.layers.nets import about, evaluate, forward, net, states
from tests.onnx_files import built, classifier, save, text_classifier
from tests.small_nets import netc, write_arrays

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
    path.write_text(text.replace("name: body", f"{fields} name: body"))
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


def test_every_parameter_has_the_name_of_the_file(tmp_path: Path) -> None:
    program = load(tuned(tmp_path, "", classifier(norm=True), NET.replace(", output: flat", "").replace("  - InnerProduct", "  #")))
    learned = {n: s.state.decay_mult for n, s in program.states.items() if s.state.kind == "parameter"}
    assert learned == {
        "body.features.0.weight": 1.0, "body.features.0.bias": 0.0, "body.norm.scale": 0.0, "body.norm.bias": 0.0,
        "body.classifier.weight": 1.0, "body.classifier.bias": 0.0,
    }  # fmt: skip
    assert [n for n, s in program.states.items() if s.state.kind == "statistic"] == ["body.norm.mean", "body.norm.var"]


def test_names_cannot_meet_those_of_the_optimizer(tmp_path: Path) -> None:
    """A file may have weights w and w.history, the name of SGD's state of w."""
    arrays = {n: np.full((1, 12), k, np.float32) for k, n in enumerate(("w", "w.history", "w_history"), 1)}
    nodes = [onnx.helper.make_node("MatMul", [a, n], [b]) for (a, b), n in zip((("x", "a"), ("a", "b"), ("b", "y")), arrays, strict=True)]
    arrays = {n: np.eye(12, dtype=np.float32) * a[0, 0] for n, a in arrays.items()}
    shape: list[int | str] = ["N", 1, 12, 12]
    model = built(nodes, {"x": (onnx.TensorProto.FLOAT, shape)}, {"y": shape}, arrays)
    program = load(tuned(tmp_path, "", model, NET.replace(", output: flat", "")))
    names = [p.node.name for p in program.train.parameters if p.node.state.layer == "body"]
    assert len(set(names)) == 3 and not any(a.startswith(f"{b}.") for a in names for b in names)
    assert {f"{n}.history" for n in names} <= program.states.keys()
    values = {n: float(program.states[n].state.start()[0, 0]) for n in names}
    assert sorted(values.values()) == [1, 2, 3] and values["body.w"] == 1


@pytest.mark.parametrize("fields, frozen", [
    ("freeze: true", {"features.0.weight", "features.0.bias", "norm.scale", "norm.bias", "norm.mean", "norm.var"}),
    ('freeze: ["features.0"]', {"features.0.weight", "features.0.bias"}),
    ('freeze: ["*.weight", norm]', {"features.0.weight", "norm.scale", "norm.bias", "norm.mean", "norm.var"}),
])  # fmt: skip
def test_freeze(tmp_path: Path, fields: str, frozen: set[str]) -> None:
    program = load(tuned(tmp_path, f"batch_norm: TRAIN, {fields},", classifier(norm=True)))
    assert {n.removeprefix("body.") for n, s in program.states.items() if s.state.frozen} == frozen
    changed = {s.node.name.removeprefix("body.") for s in program.graph("train").updates if s.node.state.layer == "body"}
    assert not changed & frozen and bool(changed) == (fields != "freeze: true")
    if fields == "freeze: true":  # no time for the backward pass
        assert not [n for n in program.graph("train").nodes if n.origin.layer == "body" and n.origin.part == "backward"]


def test_batch_norm_keeps_or_updates_its_statistics(tmp_path: Path) -> None:
    def updates(fields: str) -> set[str]:
        return {s.node.name for s in load(tuned(tmp_path, fields, classifier(norm=True))).graph("train").updates}

    moments = {"body.norm.mean", "body.norm.var"}
    assert moments <= updates("batch_norm: TRAIN,") and not moments & updates("")


def test_a_frozen_model_is_a_fixed_function_in_training(tmp_path: Path) -> None:
    """Training does not change what the frozen part computes, so that its values can be trusted."""
    path = tuned(tmp_path, "freeze: true,", classifier(norm=True))
    assert netc("train", path, "--runs", tmp_path / "runs", "--no-publish").exit_code == 0
    from netc.runtime.snapshot import read_weights

    found = read_weights(str(tmp_path / "runs/tuned/1/snapshots/iter_00000030.safetensors"))
    for name, state in load(path).states.items():
        if state.state.layer == "body" and state.state.is_weight:
            np.testing.assert_array_equal(found[name], state.state.start())


ERRORS: dict[str, tuple[str, str]] = {
    "no file": ("file: other.onnx,", "There is no file 'other.onnx' in"),
    "near file": ("file: bose.onnx,", "Did you mean 'base.onnx'?"),
    "no name": ("file: '',", "`file` is missing. Add the path of an ONNX file"),
    "not ONNX": ("file: small.npz,", "Cannot read small.npz: It is no ONNX file, or it is cut short."),
    "folder": ("file: .,", "is a folder without model.onnx"),
    "cut": ("output: [flatt],", "base.onnx has no tensor 'flatt'. Did you mean 'flat'?"),
    "cut at the start": ("input: [imag],", "base.onnx has no tensor 'imag'. Did you mean 'image'?"),
    "twice": ("input: [image, image],", "`input` names 'image' twice."),
    "several outputs": ("output: [tanh, flat],", "It has 1 top for 2 outputs: tanh, flat. Add one for each"),
    "hash": (f"sha256: {'0' * 64},", "has the SHA-256"),
    "short hash": ("sha256: abc,", "`sha256` must be 64 hexadecimal digits, got 3 characters."),
    "address": ("file: 'https://127.0.0.1:1/a.onnx',", "`sha256` is missing. A file at an address needs the SHA-256"),
    "scheme": ("file: 'ftp://127.0.0.1/a.onnx',", "Expected an address with http:// or https://"),
    "pattern": ("freeze: [feature],", "`freeze`: 'feature' fits no parameter. Did you mean 'features'"),
    "rate": ("lr_mult: {head: 2},", "`lr_mult`: 'head' fits no parameter that learns."),
    "fixed": ("fixed: {rate: 16000},", "base.onnx has no input 'rate'."),
    "zoo": ("file: nosuchmodel,", "There is no file 'nosuchmodel', and no model of that name in the zoo"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETC_ZOO", str(tmp_path / "zoo"))
    fields, said = ERRORS[case]
    taken = fields.partition(":")[0]
    text = NET.replace("file: base.onnx, ", "") if taken == "file" else NET.replace(", output: flat", "") if taken == "output" else NET
    with pytest.raises(SpecError) as caught:
        load(tuned(tmp_path, fields, text=text))
    message = str(caught.value)
    assert said in message and f"{tmp_path}/tuned.yaml:4:" in message and "Layer 'body' (Model): " in message


def test_all_that_is_wrong_with_a_cut_is_said_at_once(tmp_path: Path) -> None:
    text = NET.replace("output: flat", "output: [flatt, tan], input: [imge, x]")
    with pytest.raises(SpecError) as caught:
        load(tuned(tmp_path, text=text))
    assert len(caught.value.diagnostics) == 6  # four names, and the numbers of bottoms and tops


def test_a_file_that_is_cut_short(tmp_path: Path) -> None:
    path = tuned(tmp_path)
    whole = (tmp_path / "base.onnx").read_bytes()
    for size in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        (tmp_path / "base.onnx").write_bytes(whole[:size])
        with pytest.raises(SpecError, match="Cannot read base.onnx: "):
            load(path)


@pytest.mark.parametrize("model, said", [
    (classifier(channels=3), "takes 3 channels"),
    (classifier(size=14), "imension"),
])  # fmt: skip
def test_sizes_that_do_not_fit_are_told_with_the_chain(tmp_path: Path, model: onnx.ModelProto, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        load(tuned(tmp_path, text=NET.replace(", output: flat", ""), model=model))
    message = str(caught.value)
    assert said in message and "The node '/" in message and "data 16x1x12x12 (line 3) -> body (line 4)" in message
    assert "base.onnx declares image (float32 batch x " in message


def test_other_sizes_than_those_declared_may_fit(tmp_path: Path) -> None:
    assert load(tuned(tmp_path, model=classifier(size=14), text=NET.replace("flat", "tanh"))).train.loss is not None


def test_an_op_without_a_gradient_is_told_with_its_nodes(tmp_path: Path) -> None:
    shape: list[int | str] = ["N", 1, 12, 12]
    weight = {"w": np.eye(12, dtype=np.float32)}
    nodes = [onnx.helper.make_node("MatMul", ["x", "w"], ["a"]), onnx.helper.make_node("Det", ["a"], ["y"], name="/square/Det")]
    model = built(nodes, {"x": (onnx.TensorProto.FLOAT, shape)}, {"y": ["N", 1]}, weight)
    text = NET.replace(", output: flat", "")
    with pytest.raises(GradientError, match=r"tuned.yaml:4:5: Layer 'body': The op Det has no gradient. It is the node '/square/Det'."):
        load(tuned(tmp_path, text=text, model=model))
    assert load(tuned(tmp_path, "freeze: true,", text=text, model=model)).train.loss is not None  # frozen, it needs none
