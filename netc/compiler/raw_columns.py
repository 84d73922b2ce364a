"""What a deployed net of a table takes and gives: its columns, its named outputs, and facts about both for users."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx

from netc.compiler.lower import SYMBOLIC
from netc.errors import Diagnostic
from netc.graph.contract import BATCH, GRAD, GUARD, LR, NEXT, NOISE, OUT, ROWS, SINK, STATE, SUM, WATCH
from netc.graph.emit import emit
from netc.graph.ir import Graph, Value, constant, op
from netc.graph.passes import simplify
from netc.graph.tensor_type import STRING, Shape
from netc.net.model import Layer, ResolvedNet
from netc.table.columns.define import ColumnType, column_types
from netc.table.encoded import encoded_row, raw_inputs
from netc.terminal import line

TABLE = "Table"
CLASS = "class"
LONGEST = 200  # letters of the name of an input
PREFIXES = tuple(map(str, (BATCH, NOISE, STATE, GRAD, NEXT, OUT, SUM, ROWS, GUARD, SINK, WATCH))) + ("constant/",)


def table_of(net: ResolvedNet) -> Layer | None:
    """The layer that reads rows of a table; None if the net reads no table, or windows of a series."""
    return next((x for x in net.sources if x.type == TABLE and columns_of(net, x) and not x.param.table_param.HasField("series")), None)


def series_of(net: ResolvedNet) -> Layer | None:
    """The layer that reads windows of a series; None if the net reads none."""
    return next((x for x in net.sources if x.type == TABLE and columns_of(net, x) and x.param.table_param.HasField("series")), None)


def columns_of(net: ResolvedNet, layer: Layer) -> tuple[ColumnType, ...]:
    """The columns of a Table layer, as fitted on the training rows."""
    return column_types(net.described[layer.tops[0]].fitted) if layer.tops and layer.tops[0] in net.described else ()


def column_errors(net: ResolvedNet) -> Iterator[Diagnostic]:
    """Yield the columns whose names cannot be those of the inputs of the deployed `net`."""
    for layer in net.sources:
        if layer.type == TABLE:
            stated = [column.name for column in layer.param.table_param.columns]
            for column in columns_of(net, layer):
                if why := _wrong_name(column.name, net.outputs):
                    path = ("table_param", "columns", stated.index(column.name)) if column.name in stated else ()
                    text = f"Column {line(column.name)[:LONGEST]!r} cannot be an input of the published model: {why}"
                    yield Diagnostic(layer.at(*path), f"Layer {layer.name!r} ({TABLE}): {text}")


def _wrong_name(name: str, outputs: Sequence[str]) -> str:
    """Why a column cannot be an input, with what to do; "" if it can."""
    if name in outputs:
        return f"the net has an output of this name. Give the blob {name!r} another name."
    if (prefix := next((p for p in PREFIXES if name.startswith(p)), "")) or name == LR:
        return f"names {f'that begin with {prefix!r}' if prefix else 'such as this one'} have a meaning of their own. Rename the column."
    if line(name) != name or "\t" in name or name.strip() != name or not name:
        return "its name is empty, or has line ends, tabs, invisible characters, or spaces at its ends. Rename the column."
    if len(name) > LONGEST:
        return f"its name has {len(name)} letters, more than {LONGEST}. Rename the column."
    return ""


def named_outputs(net: ResolvedNet, outputs: Mapping[str, Value], classes: Sequence[str]) -> dict[str, Value]:
    """Return the outputs of a deployed net of a table under names that its users expect.

    Scores of classes are followed by the text output `class`. An output with a number for each label column, or for each quantile of one
    label, becomes an output (N,) for each, such as `price` or `price_q90`.
    """
    layer = table_of(net)
    if layer is None:
        return dict(outputs)
    labels, taken = tuple(layer.param.table_param.label), {column.name for column in columns_of(net, layer)}
    if task_of(layer) == "classes":
        scores = outputs.get(scores_of({n: (f"tensor({x.dtype})", x.shape) for n, x in outputs.items()}, len(classes)))
        name = CLASS
        while name in taken or name in outputs:
            name = f"predicted_{name}"
        return {**outputs, **({} if scores is None or len(classes) < 2 else {name: _class(scores, classes)})}
    names = [labels, *(tuple(f"{label}_q{100 * q:g}" for label in labels for q in levels) for levels in _quantiles(net))]
    found: dict[str, Value] = {}
    for blob, value in outputs.items():
        own = next((n for n in names if len(n) == _width(value)), ())
        fits = own and not taken.intersection(own) and not {*own}.intersection({*outputs} - {blob}) and not found.keys() & {*own}
        found |= dict(zip(own, _columns(value), strict=True)) if fits else {blob: value}
    return found


def scores_of(outputs: Mapping[str, tuple[str, Shape]], classes: int) -> str:
    """The first output with a score for each class, or with one score for two classes; "" if there is none.

    `outputs` has the type, such as tensor(float), and the shape of each.
    """
    widths = {name: (shape[1:] or (1,))[0] for name, (kind, shape) in outputs.items() if "float" in kind and len(shape) in (1, 2)}
    return next((name for name, width in widths.items() if width == classes or (width == 1 and classes == 2)), "")


def columns_model(net: ResolvedNet, metadata: Mapping[str, Any]) -> onnx.ModelProto | None:
    """Return the model of the preprocessing alone: from raw columns to the input of train.onnx. None for nets that read no table."""
    layer = table_of(net)
    if layer is None:
        return None
    columns = columns_of(net, layer)
    row = encoded_row(columns, raw_inputs(columns, SYMBOLIC, [column.name for column in columns]))
    graph = simplify(Graph("columns", {BATCH(layer.tops[0]): row}))
    return emit(graph, metadata={**metadata, **table_facts(net)})


def task_of(layer: Layer) -> str:
    """What a Table layer's labels are: "classes", "labels" that are true or false, "numbers", "series", or "" without labels."""
    assert layer.source is not None
    if layer.source.series:
        return "series"
    if len(layer.source.tops) < 2 or not layer.param.table_param.label:
        return ""
    return "classes" if layer.source.tops[1].dtype == "int64" else "labels" if layer.source.classes else "numbers"


def table_facts(net: ResolvedNet) -> dict[str, Any]:
    """What the metadata of a deployed net says about the columns that it takes, and its labels. Empty for other nets."""
    layer = table_of(net) or series_of(net)
    if layer is None:
        return {}
    formats = {column.name: column.format for column in layer.param.table_param.columns if column.format}
    columns = [_facts(column, formats.get(column.name, "")) for column in columns_of(net, layer)]
    missing = list(layer.param.table_param.format.missing)
    facts = {"columns": columns, "labels": list(layer.param.table_param.label), "task": task_of(layer)}
    return facts | ({"missing": missing} if missing else {})


def _facts(column: ColumnType, form: str) -> dict[str, Any]:
    about = {key: line(value) if isinstance(value, str) else value for key, value in column.about.items()}
    return {"name": column.name, "type": column.type, "dtype": column.dtype, **about} | ({"format": form} if form else {})


def _width(x: Value) -> int:
    """The numbers of an output for each row; 0 if it has more axes, or no numbers."""
    if x.dtype.kind != "f" or x.rank not in (1, 2):
        return 0
    return 1 if x.rank == 1 else int(x.shape[1]) if isinstance(x.shape[1], int) else 0


def _class(scores: Value, classes: Sequence[str]) -> Value:
    """The name of the class with the highest score; with one score for two classes, that of the second one from 0.5 on."""
    if _width(scores) == 1:
        flat = scores if scores.rank == 1 else op.Squeeze(scores, [1])
        chosen = op.Where(op.GreaterOrEqual(flat, 0.5), constant(np.int64(1)), constant(np.int64(0)))
    else:
        chosen = op.ArgMax(scores, axis=1, keepdims=0)
    return op.Gather(constant(np.array(classes, STRING)), chosen, axis=0)


def _columns(x: Value) -> list[Value]:
    """The columns of a matrix, each (N,)."""
    if x.rank == 1:
        return [x]
    width = int(x.shape[1])
    return [op.Squeeze(op.Slice(x, [k], [k + 1], [1]), [1]) for k in range(width)]


def _quantiles(net: ResolvedNet) -> Iterator[tuple[float, ...]]:
    """Yield the quantiles of each loss that has several."""
    for layer in net.layers:
        for field, message in layer.param.ListFields():
            if field.name == "quantile_param" and len(message.quantile) > 1:
                yield tuple(round(float(q), 6) for q in message.quantile)
