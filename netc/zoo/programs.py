"""The programs on a model card, which run the model in Python, JavaScript and C# with its names, types and shapes.

A port may have an `example`, a raw value of one row (None for a missing one), and `values`, a text about the values that it takes.
"""

import json
import math
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
    "string": ("", "string"),
}
MISSING = {"string": "", "int64": -(1 << 63)}  # raw values of missing cells; NaN in numbers
MOST_SHOWN = 100  # letters of a comment

PYTHON = """\
import numpy as np
import onnxruntime as ort

session = ort.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
{before}feeds = {{
{feeds}
}}
for output, value in zip(session.get_outputs(), session.run(None, feeds)):
    print(output.name, {shown})
"""

JAVASCRIPT = """\
import * as ort from "onnxruntime-node"; // in a browser: "onnxruntime-web"

const session = await ort.InferenceSession.create("model.onnx");
const feeds = {{
{feeds}
}};
const outputs = await session.run(feeds);
for (const name of session.outputNames) console.log(name, outputs[name].{shown});
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
    feeds = "\n".join(f"    {_c_sharp(port)}, // {_comment(port)}" for port in inputs)
    shown = "\n".join(_shown(port, _has_rows(inputs)) for port in outputs)
    return [
        ("Python (onnxruntime)", "python", _python(inputs, vectors)),
        ("JavaScript (onnxruntime-node, onnxruntime-web)", "javascript", _scripts(inputs)),
        ("C# (Microsoft.ML.OnnxRuntime)", "csharp", C_SHARP.format(feeds=feeds, outputs=shown)),
    ]


def shape_text(shape: Sequence[int | str]) -> str:
    """Format a shape: N x 3."""
    return " x ".join(map(str, shape)) or "scalar"


def _sizes(port: Port) -> list[int]:
    """The shape with 1 for symbolic sizes, such as the batch N."""
    return [n if isinstance(n, int) else 1 for n in port["shape"]]


def _has_rows(inputs: Sequence[Port]) -> bool:
    """Whether the inputs have an example row."""
    return any("example" in port for port in inputs)


def _quoted(text: str) -> str:
    """A text in quotes, for all three languages. A backquote could end the block of code."""
    return json.dumps(text, ensure_ascii=False).replace("`", "\\u0060")


def _comment(port: Port) -> str:
    """The shape of a port, or the values that it takes."""
    if "example" not in port:
        return shape_text(port["shape"])
    missing = {"string": '""', "int64": str(MISSING["int64"])}.get(port["dtype"], "NaN")
    values = port.get("values", "")[:MOST_SHOWN].replace("`", "'")
    return f"{values}; {missing}: missing"


def _example(port: Port) -> Any:
    """The raw value of the example row."""
    return MISSING.get(port["dtype"], math.nan) if port["example"] is None else port["example"]


def _python(inputs: Sequence[Port], vectors: bool) -> str:
    vectors = vectors and not _has_rows(inputs)

    def value(port: Port) -> str:
        if "example" in port:
            given = _example(port)
            text = _quoted(given) if isinstance(given, str) else "np.nan" if given != given else repr(given)
            kind = "object" if port["dtype"] == "string" else _quoted(port["dtype"])
            return f"np.array([{text}], {kind})" if prod(_sizes(port)) == 1 else f"np.full({tuple(_sizes(port))}, {text}, {kind})"
        if port["dtype"] == "string":
            return f'np.full({tuple(_sizes(port))}, "", object)'
        return f"vectors[{_quoted('input.' + port['name'])}]" if vectors else f'np.zeros({tuple(_sizes(port))}, "{port["dtype"]}")'

    def comment(port: Port) -> str:
        return _comment(port) if "example" in port else f"{port['dtype']}, {_comment(port)}"

    feeds = "\n".join(f"    {_quoted(port['name'])}: {value(port)},  # {comment(port)}" for port in inputs)
    before = 'vectors = np.load("test_vectors.npz")\n' if vectors else ""
    after = ', np.allclose(value, vectors["output." + output.name], 1e-3, 1e-3)' if vectors else ""
    return PYTHON.format(before=before, feeds=feeds, shown="value.tolist()" if _has_rows(inputs) else f"value.shape{after}")


def _scripts(inputs: Sequence[Port]) -> str:
    return JAVASCRIPT.format(feeds="\n".join(map(_javascript, inputs)), shown="data" if _has_rows(inputs) else "dims")


def _javascript(port: Port) -> str:
    array, _ = TYPES[port["dtype"]]
    sizes = _sizes(port)
    if "example" in port:
        given = _example(port)
        text = _quoted(given) if isinstance(given, str) else "NaN" if given != given else repr(given)
        one = text + "n" * (port["dtype"] == "int64")
        if prod(sizes) > 1:
            made = f"{'Array' if port['dtype'] == 'string' else f'new {array}'}({prod(sizes)}).fill({one})"
        else:
            made = f"[{text}]" if port["dtype"] == "string" else f"{array}.of({one})"
    elif port["dtype"] == "string":
        made = f'Array({prod(sizes)}).fill("")'
    else:
        made = f"new {array}({prod(sizes)})"
    return f"    {_quoted(port['name'])}: new ort.Tensor({_quoted(port['dtype'])}, {made}, {json.dumps(sizes)}), // {_comment(port)}"


def _c_sharp(port: Port) -> str:
    _, kind = TYPES[port["dtype"]]
    sizes = f"new int[] {{ {', '.join(map(str, _sizes(port)))} }}"
    if "example" in port:
        given = _example(port)
        text = _quoted(given) if isinstance(given, str) else f"{kind}.NaN" if given != given else repr(given) + "f" * (kind == "float")
        count = prod(_sizes(port))
        sizes = f"{f'new {kind}[] {{ {text} }}' if count == 1 else f'Enumerable.Repeat({text}, {count}).ToArray()'}, {sizes}"
    return f"NamedOnnxValue.CreateFromTensor({_quoted(port['name'])}, new DenseTensor<{kind}>({sizes}))"


def _shown(port: Port, values: bool) -> str:
    """The C# line that prints the shape of an output, or its values."""
    name, kind = _quoted(port["name"]), TYPES[port["dtype"]][1]
    value = f"outputs.First(o => o.Name == {name}).AsTensor<{kind}>()"
    text = f'string.Join(", ", {value})' if values else f'string.Join(" x ", {value}.Dimensions.ToArray())'
    return f'Console.WriteLine({name} + " " + {text});'
