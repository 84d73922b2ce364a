"""Which ops a graph runs, the bodies of training ops in the place of their calls, and which of them a provider lacks."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from netc import kernels
from netc.ir import TRAINING, Graph, Node, toposort
from netc.training_ops import trace
from netc.training_ops.define import Body

PROVIDERS = {"CPU": "cpu", "CUDA": "cuda", "WebGPU": "cpu"}  # in the kernels' table, and whose bodies run there


@dataclass(frozen=True)
class Use:
    """An op of ONNX, and (type variable, parameter, type) of its tensors."""

    op: str
    typed: tuple[tuple[str, str, str], ...]


def kinds(graph: Graph) -> set[str]:
    """The kinds of ops that run on the CPU."""
    return {use.op for use in _uses(graph, "cpu")}


def lacking(graph: Graph) -> dict[str, dict[str, list[str]]]:
    """By provider the ops for which it has no kernel, each with the layers that use it."""
    uses = {bodies: _uses(graph, bodies) for bodies in set(PROVIDERS.values())}
    found: dict[str, dict[str, list[str]]] = {}
    for provider, bodies in PROVIDERS.items():
        found[provider] = {}
        for use, layers in uses[bodies].items():
            if not kernels.served(use.op, list(use.typed), provider):
                known = found[provider].setdefault(use.op, [])
                known += [layer for layer in layers if layer not in set(known)]
    return found


def _uses(graph: Graph, bodies: str) -> Mapping[Use, Mapping[str, None]]:
    """Each use of an op once, with the layers that have it, in the graph's order."""
    found: dict[Use, dict[str, None]] = {}
    known: dict[int, tuple[Body, list[Use]]] = {}  # the uses in a body, which many nodes call
    for node in graph.nodes:
        for use in _of_node(node, bodies, known):
            found.setdefault(use, {})[node.origin.layer] = None
    return found


def _of_node(node: Node, bodies: str, known: dict[int, tuple[Body, list[Use]]]) -> Iterable[Use]:
    if not node.domain:
        return [Use(node.op, tuple(_typed(node)))]
    if node.domain != TRAINING:
        return []
    body = trace(node, bodies)
    if id(body) not in known:
        inner = dict.fromkeys(use for each in toposort(body.outputs) for use in _of_node(each, bodies, known))
        known[id(body)] = body, list(inner)
    return known[id(body)][1]


def _typed(node: Node) -> Iterator[tuple[str, str, str]]:
    for values, formal in zip((node.inputs, node.outputs), kernels.parameters(node.op), strict=True):
        for k, value in enumerate(values):
            if value is not None:
                yield (*formal[min(k, len(formal) - 1)], kernels.type_name(value.dtype))
