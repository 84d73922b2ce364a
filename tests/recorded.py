"""Recorded cases of nets: what they hold, and what netc makes of them."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import registry
from netc.compiler.lower import Lowered, lower
from netc.graph.autodiff import grad
from netc.graph.emit import emit
from netc.graph.ir import Graph, Node, Value, constant
from netc.net.resolve import resolve
from netc.runtime.session import Session
from netc.spec import parse_prototxt
from netc.training.feed import Feeder, draw
from tests.conftest import REFERENCE

FOLDER = REFERENCE / "caffe"
Arrays = dict[str, np.ndarray]
registry.load()


def index(folder: str) -> list[dict[str, Any]]:
    """The recorded cases of a folder; none where there is no reference."""
    path = FOLDER / folder / "index.json"
    return json.loads(path.read_text())["cases"] if path.is_file() else []


@dataclass(frozen=True)
class Case:
    """One recorded net with its arrays."""

    path: Path

    @cached_property
    def arrays(self) -> Mapping[str, np.ndarray]:
        with np.load(self.path) as file:
            return {k: file[k] for k in file.files}

    @property
    def phase(self) -> str:
        return str(self.arrays["phase"])

    def part(self, prefix: str) -> Arrays:
        """The arrays whose key begins with `prefix`, by the rest of the key."""
        return {k.removeprefix(prefix): v for k, v in self.arrays.items() if k.startswith(prefix)}

    @property
    def passes(self) -> Iterator[str]:
        """The prefixes of the passes after the first."""
        return (p for p in ("pass2_", "pass3_") if self.part(p + "out_"))

    def lower(self, inputs: Mapping[str, np.ndarray]) -> Lowered:
        """The net with its Input layers in the shapes of `inputs`. The test is skipped where a layer type is not there."""
        document = parse_prototxt(str(self.arrays["prototxt"]), path=self.path.name)
        missing = sorted({layer.type for layer in document.message.layer} - set(registry.layer))
        if missing:
            pytest.skip(f"no layer type {', '.join(missing)}")
        for layer in document.message.layer:
            if layer.type == "Input":
                layer.input_param.shape[0].dim[:] = inputs[layer.top[0]].shape
        return lower(resolve(document, self.phase))


@dataclass(frozen=True)
class Run:
    """A lowered net, its states by name, and what runs fed."""

    lowered: Lowered
    provider: str = "cpu"

    @cached_property
    def states(self) -> dict[str, Node]:
        """The states that the net or its updates read, by name."""
        return {n.name: n for n in Graph("", self._values, self.lowered.graph.updates).leaves("State")}

    @property
    def carries(self) -> Arrays:
        """The states that one pass leaves to the next, at their start."""
        return {n: s.state.start() for n, s in self.states.items() if s.state.kind == "carry"}

    @property
    def _values(self) -> dict[str, Value]:
        return {f"{name}/{i}": v for name, versions in self.lowered.versions.items() for i, v in enumerate(versions)}

    def owner(self, layer: str, blob: int) -> Node | None:
        """The state that is blob number `blob` of a layer, which may be another layer's by its param's name; None if nothing reads it."""
        specs = next(other for other in self.lowered.net.layers if other.name == layer).param.param
        shared = specs[blob].name if blob < len(specs) else ""
        found = [n for n in self.states.values() if (n.state.layer, n.state.blob) == (layer, blob)]
        found = found or [n for n in self.states.values() if shared and n.state.share_name == shared]
        return found[0] if found else None

    def recorded(self, arrays: Mapping[str, np.ndarray]) -> Arrays:
        """Arrays by `<layer>_<blob>` as arrays by the states' names."""
        found = {}
        for key, array in arrays.items():
            layer, _, blob = key.rpartition("_")
            node = self.owner(layer, int(blob))
            if node is not None:
                found[node.name] = array.reshape(tuple(map(int, node.types[0].shape)))
        return found

    def run(
        self, outputs: Mapping[str, Value], inputs: Mapping[str, np.ndarray], states: Mapping[str, np.ndarray], updates: bool = False
    ) -> Arrays:
        """The values of `outputs`, and `next/` of what the net updates."""
        graph = Graph("case", dict(outputs), self.lowered.graph.updates if updates else {})
        session = Session(emit(graph, self.provider))
        feeds = {f"batch/{n}": a for n, a in inputs.items()} | {f"state/{n}": a for n, a in states.items()}
        feeds |= {n.name: draw(n, 1, 0) for n in graph.leaves("Input") if n.name.startswith("noise/")}
        if self.lowered.net.sources:
            unfed = {k: v for k, v in self._values.items() if k.split("/")[0] not in inputs}
            feeds |= Feeder(self.lowered.net, Graph("", unfed), 0, ".")(0)
        return session.run({n: a for n, a in feeds.items() if n in session.inputs})

    def forward(self, inputs: Mapping[str, np.ndarray], states: Mapping[str, np.ndarray]) -> Arrays:
        """The last version of each blob, `total` (the loss), and `next/<state>`."""
        outputs = {f"out/{n}": v[-1] for n, v in self.lowered.versions.items()}
        if self.lowered.loss is not None:
            outputs["total"] = self.lowered.loss
        return self.run(outputs, inputs, states, updates=True)

    def gradients(self, seeds: Mapping[str, np.ndarray]) -> dict[str, Value]:
        """`dblob/<name>` (by its first version) and `dparam/<state>`, of all that Caffe would compute one of.

        Without force_backward that is what leads to a parameter that learns.
        """
        ends: dict[Value, Any] = {} if self.lowered.loss is None else {self.lowered.loss: 1.0}
        for name, seed in seeds.items():
            end = self.lowered.versions[name][-1]
            ends[end] = ends.get(end, 0) + seed.reshape(tuple(map(int, end.shape)))
        ends = {v: s if isinstance(s, float) else constant(np.asarray(s, np.float32)) for v, s in ends.items()}
        force = self.lowered.net.param.force_backward
        learned = [p for p in self.lowered.parameters if force or p.node.state.lr_mult]
        wanted = {f"dparam/{p.node.name}": p for p in learned}
        blobs = {n: v[0] for n, v in self.lowered.versions.items() if v[0].dtype.kind == "f"}
        depends = self._backward_blobs({p.node for p in learned})
        wanted |= {f"dblob/{n}": v for n, v in blobs.items() if force or n in depends}
        found = grad(ends, list(wanted.values()))
        return {n: g for n, g in zip(wanted, found, strict=True) if g is not None}

    def _backward_blobs(self, learned: set[Node]) -> set[str]:
        """The tops of layers that run backward in Caffe: one of their tops or bottoms hangs on what learns."""
        found: set[str] = set()
        for layer in self.lowered.net.layers:
            depends = set(Graph("", {str(k): v for k, v in enumerate(self.lowered.layer_tops[layer.name])}).leaves("State")) & learned
            if depends or found.intersection(layer.bottoms):
                found.update(layer.tops)
        return found


def check(got: np.ndarray, expected: np.ndarray, what: str) -> None:
    """Within 1e-4 of the largest magnitude, and 1e-6."""
    assert got.shape == expected.shape, f"{what}: shape {got.shape}, recorded {expected.shape}"
    if not expected.size:
        return
    most = 1e-4 * np.abs(expected).max() + 1e-6
    worst = np.abs(got.astype(np.float64) - expected).max()
    assert worst <= most, f"{what}: off by {worst:.3g}, {most:.3g} allowed"


def check_forward(case: Case, run: Run, states: Arrays, prefix: str = "", differs: Collection[str] = ()) -> Arrays:
    """One forward pass against the recorded one; the states after it."""
    got = run.forward(case.part(prefix + "in_"), states)
    for name, expected in case.part(prefix + "out_").items():
        if f"out_{name}" not in differs:
            check(got[f"out/{name}"], expected, f"{prefix}out_{name}")
    if not prefix and "total_loss" not in differs:
        check(got.get("total", np.zeros((), np.float32)), case.arrays["total_loss"], "total_loss")
    new = {n.removeprefix("next/"): a for n, a in got.items() if n.startswith("next/")}
    after = {} if "param_after" in differs else run.recorded(case.part(prefix + "param_after_"))
    for name, expected in after.items():
        check(new[name], expected, f"{prefix}param_after {name}")
    for name in new.keys() - after.keys() - run.carries.keys():
        check(new[name], states[name], f"{prefix}{name} stays")
    return states | new


def check_gradients(case: Case, run: Run, states: Arrays, differs: Collection[str] = ()) -> None:
    """The recorded gradients, each there or not there as recorded."""
    weights = {top: w for layer in run.lowered.net.layers for top, w in zip(layer.tops, layer.loss_weights, strict=True)}
    values = run.gradients({n: a for n, a in case.part("dtop_").items() if not weights.get(n) and f"dtop_{n}" not in differs})
    got = run.run(values, case.part("in_"), states) if values else {}
    blobs = case.part("din_") | case.part("dblob_")
    for name, expected in blobs.items():
        if f"d_{name}" not in differs:
            check(got.get(f"dblob/{name}", np.zeros_like(expected)), expected, f"the gradient of {name}")
    found = {n.removeprefix("dblob/") for n in got if n.startswith("dblob/")}
    extra = {n for n in found - blobs.keys() - case.part("dtop_").keys() if f"d_{n}" not in differs}
    assert not extra, f"gradients that Caffe does not compute: {', '.join(extra)}"
    for key, expected in case.part("dparam_").items():
        layer, _, blob = key.rpartition("_")
        node = run.owner(layer, int(blob))
        value = got.get(f"dparam/{node.name}") if node is not None else None
        check(np.zeros_like(expected) if value is None else value.reshape(expected.shape), expected, f"the gradient of blob {key}")


def check_case(case: Case, provider: str, differs: Collection[str] = ()) -> None:
    """All that is recorded of a case, but `differs`: of out_<blob>, d_<blob>, dtop_<blob>, total_loss and param_after."""
    run = Run(case.lower(case.part("in_")), provider)
    states = run.carries | run.recorded({k: v for k, v in case.part("param_").items() if not k.startswith("after_")})
    after = check_forward(case, run, states, differs=differs)
    if case.arrays["backward"]:
        check_gradients(case, run, states, differs)
    for prefix in case.passes:
        inputs = case.part(prefix + "in_")
        same = all(a.shape == case.part("in_")[n].shape for n, a in inputs.items())
        after = check_forward(case, run if same else Run(case.lower(inputs), provider), after, prefix, differs)
