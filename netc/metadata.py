"""What a model's metadata says of states, random numbers, inputs, and sizes that only a run knows."""

from collections.abc import Collection
from typing import Any

from netc import random
from netc.emit import input_name
from netc.ir import Graph, Node, Value
from netc.lower import SYMBOLIC


def dynamic_sizes(graph: Graph) -> list[str]:
    """Names of the sizes that only a run knows, such as the rows that a Filter leaves, or the nodes of a batch of trees."""
    fed = {d for n in graph.leaves("Input") for d in n.types[0].shape if isinstance(d, str) and d != SYMBOLIC}
    given = {d for v in graph.outputs.values() for d in v.shape if isinstance(d, str) and d != SYMBOLIC}
    return sorted(fed | given | {str(n.types[0].shape[0]) for n in graph.nodes if n.op == "Compress"})


def state_facts(graph: Graph) -> list[dict[str, Any]]:
    """The states of a graph: where a model reads and writes each, and whose it is."""
    updated = {s.node.attrs["name"] for s in graph.updates}
    return [_state_facts(node, updated) for node in graph.leaves("State")]


def _state_facts(node: Node, updated: Collection[str]) -> dict[str, Any]:
    attrs, value = node.attrs, node.outputs[0]
    name = attrs["name"]
    return {
        "name": name,
        "input": input_name(value),
        "output": f"next/{name}" if name in updated else None,
        "kind": attrs["kind"],
        "layer": attrs["layer"],
        "blob": attrs["blob"],
        "share_name": attrs.get("share_name", ""),
        "lr_mult": attrs["lr_mult"],
        "decay_mult": attrs["decay_mult"],
        "shape": list(value.shape),
    }


def noise_facts(node: Node, seed: int) -> dict[str, Any]:
    """Enough to make the numbers anywhere: Philox4x64-10 with this key; `netc.random` writes down the conversions."""
    key = [str(word) for word in random.key(seed, node.attrs["key"])]
    return tensor_facts(node.outputs[0]) | {"distribution": node.attrs["distribution"], "key": key}


def tensor_facts(value: Value) -> dict[str, Any]:
    """An input: its name and type."""
    return {"name": value.node.attrs["name"], "dtype": value.dtype.name, "shape": list(value.shape)}
