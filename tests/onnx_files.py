"""Small ONNX files for tests: models of other frameworks, as the Model layer reads them."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT


def save(path: Path, model: onnx.ModelProto) -> str:
    """Write a model, and return its path."""
    path.write_bytes(model.SerializeToString())
    return str(path)


def built(
    nodes: list[onnx.NodeProto], inputs: dict[str, tuple[int, list[int | str]]], outputs: dict[str, list[int | str]],
    arrays: dict[str, np.ndarray], opset: int = 13, metadata: dict[str, str] | None = None,
) -> onnx.ModelProto:  # fmt: skip
    """A checked model of `nodes`. Inputs are types and shapes, outputs are shapes of floats."""
    graph = helper.make_graph(
        nodes, "small",
        [helper.make_tensor_value_info(n, kind, shape) for n, (kind, shape) in inputs.items()],
        [helper.make_tensor_value_info(n, FLOAT, shape) for n, shape in outputs.items()],
        [numpy_helper.from_array(a, n) for n, a in arrays.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8, producer_name="tests")
    for key, value in (metadata or {}).items():
        model.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(model, full_check=True)
    return model


def classifier(
    channels: int = 1, size: int = 12, classes: int = 5, norm: bool = False, seed: int = 0, metadata: dict[str, str] | None = None,
    batch: int | str = "batch",
) -> onnx.ModelProto:  # fmt: skip
    """Conv, BatchNormalization if `norm`, Tanh, Flatten, Gemm: images to scores. Its tensors are conv, bn, tanh, flat and scores."""
    rng = np.random.default_rng(seed)
    arrays = {
        "features.0.weight": rng.normal(size=(3, channels, 3, 3)) * 0.3, "features.0.bias": rng.normal(size=3) * 0.1,
        "classifier.weight": rng.normal(size=(classes, 3 * size * size)) * 0.05, "classifier.bias": rng.normal(size=classes) * 0.1,
    }  # fmt: skip
    nodes = [helper.make_node("Conv", ["image", "features.0.weight", "features.0.bias"], ["conv"], name="/features/0/Conv", pads=[1] * 4)]
    if norm:
        moments = {"scale": (1, 0.2), "bias": (0, 0.2), "mean": (0, 0.3), "var": (1, 0.1)}
        arrays |= {f"norm.{n}": np.abs(rng.normal(m, s, 3)) if n == "var" else rng.normal(m, s, 3) for n, (m, s) in moments.items()}
        nodes.append(helper.make_node("BatchNormalization", ["conv", *(f"norm.{n}" for n in moments)], ["bn"], name="/norm", epsilon=1e-3))
    nodes += [
        helper.make_node("Tanh", ["bn" if norm else "conv"], ["tanh"], name="/tanh"),
        helper.make_node("Flatten", ["tanh"], ["flat"], name="/flat"),
        helper.make_node("Gemm", ["flat", "classifier.weight", "classifier.bias"], ["scores"], name="/classifier", transB=1),
    ]
    given = {n: np.asarray(a, np.float32) for n, a in arrays.items()}
    return built(nodes, {"image": (FLOAT, [batch, channels, size, size])}, {"scores": [batch, classes]}, given, metadata=metadata)


def text_classifier(words: int = 20, width: int = 6, classes: int = 3) -> onnx.ModelProto:
    """input_ids and attention_mask, int64 of batch x sequence: the mean of the embeddings of the tokens, then a MatMul."""
    rng = np.random.default_rng(0)
    arrays = {"embed": rng.normal(size=(words, width)), "head": rng.normal(size=(width, classes))}
    nodes = [
        helper.make_node("Gather", ["embed", "input_ids"], ["tokens"], name="/embed"),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=FLOAT),
        helper.make_node("Unsqueeze", ["mask", "axes"], ["column"]),
        helper.make_node("Mul", ["tokens", "column"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "one"], ["sum"], keepdims=0),
        helper.make_node("ReduceSum", ["mask", "one"], ["count"], keepdims=1),
        helper.make_node("Div", ["sum", "count"], ["mean"], name="/mean"),
        helper.make_node("MatMul", ["mean", "head"], ["logits"], name="/head"),
    ]
    given = {n: np.asarray(a, np.float32) for n, a in arrays.items()} | {"axes": np.array([2]), "one": np.array([1])}
    sizes: list[int | str] = ["batch", "sequence"]
    ids: dict[str, tuple[int, list[int | str]]] = {n: (TensorProto.INT64, sizes) for n in ("input_ids", "attention_mask")}
    return built(nodes, ids, {"logits": ["batch", classes]}, given)
