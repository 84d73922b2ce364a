"""`netc convert NET WEIGHTS -o model.onnx`: convert a trained net of Caffe or netc to one ONNX file for any runtime."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from netc.commands.export import sample
from netc.commands.export.half import half
from netc.commands.export.opencv import Comparison, compare
from netc.commands.export.opset import at_opset
from netc.commands.program import known_rows, weights_files
from netc.compiler.compilation import Compilation
from netc.compiler.program import Program
from netc.errors import Diagnostic, Place, RunError, SnapshotError, SpecError
from netc.files import replace_file
from netc.graph.emit import emit
from netc.graph.ir import Graph
from netc.graph.passes import folded
from netc.layers.context import dims
from netc.runtime.backends import PORTABLE
from netc.spec.input_sizes import fixes_batch, resized
from netc.training.weights import compared, load_weights

CLOSE = 1e-5  # the largest difference of a simplified graph, relative to the largest output


@dataclass(frozen=True)
class Options:
    """What to write. `sizes` as in `netc.spec.input_sizes`. `simplify`: constants are computed and BatchNorm moves into convolutions."""

    sizes: tuple[str, ...] = ()
    opset: int | None = None
    half: bool = False
    simplify: bool = True
    opencv: bool = False


@dataclass(frozen=True)
class Exported:
    """A written model. `folded` counts, by layer type, the layers that left no op."""

    output: str
    parameters: int
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    opset: int
    folded: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    opencv: Comparison | None = None

    def __str__(self) -> str:
        ports = [", ".join(f"{name} {shape}" for name, shape in side.items()) for side in (self.inputs, self.outputs)]
        lines = [f"{self.output} is written: {self.parameters:,} parameters; {' -> '.join(ports)}"]
        if self.folded:
            lines.append(f"without ops of their own: {', '.join(f'{count} {kind}' for kind, count in self.folded.items())}")
        lines += [*self.notes, *(self.opencv.lines() if self.opencv else ())]
        return "".join(f"{line}\n" for line in lines)

    @property
    def as_json(self) -> dict[str, Any]:
        """The same for JSON."""
        facts = {"output": self.output, "parameters": self.parameters, "inputs": dict(self.inputs), "outputs": dict(self.outputs)}
        opencv = self.opencv.as_json if self.opencv else None
        return facts | {"opset": self.opset, "folded": dict(self.folded), "notes": list(self.notes), "opencv": opencv}


def export_onnx(compilation: Compilation, weights: Sequence[str], output: str, options: Options = Options()) -> Exported:  # noqa: B008  # frozen
    """Write the deployed net with its weights as ONNX.

    The batch size is symbolic, and so are height and width of a fully convolutional net, unless `options` set them. SnapshotError if the
    files lack a parameter of the net.
    """
    if options.sizes:
        compilation = Compilation.of(resized(compilation.job, options.sizes))
    made = Program(compilation.with_learned(known_rows(weights)))
    arrays = _weights(made, weights)
    count = sum(a.size for a in arrays.values())
    model, folded_layers, notes = _model(made, arrays, options)
    arrays.clear()  # a large net has a copy of its weights in the model now
    opencv = compare(made, weights, model) if options.opencv else None
    try:
        replace_file(Path(output), model.SerializeToString(deterministic=True))
    except OSError as e:
        raise RunError(f"Cannot write {output}: {e.strerror or e}") from e
    inputs, outputs = ({port.name: dims(sample.shape_of(port)) for port in side} for side in (model.graph.input, model.graph.output))
    opset = next(entry.version for entry in model.opset_import if not entry.domain)
    return Exported(output, count, inputs, outputs, opset, folded_layers, notes, opencv)


def _weights(made: Program, files: Sequence[str]) -> dict[str, np.ndarray]:
    """The values of all parameters of the deployed net. An error if one is missing."""
    lowered, _ = made.deploy
    if not lowered.net.outputs:
        text = "Every blob of the net is read by another layer, so the model would have no outputs. Remove the layer that reads the result."
        raise SpecError(Diagnostic(Place(made.job.train.path), text))
    states = {n.name: n for n in lowered.graph.leaves("State") if n.state.is_weight}
    if states and not files:
        raise SpecError(Diagnostic(Place(made.job.train.path), "ONNX needs the weights: netc convert NET WEIGHTS -o model.onnx"))
    arrays: dict[str, np.ndarray] = {}
    for name in weights_files(files):
        arrays |= load_weights(name, states, lowered.layer_blobs)
    missing = sorted({s.state.layer for n, s in states.items() if n not in arrays})
    if missing:
        text = f"layer{'s' if len(missing) > 1 else ''} {', '.join(missing[:8])}{', ...' if len(missing) > 8 else ''}"
        details = compared(weights_files(files)[0], lowered.layer_blobs) if len(files) == 1 else ()
        text = f"{', '.join(files)}: no weights for {text}; weights are matched by layer name"
        raise SnapshotError(Diagnostic(None, text, details=details))
    return arrays


def _model(made: Program, arrays: dict[str, np.ndarray], options: Options) -> tuple[onnx.ModelProto, dict[str, int], tuple[str, ...]]:
    """The model, the layers that left no op by type, and notes for the user."""
    gone: dict[str, int] = {}

    def simplified(plain: Graph) -> Graph:
        simple = folded(plain)
        gone.update(_without_ops(made, plain, simple))
        return simple

    graph, said = made.deploy_graph(arrays, any_size=not options.sizes, change=simplified if options.simplify else None)
    functions = not (options.half or options.opset)  # both work op by op
    model = emit(graph, PORTABLE.bodies, functions, said)
    notes: list[str] = []
    if fixes_batch(made.job, options.sizes):
        sample.fix_batch(model, made.deploy[0])
    plain = model
    if options.half:
        found = half(model)
        model = found.model
        notes += [*found.notes, f"float16: {sample.difference(plain, model, made.deploy[0])}"]
    if options.opset:
        model = at_opset(model, options.opset)
        sample.check_equal(plain, model, made.deploy[0], options)
    return model, gone, tuple(notes)


def _without_ops(made: Program, plain: Graph, simple: Graph) -> dict[str, int]:
    """How many layers of each type have no op in the simplified graph, though they compute something."""
    before, left = ({node.origin.layer for node in graph.nodes if node.domain != "netc"} for graph in (plain, simple))
    gone = (x.type for x in made.deploy[0].net.layers if x.name not in left and (x.name in before or x.type == "Dropout"))
    return dict(sorted(Counter(gone).items()))
