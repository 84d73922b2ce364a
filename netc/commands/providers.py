"""List the ops of a graph, with training ops expanded, and those that a provider lacks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from netc.graph.ir import TRAINING, Graph, Node, toposort
from netc.graph.training_ops import trace
from netc.runtime import kernel_table
from netc.runtime.backends import PORTABLE, tables
from netc.runtime.kernel_table import KernelTable


@dataclass(frozen=True)
class Use:
    """An ONNX op, with (type variable, parameter, type) of its tensors."""

    op: str
    typed: tuple[tuple[str, str, str], ...]


_Known = dict[object, tuple[Use, ...]]


@dataclass(frozen=True)
class Needs:
    """The op types of a graph on the CPU. `lacks` has the ops without a kernel by provider, with the layers that use them."""

    kinds: frozenset[str]
    lacks: dict[str, dict[str, list[str]]]


def needs(graph: Graph) -> Needs:
    """The needs of a graph, for each provider with a table of kernels."""
    uses = {bodies: _uses(graph, bodies) for bodies in {PORTABLE.bodies, *(bodies for _, bodies in tables())}}
    order = {layer: k for k, layer in enumerate(dict.fromkeys(node.origin.layer for node in graph.nodes))}
    lacks = {
        kernels.name: {op: sorted(layers, key=order.__getitem__) for op, layers in _lacking(uses[bodies], kernels).items()}
        for kernels, bodies in tables()
    }
    return Needs(frozenset(use.op for use in uses[PORTABLE.bodies]), lacks)


def _lacking(uses: Mapping[Use, set[str]], kernels: KernelTable) -> dict[str, set[str]]:
    """The ops without a kernel, with the layers that use them."""
    found: dict[str, set[str]] = {}
    for use, layers in uses.items():
        if not kernels.serves(use.op, use.typed):
            found.setdefault(use.op, set()).update(layers)
    return found


def _uses(graph: Graph, bodies: str) -> Mapping[Use, set[str]]:
    """Each distinct use of an op, with its layers."""
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
    """The uses of ops in a node: its own, or those of its function body. `known` caches the uses of equal nodes."""
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
