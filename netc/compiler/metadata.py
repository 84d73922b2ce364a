"""Parts of a model's metadata: states, random numbers, inputs, dynamic sizes, and why a batch size is fixed."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from netc import netc_pb2 as pb
from netc import random
from netc.compiler.lower import SYMBOLIC
from netc.data import Description
from netc.errors import Diagnostic
from netc.fillers import Zeros
from netc.graph.contract import BATCH, NEXT
from netc.graph.emit import input_name
from netc.graph.ir import Graph, Node, Value, leaf
from netc.graph.leaves import InputInfo, NoiseInfo, StateInfo
from netc.graph.passes.rewrite import rewrite
from netc.graph.tensor_type import dtype_name
from netc.net.model import ResolvedNet
from netc.runtime.averages import WEIGHT, average_of

COLORED = 3  # axes of an image, and its channels


def dynamic_sizes(graph: Graph) -> list[str]:
    """Names of the sizes that are known only at run time, such as the rows that a Filter keeps or the nodes of a batch of trees."""
    fed = {d for n in graph.leaves("Input") for d in n.types[0].shape if isinstance(d, str) and d != SYMBOLIC}
    given = {d for v in graph.outputs.values() for d in v.shape if isinstance(d, str) and d != SYMBOLIC}
    return sorted(fed | given | {str(n.types[0].shape[0]) for n in graph.nodes if n.op == "Compress"})


def state_facts(graph: Graph) -> list[dict[str, Any]]:
    """The states of a graph: the input and output of each, its owner, and its start value.

    If `start` is None, a file has the start values.
    """
    updated = {s.node.name for s in graph.updates}
    return [_state_facts(node, updated) for node in graph.leaves("State")]


def _state_facts(node: Node, updated: Collection[str]) -> dict[str, Any]:
    state, value = node.state, node.outputs[0]
    return {
        "name": state.name,
        "input": input_name(value),
        "output": NEXT(state.name) if state.name in updated else None,
        "kind": state.kind,
        "start": stated_start(state),
        "layer": state.layer,
        "blob": state.blob,
        "share_name": state.share_name,
        "lr_mult": state.lr_mult,
        "decay_mult": state.decay_mult,
        "shape": list(value.shape),
    }


def stated_start(state: StateInfo) -> float | None:
    """The single number that a state starts at; None if a file has its start values."""
    return 0.0 if not state.is_weight and isinstance(state.start, Zeros) else None


def noise_facts(node: Node, noise: NoiseInfo, seed: int) -> dict[str, Any]:
    """What a program needs to draw the same numbers: the key of Philox4x64-10. `random_facts` adds the rest."""
    key = [str(word) for word in random.key(seed, noise.key)]
    return tensor_facts(node.outputs[0]) | {"distribution": noise.distribution, "key": key}


def random_facts(noise: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """How random numbers are drawn; None if there are no random numbers. `netc.random` has the details."""
    kinds = {said["distribution"] for said in noise}
    if not kinds:
        return None
    return {
        "generator": "Philox4x64-10",
        "counter": ["block, from 1", "iteration", "sub_batch", "0"],
        "halves": "of each word the low 32 bits, then the high 32 bits; number i of an array is made of half i",
        **{kind: CONVERSIONS[kind] for kind in sorted(kinds)},
    }


CONVERSIONS = {
    "uniform": "max(half >> 8, 1/2) / 2**24",
    "normal": {
        "is": "p = (half + 1/2) / 2**32, q = p - 1/2; where |q| <= 0.425 it is q a(r) / b(r) of `centre` with r = 0.180625 - q q, else "
        "sign(q) a(t) / b(t) of `tail` with t = sqrt(-log(1/2 - |q|)) - 1.6; float64, rounded to float32",
        "centre": random.CENTRE,
        "tail": random.TAIL,
    },
}


def reset_facts(solver: pb.SolverParameter) -> dict[str, Any] | None:
    """The solver's reset_interval.

    Before each iteration that is a multiple of it, except the first, all states of a kind are set to a value.
    """
    return {"interval": solver.reset_interval, "kind": "slot", "value": 0.0} if solver.reset_interval else None


def average_facts(ema: float) -> dict[str, Any] | None:
    """The solver's averages of the weights: test and publish the state `<name><suffix>` in place of each parameter that has one."""
    return {"decay": ema, "suffix": average_of(""), "weight": WEIGHT} if ema else None


def pin_text(diagnostic: Diagnostic) -> str:
    """Why a batch size is fixed, as one line without a file name."""
    return diagnostic.text


def meanings(net: ResolvedNet, outputs: Mapping[str, Value]) -> dict[str, list[str]]:
    """The outputs that are labels of CTC (`decoded`), probabilities of the classes of pixels (`pixels`), and boxes of objects (`boxes`)."""
    made = {layer.tops[0]: layer.type for layer in net.layers if layer.tops and layer.tops[0] in outputs}
    decoded = [top for top, kind in made.items() if kind == "CTCDecode"]
    pixels = [top for top, kind in made.items() if kind == "Softmax" and outputs[top].rank == 4]
    boxes = [top for top, kind in made.items() if kind == "DetectionOutput"]
    return {name: tops for name, tops in (("decoded", decoded), ("pixels", pixels), ("boxes", boxes)) if tops}


def channel_facts(source: Description) -> dict[str, Any]:
    """The order of the channels of images, if blue comes first."""
    colored = len(source.tops[0].shape) == COLORED and source.tops[0].shape[0] == COLORED
    return {"channels": source.channels} if colored and source.channels == "BGR" else {}


def tensor_facts(value: Value) -> dict[str, Any]:
    """The name, data type and shape of an input."""
    return {"name": value.node.name, "dtype": dtype_name(value.dtype), "shape": list(value.shape)}


def plain_inputs(graph: Graph) -> Graph:
    """Return `graph` with the input `batch/data` renamed to `data`."""

    def rule(node: Node) -> tuple[Value, ...] | None:
        if node.key != ("netc", "Input") or not isinstance(node.info, InputInfo):
            return None
        return (leaf("Input", node.types[0].dtype, node.types[0].shape, info=replace(node.info, name=BATCH.bare(node.name))),)

    return rewrite(graph, rule)
