"""`netc convert NET WEIGHTS -o model.onnx`: convert a trained net of Caffe or netc to one ONNX file for any runtime."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from netc.commands.program import known_rows, weights_files
from netc.compiler.compilation import Compilation
from netc.compiler.program import Program
from netc.errors import Diagnostic, Place, RunError, SnapshotError, SpecError
from netc.files import replace_file
from netc.layers.context import dims
from netc.training.weights import load_weights


def export_onnx(compilation: Compilation, weights: Sequence[str], output: str) -> str:
    """Write the deployed net with its weights as ONNX. Returns the message for the user.

    The batch size is symbolic, and so are height and width of a fully convolutional net. SnapshotError if the files lack a parameter
    of the net.
    """
    made = Program(compilation.with_learned(known_rows(weights)))
    lowered, _ = made.deploy
    if not lowered.net.outputs:
        text = "Every blob of the net is read by another layer, so the model would have no outputs. Remove the layer that reads the result."
        raise SpecError(Diagnostic(Place(made.job.train.path), text))
    states = {n.name: n for n in lowered.graph.leaves("State") if n.state.is_weight}
    if states and not weights:
        raise SpecError(Diagnostic(Place(made.job.train.path), "ONNX needs the weights: netc convert NET WEIGHTS -o model.onnx"))
    arrays: dict[str, np.ndarray] = {}
    for name in weights_files(weights):
        arrays |= load_weights(name, states, lowered.layer_blobs)
    missing = sorted({s.state.layer for n, s in states.items() if n not in arrays})
    if missing:
        text = f"layer{'s' if len(missing) > 1 else ''} {', '.join(missing[:8])}{', ...' if len(missing) > 8 else ''}"
        raise SnapshotError(f"{', '.join(weights)}: no weights for {text}; weights are matched by layer name")
    model = made.deploy_model(arrays, any_size=True, folded=True)
    try:
        replace_file(Path(output), model.SerializeToString(deterministic=True))
    except OSError as e:
        raise RunError(f"Cannot write {output}: {e.strerror or e}") from e
    ports = []
    for port in (*model.graph.input, *model.graph.output):
        shape = tuple(d.dim_param or d.dim_value for d in port.type.tensor_type.shape.dim)
        ports.append(f"{port.name} {dims(shape)}")
    count, inputs = sum(a.size for a in arrays.values()), len(model.graph.input)
    return f"{output} is written: {count:,} parameters; {', '.join(ports[:inputs])} -> {', '.join(ports[inputs:])}\n"
