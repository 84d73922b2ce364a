"""Reads an ONNX file. What the file holds is checked before it is used: it may be damaged, or made to do harm."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import helper, numpy_helper, shape_inference

from netc.errors import SpecError
from netc.files import read_file
from netc.graph.tensor_type import SMALL, Dim
from netc.onnx_import.external import External
from netc.onnx_import.model import FileNode, OnnxFile, TensorInfo, trained_dtype
from netc.onnx_import.names import ELSEWHERE, Array, Converter, check_defined, text
from netc.onnx_import.opsets import MOST_NODES, at_opset, each, opset_of

MOST_BYTES = 2**31 - 1  # of one protobuf message


def load(path: Path, external: bool = True) -> OnnxFile:
    """Return the model in the file at `path`. Without `external`, the file must hold all its weights itself.

    SpecError if it is no ONNX file, is damaged, or uses an opset that netc does not know.
    """
    try:
        return _load(path, external)
    except SpecError as e:
        raise SpecError(*(f"Cannot read {path.name}: {d}" for d in e.diagnostics)) from e


def _load(path: Path, external: bool) -> OnnxFile:
    content = _content(path)
    model = _parsed(content)
    opset, outside = opset_of(model), External(path.parent, external)
    converter = Converter(_arrays_out_of(model, outside))
    files = outside.files()
    hashed = _hash(content, files)
    check_defined(model.graph)
    converted = at_opset(model)
    nodes = converter.main(converted.graph)
    given = [i for i in converted.graph.input if text(i.name) not in converter.constants]
    known = _known(nodes, given, _inferred(converted))
    return OnnxFile(
        path=path,
        files=(path, *files),
        sha256=hashed,
        opset=opset,
        producer=f"{text(model.producer_name)} {text(model.producer_version)}".strip(),
        metadata={text(p.key): text(p.value) for p in model.metadata_props},
        inputs=tuple(known[text(i.name)] for i in given),
        outputs=tuple(known.get(n) or TensorInfo(n) for n in (text(o.name) for o in converted.graph.output)),
        nodes=nodes,
        known=known,
        constants=converter.constants,
    )


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise SpecError("It is larger than 2 GB, the limit of protobuf. Expected weights of this size in external data.")
        return read_file(path)
    except OSError as e:
        raise SpecError(f"{e.strerror or e}.") from e


def _parsed(content: bytes) -> onnx.ModelProto:
    try:
        model = onnx.ModelProto.FromString(content)
    except DecodeError as e:
        raise SpecError("It is no ONNX file, or it is cut short.") from e
    if not model.ir_version or not (model.graph.node or model.graph.output):
        raise SpecError("It is no ONNX file: it holds no graph.")
    if sum(1 for _ in each(model.graph)) > MOST_NODES:
        raise SpecError(f"It has more than {MOST_NODES:,} nodes.")
    return model


def _hash(content: bytes, files: Iterable[Path]) -> str:
    """The SHA-256 of the file and of those that hold its tensors, in this order."""
    digest = hashlib.sha256(content)
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _arrays_out_of(model: onnx.ModelProto, outside: External) -> dict[int, Array]:
    """Take the arrays of the large tensors out of the model, so that they need not be copied while it is brought to its opset.

    In the model their places are numbers in the result. Small tensors stay, because conversions read them.
    """
    arrays: dict[int, Array] = {}
    for tensor in _tensors(model):
        array = outside.array(tensor)
        if int(np.prod(tensor.dims, dtype=np.int64)) > SMALL:
            arrays[len(arrays)] = array
            small = onnx.TensorProto(name=tensor.name, dims=tensor.dims, data_type=tensor.data_type)
            small.data_location = onnx.TensorProto.EXTERNAL
            small.external_data.add(key="location", value=f"{ELSEWHERE}{len(arrays) - 1}")
            tensor.CopyFrom(small)
        elif tensor.data_location == onnx.TensorProto.EXTERNAL:
            tensor.CopyFrom(numpy_helper.from_array(array(), tensor.name))
    return arrays


def _tensors(model: onnx.ModelProto) -> Iterable[onnx.TensorProto]:
    """The initializers of all graphs, and the tensors among the attributes of all nodes."""
    graphs, nodes = [model.graph], [n for f in model.functions for n in f.node]
    while graphs or nodes:
        if graphs:
            graph = graphs.pop()
            yield from graph.initializer
            nodes += graph.node
        while nodes:
            for a in nodes.pop().attribute:
                yield from (a.t, *a.tensors) if a.type in (a.TENSOR, a.TENSORS) else ()
                graphs += [a.g, *a.graphs] if a.type in (a.GRAPH, a.GRAPHS) else []


def _inferred(model: onnx.ModelProto) -> dict[str, onnx.TypeProto]:
    """The types of tensors that ONNX infers. There are none if the inference fails; the types are for people to read."""
    try:
        model = shape_inference.infer_shapes(model)  # with data_prop, an integer vector of a huge size would take hours
    except Exception:  # it raises RuntimeError, InferenceError and others
        return {}
    return {text(v.name): v.type for v in (*model.graph.input, *model.graph.value_info, *model.graph.output)}


def _known(nodes: Iterable[FileNode], given: Iterable[onnx.ValueInfoProto], types: dict[str, onnx.TypeProto]) -> dict[str, TensorInfo]:
    """Every tensor of the main graph by name: the inputs, then the outputs of the nodes."""
    known = {text(i.name): _info(text(i.name), "", i.type) for i in given}
    return known | {o: _info(o, n.op, types.get(o)) for n in nodes for o in n.outputs if o}


def _info(name: str, op: str, kind: onnx.TypeProto | None) -> TensorInfo:
    if kind is None or not kind.HasField("tensor_type") or kind.tensor_type.elem_type not in helper.get_all_tensor_dtypes():
        return TensorInfo(name, op)
    dtype = trained_dtype(np.dtype(helper.tensor_dtype_to_np_dtype(kind.tensor_type.elem_type)))
    if not kind.tensor_type.HasField("shape"):
        return TensorInfo(name, op, dtype)
    dims = kind.tensor_type.shape.dim
    shape: list[Dim | None] = [_dim(d) for d in dims]
    return TensorInfo(name, op, dtype, tuple(shape))


def _dim(d: onnx.TensorShapeProto.Dimension) -> Dim | None:
    """A dimension. Some exporters write -1 or "?" for one that they do not know."""
    if d.HasField("dim_value"):
        return d.dim_value if d.dim_value >= 0 else None
    name = text(d.dim_param)
    return name if any(c.isalnum() for c in name) else None
