"""Every op and its gradient on a GPU beside the CPU: the rows that the gradient rules are tested with."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from netc.errors import RunError
from netc.graph.autodiff import grad
from netc.graph.emit import emit
from netc.graph.ir import Graph, leaf, op
from netc.runtime.session import Session
from tests.gpu.device import backend
from tests.gpu.parts import Options
from tests.graph.gradients.test_rules import STANDARD

CLOSE = 1e-3  # of the largest element: products of float32 may be rounded differently
LEAST = 1e-2  # smaller arrays are zeros but for rounding


def differing(options: Options) -> list[dict[str, Any]]:
    """The ops whose values or gradients differ, or that do not run."""
    found = ((name, difference(row, options)) for name, rows in STANDARD.items() for row in rows[: 2 if options.quick else None])
    return [{"op": name, "why": why} for name, why in found if why]


def difference(row: tuple[Any, ...], options: Options) -> str:
    """What is wrong with a row; "" if nothing is."""
    f, *at = row
    inputs = [leaf("Input", a.dtype, a.shape, name=f"x{k}") for k, a in enumerate(at)]
    y = f(*inputs)
    weights = np.random.default_rng(0).normal(size=[int(d) for d in y.shape]).astype(np.float32)
    gradients = grad({op.ReduceSum(y * weights, keepdims=0): 1.0}, [v for v, a in zip(inputs, at, strict=True) if a.dtype.kind == "f"])
    graph = Graph("row", {"y": y} | {f"d{k}": g for k, g in enumerate(gradients) if g is not None})
    feeds = {f"x{k}": np.asarray(a) for k, a in enumerate(at)}
    try:
        cpu, device = (_run(graph, feeds, provider) for provider in ("cpu", options.provider))
    except RunError as e:
        return str(e)[:200]
    apart = {n: float(np.abs(device[n] - a).max(initial=0) / max(np.abs(a).max(initial=0), LEAST)) for n, a in cpu.items()}
    return ", ".join(f"{n} {share:.2g}" for n, share in apart.items() if not share < CLOSE)


def _run(graph: Graph, feeds: Mapping[str, np.ndarray], provider: str) -> dict[str, np.ndarray]:
    chosen = backend(provider)
    session = Session(emit(graph, chosen.bodies, functions=False), chosen)
    return session.run({n: a for n, a in feeds.items() if n in session.inputs})
