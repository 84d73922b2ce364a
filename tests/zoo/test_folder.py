"""Functions in downloaded models: none stands where onnxruntime has ops of its own, which would run in its place."""

from pathlib import Path

import numpy as np
import pytest
from onnx import parser
from onnxruntime.capi.onnxruntime_pybind11_state import get_all_operator_schema

from netc.runtime.session import Session
from netc.zoo.folder import RESERVED, graph_errors
from tests.zoo.toy import hostile, refused


def holds(domain: str, name: str) -> bytes:
    """A model that calls a function of its own, which gives 2 x."""
    model = parser.parse_model("""<ir_version: 10, opset_import: ["": 21, "mine": 1]> g (float[1] x) => (float[1] y) { y = mine.Twice (x) }
        <domain: "mine", opset_import: ["": 21]> Twice (v) => (w) { w = Add (v, v) }""")
    model.opset_import[1].domain = model.functions[0].domain = model.graph.node[0].domain = domain
    model.functions[0].name = model.graph.node[0].op_type = name
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(("domain", "name"), [
    ("com.microsoft", "Gelu"), ("com.microsoft.nchwc", "Conv"), ("com.ms.internal.nhwc", "Conv"), ("", "Relu"), ("ai.onnx", "Relu"),
    ("ai.onnx.ml", "Scaler"), ("ai.onnx.preview.training", "Adam"), ("com.microsoft", "NoSuchOp"), ("org.pytorch.aten", "ATen"),
])  # fmt: skip
def test_functions_where_onnxruntime_has_ops_are_refused(tmp_path: Path, domain: str, name: str) -> None:
    folder = hostile(tmp_path / "zoo", {"model.onnx": holds(domain, name)})
    what = f"{domain}.{name}" if domain else name
    refused(folder, tmp_path / "to", f"model.onnx: has a function {what} in a domain that onnxruntime reserves")


def test_every_domain_that_onnxruntime_has_is_reserved() -> None:
    domains = {schema.domain for schema in get_all_operator_schema()}
    assert "com.microsoft" in domains
    assert {d for d in domains if d and not f"{d}.".startswith(tuple(f"{r}." for r in RESERVED))} == set()


@pytest.mark.parametrize("domain", ["netc.training", "com.microsofty", "mine"])
def test_a_function_named_like_a_kernel_runs_its_own_body(tmp_path: Path, domain: str) -> None:
    """Kernels of netc are only for models that netc emitted in the same process."""
    (tmp_path / "model.onnx").write_bytes(holds(domain, "ReluGrad"))
    assert graph_errors(tmp_path / "model.onnx", ["model.onnx"]) == []
    assert Session(tmp_path / "model.onnx").run({"x": np.array([-3], np.float32)})["y"].tolist() == [-6]
