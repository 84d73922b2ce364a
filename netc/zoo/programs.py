"""The programs on a model card: how to run a model in Python, JavaScript and C#, with its own names, types and shapes."""

import json
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

Port = Mapping[str, Any]

# Element types in JavaScript's typed arrays and in C#.
TYPES = {
    "float32": ("Float32Array", "float"),
    "float64": ("Float64Array", "double"),
    "int64": ("BigInt64Array", "long"),
    "int32": ("Int32Array", "int"),
    "uint8": ("Uint8Array", "byte"),
    "int8": ("Int8Array", "sbyte"),
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
foreach (var output in outputs)
    Console.WriteLine($"{{output.Name}} {{string.Join(" x ", output.AsTensor<{kind}>().Dimensions.ToArray())}}");
"""


def programs(inputs: Sequence[Port], outputs: Sequence[Port], vectors: bool) -> list[tuple[str, str, str]]:
    """(title, language of the code block, program) for each language that has the types. `vectors`: test_vectors.npz is there."""
    found = [("Python (onnxruntime)", "python", _python(inputs, vectors))]
    if all(port["dtype"] in TYPES for port in inputs):
        found.append(("JavaScript (onnxruntime-node, onnxruntime-web)", "javascript", _filled(JAVASCRIPT, inputs, _javascript)))
    if all(port["dtype"] in TYPES for port in inputs) and len({port["dtype"] for port in outputs} & TYPES.keys()) == 1:
        kind = TYPES[outputs[0]["dtype"]][1]
        found.append(("C# (Microsoft.ML.OnnxRuntime)", "csharp", _filled(C_SHARP, inputs, _c_sharp, kind=kind)))
    return found


def shape_text(shape: Sequence[int | str]) -> str:
    """A shape as people read it: N x 3."""
    return " x ".join(map(str, shape)) or "scalar"


def _sizes(port: Port) -> list[int]:
    """The shape with 1 for what is symbolic, such as the batch N."""
    return [n if isinstance(n, int) else 1 for n in port["shape"]]


def _python(inputs: Sequence[Port], vectors: bool) -> str:
    def value(port: Port) -> str:
        return f'vectors["input.{port["name"]}"]' if vectors else f"np.zeros({tuple(_sizes(port))}, np.{port['dtype']})"

    feeds = "\n".join(f'    "{p["name"]}": {value(p)},  # {p["dtype"]}, {shape_text(p["shape"])}' for p in inputs)
    before = 'vectors = np.load("test_vectors.npz")\n' if vectors else ""
    after = ', np.allclose(value, vectors["output." + output.name], 1e-3, 1e-3)' if vectors else ""
    return PYTHON.format(before=before, feeds=feeds, after=after)


def _filled(program: str, inputs: Sequence[Port], line: Any, **words: str) -> str:
    return program.format(**words, feeds="\n".join(f"    {line(port)}, // {shape_text(port['shape'])}" for port in inputs))


def _javascript(port: Port) -> str:
    array, _ = TYPES[port["dtype"]]
    name, sizes = json.dumps(port["name"]), _sizes(port)
    return f"{name}: new ort.Tensor({json.dumps(port['dtype'])}, new {array}({prod(sizes)}), {json.dumps(sizes)})"


def _c_sharp(port: Port) -> str:
    _, kind = TYPES[port["dtype"]]
    sizes = ", ".join(map(str, _sizes(port)))
    return f"NamedOnnxValue.CreateFromTensor({json.dumps(port['name'])}, new DenseTensor<{kind}>(new int[] {{ {sizes} }}))"
