"""The programs on a model card, which run the model in Python, JavaScript and C# with its names, types and shapes."""

import json
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

Port = Mapping[str, Any]

# Element types: the typed array in JavaScript and the type in C#.
TYPES = {
    "float32": ("Float32Array", "float"),
    "float64": ("Float64Array", "double"),
    "float16": ("Uint16Array", "Float16"),  # the bits of each number
    "int64": ("BigInt64Array", "long"),
    "int32": ("Int32Array", "int"),
    "int16": ("Int16Array", "short"),
    "int8": ("Int8Array", "sbyte"),
    "uint64": ("BigUint64Array", "ulong"),
    "uint32": ("Uint32Array", "uint"),
    "uint16": ("Uint16Array", "ushort"),
    "uint8": ("Uint8Array", "byte"),
    "bool": ("Uint8Array", "bool"),
}

PYTHON = """\
import numpy as np
import onnxruntime as ort

session = ort.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
{before}feeds = {{
{feeds}
}}
for output, value in zip(session.get_outputs(), session.run(None, feeds)):
    print(output.name, value.shape{after})
"""

JAVASCRIPT = """\
import * as ort from "onnxruntime-node"; // in a browser: "onnxruntime-web"

const session = await ort.InferenceSession.create("model.onnx");
const feeds = {{
{feeds}
}};
const outputs = await session.run(feeds);
for (const name of session.outputNames) console.log(name, outputs[name].dims);
"""

C_SHARP = """\
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

using var session = new InferenceSession("model.onnx");
var feeds = new List<NamedOnnxValue>
{{
{feeds}
}};
using var outputs = session.Run(feeds);
{outputs}
"""


def programs(inputs: Sequence[Port], outputs: Sequence[Port], vectors: bool) -> list[tuple[str, str, str]]:
    """(title, language of the code block, program) per language that supports the types. `vectors`: test_vectors.npz exists."""
    if not all(port["dtype"] in TYPES for port in (*inputs, *outputs)):
        return []
    feeds = "\n".join(f"    {_c_sharp(port)}, // {shape_text(port['shape'])}" for port in inputs)
    shown = "\n".join(map(_shown, outputs))
    return [
        ("Python (onnxruntime)", "python", _python(inputs, vectors)),
        ("JavaScript (onnxruntime-node, onnxruntime-web)", "javascript", JAVASCRIPT.format(feeds="\n".join(map(_javascript, inputs)))),
        ("C# (Microsoft.ML.OnnxRuntime)", "csharp", C_SHARP.format(feeds=feeds, outputs=shown)),
    ]


def shape_text(shape: Sequence[int | str]) -> str:
    """Format a shape: N x 3."""
    return " x ".join(map(str, shape)) or "scalar"


def _sizes(port: Port) -> list[int]:
    """The shape with 1 for symbolic sizes, such as the batch N."""
    return [n if isinstance(n, int) else 1 for n in port["shape"]]


def _python(inputs: Sequence[Port], vectors: bool) -> str:
    def value(port: Port) -> str:
        return f'vectors["input.{port["name"]}"]' if vectors else f'np.zeros({tuple(_sizes(port))}, "{port["dtype"]}")'

    feeds = "\n".join(f'    "{p["name"]}": {value(p)},  # {p["dtype"]}, {shape_text(p["shape"])}' for p in inputs)
    before = 'vectors = np.load("test_vectors.npz")\n' if vectors else ""
    after = ', np.allclose(value, vectors["output." + output.name], 1e-3, 1e-3)' if vectors else ""
    return PYTHON.format(before=before, feeds=feeds, after=after)


def _javascript(port: Port) -> str:
    array, _ = TYPES[port["dtype"]]
    name, sizes = json.dumps(port["name"]), _sizes(port)
    made = f"new ort.Tensor({json.dumps(port['dtype'])}, new {array}({prod(sizes)}), {json.dumps(sizes)})"
    return f"    {name}: {made}, // {shape_text(port['shape'])}"


def _c_sharp(port: Port) -> str:
    _, kind = TYPES[port["dtype"]]
    sizes = ", ".join(map(str, _sizes(port)))
    return f"NamedOnnxValue.CreateFromTensor({json.dumps(port['name'])}, new DenseTensor<{kind}>(new int[] {{ {sizes} }}))"


def _shown(port: Port) -> str:
    """The C# line that prints the shape of an output."""
    name, kind = json.dumps(port["name"]), TYPES[port["dtype"]][1]
    value = f"outputs.First(o => o.Name == {name}).AsTensor<{kind}>()"
    return f'Console.WriteLine({name} + " " + string.Join(" x ", {value}.Dimensions.ToArray()));'
