"""Which ops a graph runs, the bodies of training ops in the place of their calls, and which of them a provider lacks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from netc.graph.ir import TRAINING, Graph, Node, toposort
from netc.graph.training_ops import trace
from netc.runtime import kernel_table

PROVIDERS = {"CPU": "cpu", "CUDA": "cuda", "WebGPU": "cpu"}  # in the kernels' table, and whose bodies run there


@dataclass(frozen=True)
class Use:
    """An op of ONNX, and (type variable, parameter, type) of its tensors."""

    op: str
    typed: tuple[tuple[str, str, str], ...]


_Known = dict[object, tuple[Use, ...]]


@dataclass(frozen=True)
class Needs:
    """`kinds`: the kinds of ops that run on the CPU. `lacks`: by provider the ops without a kernel there, and the layers that use them."""

    kinds: frozenset[str]
    lacks: dict[str, dict[str, list[str]]]


def needs(graph: Graph) -> Needs:
    """What a graph needs of onnxruntime's providers."""
    uses = {bodies: _uses(graph, bodies) for bodies in sorted(set(PROVIDERS.values()))}
    order = {layer: k for k, layer in enumerate(dict.fromkeys(node.origin.layer for node in graph.nodes))}
    lacks = {
        provider: {op: sorted(layers, key=order.__getitem__) for op, layers in _lacking(uses[bodies], provider).items()}
        for provider, bodies in PROVIDERS.items()
    }
    return Needs(frozenset(use.op for use in uses["cpu"]), lacks)


def _lacking(uses: Mapping[Use, set[str]], provider: str) -> dict[str, set[str]]:
    """The ops that a provider has no kernel for, and the layers that use them."""
    found: dict[str, set[str]] = {}
    for use, layers in uses.items():
        if not kernel_table.served(use.op, list(use.typed), provider):
            found.setdefault(use.op, set()).update(layers)
    return found


def _uses(graph: Graph, bodies: str) -> Mapping[Use, set[str]]:
    """Each use of an op once, with the layers that have it."""
    known: _Known = {}
    layers: dict[tuple[Use, ...], set[str]] = {}
    for node in graph.nodes:
        layers.setdefault(_of_node(node, bodies, known), set()).add(node.origin.layer)
    found: dict[Use, set[str]] = {}
    for uses, users in layers.items():
        for use in uses:
            found.setdefault(use, set()).update(users)
    return found


def _of_node(node: Node, bodies: str, known: _Known) -> tuple[Use, ...]:
    """The uses of ops that a node stands for: one, or those in its body. `known` are those of nodes like it."""
    if node.domain not in ("", TRAINING):
        return ()
    body = trace(node, bodies) if node.domain else None
    key = body or (node.op, tuple([v and v.dtype for v in node.inputs]), tuple([t.dtype for t in node.types]))
    if key not in known:
        inner = toposort(body.outputs) if body else ()
        uses = (use for each in inner for use in _of_node(each, bodies, known)) if body else [Use(node.op, tuple(_typed(node)))]
        known[key] = tuple(dict.fromkeys(uses))
    return known[key]


def _typed(node: Node) -> Iterator[tuple[str, str, str]]:
    for values, formal in zip((node.inputs, node.outputs), kernel_table.parameters(node.op), strict=True):
        for k, value in enumerate(values):
            if value is not None:
                yield (*formal[min(k, len(formal) - 1)], kernel_table.type_name(value.dtype))
