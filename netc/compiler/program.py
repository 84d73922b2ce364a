"""The step contract: the models of a net, their metadata and their start. With these files any language can train it.

| model        | inputs                                            | outputs                                         |
|--------------|---------------------------------------------------|-------------------------------------------------|
| train.onnx   | batch/<blob>, noise/<name>, lr, state/<name>      | loss, out/<blob>, next/<name> of each state     |
| gradient.onnx| the same without lr, and grad/<name>, the sum     | loss, out/<blob>, next/grad/<name>, next/ of statistics and carries |
| update.onnx  | grad/<name>, lr, state/ of parameters and slots   | next/ of parameters and slots                   |
| test.onnx    | batch/<blob>, state/ of all but slots             | loss, out/<blob>, next/ of carries; sum/ and rows/ of `layers.whole` |
| model.onnx   | the net's inputs, batch N, state/ of carries      | its outputs, next/ of carries; weights and preprocessing inside |
| open.onnx    | the same, and state/ of parameters and statistics | the same                                        |
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from netc import data, registry, schedules
from netc.compiler.diagnose import all_errors, learned_of, net_errors, source_errors, width_errors
from netc.compiler.lower import OUT, SYMBOLIC, Lowered, lower, lower_symbolic
from netc.compiler.metadata import dynamic_sizes, noise_facts, pin_text, random_facts, reset_facts, state_facts, tensor_facts
from netc.compiler.step import StepGraphs, solver_errors, step_graphs, watch_graph
from netc.errors import Diagnostic, SpecError
from netc.graph import cost
from netc.graph.emit import emit
from netc.graph.ir import Graph, Node, Value, leaf
from netc.graph.passes import channels_last, freeze, resizable, simplify
from netc.graph.passes.rewrite import rewrite
from netc.graph.tensor_type import OPSET, Dim
from netc.layers.context import BATCH, NOISE
from netc.net.resolve import TEST, TRAIN, Net, resolve
from netc.net.variants import deployed, pretraining
from netc.runtime import native
from netc.spec.job import Job

FORMAT = 1
DEPLOYED = ("model", "open")


@dataclass(frozen=True)
class Program:
    """A job compiled: its nets by phase and the graphs of its models. Graphs are made when they are asked for."""

    job: Job
    provider: str = "cpu"
    target: str = "portable"
    layer: str | None = None  # in a stage of pretraining, the layer that learns

    @property
    def seed(self) -> int:
        return self.job.seed

    @cached_property
    def train_net(self) -> Net:
        net = resolve(self.job.net(TRAIN), TRAIN, *self.job.state(TRAIN), self.job.base, self.job.learned)
        return net if self.layer is None else pretraining(net, self.layer, self.job.solver_place("layer"), self.job.base)

    @cached_property
    def test_nets(self) -> tuple[Net, ...]:
        """The nets for testing, as many as the solver asks for; the first is the one that is published."""
        numbers = range(len(self.job.tests))
        job, learned = self.job, learned_of(self.job)
        return tuple(resolve(job.net(TEST, k), TEST, *job.state(TEST, k), job.base, learned) for k in numbers)

    @property
    def test_net(self) -> Net:
        return self.test_nets[0]

    @cached_property
    def train(self) -> Lowered:
        """The net in phase TRAIN, shapes static."""
        return lower(self.train_net, seed=self.seed)

    @cached_property
    def steps(self) -> StepGraphs:
        """The training graphs."""
        return step_graphs(self.train, self.job.settings)

    @cached_property
    def tests(self) -> tuple[tuple[Lowered, Dim], ...]:
        """The nets in phase TEST, and the batch of each: "N", or the number that the net pins it to."""
        return tuple(lower_symbolic(net, self.seed) for net in self.test_nets)

    @property
    def test(self) -> tuple[Lowered, Dim]:
        return self.tests[0]

    @cached_property
    def deploy(self) -> tuple[Lowered, Dim]:
        """The net without labels and losses, and its batch."""
        return lower_symbolic(deployed(self.test_net), self.seed)

    @cached_property
    def stages(self) -> tuple["Program", ...]:
        """The programs that train it one after the other: those of solver.pretrain, and itself."""
        pretrain = enumerate(self.job.solver.pretrain)
        return (*(replace(self, job=self.job.pretraining(k), layer=stage.layer) for k, stage in pretrain), self)

    @property
    def trains(self) -> bool:
        """Whether there is a solver."""
        return bool(self.job.solver.ListFields())

    @cached_property
    def states(self) -> dict[str, Node]:
        """Every state of training and testing by name: parameters and statistics in the net's order, then slots.

        A stage of pretraining has the parameters of the whole net, too.
        """
        graphs = [self.steps.train if self.trains else self.train.graph, *(lowered.graph for lowered, _ in self.tests)]
        graphs += [] if self.layer is None else [replace(self, layer=None).train.graph]
        return {n.attrs["name"]: n for graph in graphs for n in graph.leaves("State")}

    @cached_property
    def layer_blobs(self) -> dict[str, tuple[Value, ...]]:
        """The learned blobs of each layer of any of its nets, as Caffe's files number them."""
        return {k: v for lowered in (*(t for t, _ in self.tests), self.train) for k, v in lowered.layer_blobs.items()}

    def start(self) -> dict[str, np.ndarray]:
        """The start value of every state: fillers for parameters, zeros for the rest."""
        return {name: np.asarray(node.attrs["start"](), np.float32) for name, node in self.states.items()}

    def model(self, kind: str, functions: bool = True, provider: str | None = None, kernels: Collection[str] = ()) -> onnx.ModelProto:
        """The model `kind`: "train", "gradient", "update", "watch", "test", "test1", ..., with its metadata. The rest as in `emit`."""
        graph = self.graph(kind)
        provider = provider or self.provider
        return emit(graph, provider, functions, self.metadata(kind, graph, provider), kernels)

    @cached_property
    def max_iter(self) -> int | None:
        """How many iterations it trains; None where max_epoch is given and no source ends."""
        sources = [(layer.source, layer.batch_size) for layer in self.train_net.sources if layer.source is not None]
        batch = sources[0][1] or 1 if sources else 1
        rows = next((source.epoch(batch) for source, _ in sources if source.rows is not None), None)
        known = rows is not None or self.job.solver.HasField("max_iter")
        return schedules.max_iterations(self.job, rows, batch) if known else None

    @property
    def kernels(self) -> Path | None:
        """The library that its sessions need."""
        return native.library() if self.target == "native" else None

    @property
    def portable(self) -> "Program":
        """The same program for the target that runs everywhere."""
        return replace(self, provider="cpu", target="portable")

    def graph(self, kind: str) -> Graph:
        """The graph of model `kind`, laid out for the target and simplified."""
        return self.laid_out(self.plain_graph(kind))

    def laid_out(self, graph: Graph) -> Graph:
        """`graph` as the target runs it, simplified."""
        graph = simplify(graph)
        return simplify(channels_last(graph)) if self.target == "native" else graph

    def plain_graph(self, kind: str) -> Graph:
        """The graph of model `kind` as the layers, their gradients and the optimizer made it."""
        if kind == "watch":
            return watch_graph(self.train, self.steps)
        if kind == "forward":
            return self.train.graph
        return self.tests[int(kind[4:] or 0)][0].graph if kind.startswith("test") else getattr(self.steps, kind)

    def deploy_model(self, states: Mapping[str, np.ndarray] | None, any_size: bool = False) -> onnx.ModelProto:
        """model.onnx: the deployed net with `states` inside, its inputs and outputs under the blobs' own names.

        Without states it is open.onnx, which takes them as inputs. `any_size` makes height and width of the inputs symbolic, "H" and "W",
        where every layer allows it.
        """
        graph, said = self.deploy_graph(states, any_size)
        return emit(graph, metadata=said)

    def deploy_graph(self, states: Mapping[str, np.ndarray] | None, any_size: bool = False) -> tuple[Graph, dict[str, Any]]:
        """The graph of model.onnx, of open.onnx without states, and its metadata."""
        graph = simplify(self.deploy[0].graph if states is None else freeze(self.deploy[0].graph, states))
        if any_size:
            poolings = {x.name: x.param.pooling_param for x in self.test_net.layers if x.type == "Pooling"}
            graph = resizable(graph, poolings) or graph
        outputs = {name.removeprefix(OUT): value for name, value in graph.outputs.items()}
        graph = _plain_inputs(replace(graph, outputs=outputs))
        inputs = [tensor_facts(n.outputs[0]) for n in graph.leaves("Input")]
        said = self.metadata("open" if states is None else "model", graph, "cpu") | {"batch": inputs, "classes": list(self.classes)}
        said |= {"vocabulary": list(self.vocabulary)} if states is not None else {}
        said["sources"] = [{"type": layer.type, "tops": list(layer.tops)} for layer in deployed(self.test_net).sources]
        said |= next((layer.source.reading | data.resized(layer.param) for layer in self.test_net.sources if layer.source), {})
        return graph, said

    @property
    def pinned(self) -> list[Diagnostic]:
        """What batches and sequences the deployed net takes, and why, where it does not take any."""
        lowered, batch = self.deploy
        takes = "sequences of the training's length alone" if batch == SYMBOLIC else f"batches of {batch} rows alone"
        return [Diagnostic(diagnostic.place, f"takes {takes}: {pin_text(diagnostic)}") for diagnostic in lowered.pinned]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, where the data set knows them."""
        return next((layer.source.classes for layer in self.test_net.sources if layer.source and layer.source.classes), ())

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """The words behind the numbers that a source gives, from its training rows."""
        found = (data.vocabulary(layer.param, self.job.base) for layer in self.test_net.sources)
        return next((v.words for v in found if v is not None), ())

    def metadata(self, kind: str, graph: Graph, provider: str) -> dict[str, Any]:
        """What stands in `metadata_props["netc"]`."""
        inputs = graph.leaves("Input")
        noise = [noise_facts(n, self.seed) for n in inputs if n.attrs["name"].startswith(NOISE)]
        return {
            "format": FORMAT,
            "kind": kind,
            "net": self.job.name,
            "net_sha256": self.job.sha256,
            "opset": OPSET,
            "target": "portable" if kind in DEPLOYED else self.target,
            "providers": [provider],
            "seed": self.seed,
            "iter_size": self.job.settings.iter_size,
            "states": state_facts(graph),
            "noise": noise,
            "random": random_facts(noise),
            "batch": [tensor_facts(n.outputs[0]) for n in inputs if n.attrs["name"].startswith(BATCH)],
            "lr": schedules.facts(self.job.settings, self.max_iter) if kind in ("train", "update") else None,
            "reset": reset_facts(self.job.solver),
            "dynamic": dynamic_sizes(graph),
        } | self._batch_facts(kind)

    def _batch_facts(self, kind: str) -> dict[str, Any]:
        """Axis and size of the batch of models for testing and of the deployed one; axis 1 where time comes first. Why it is pinned."""
        if kind not in DEPLOYED and not kind.startswith("test"):
            return {}
        first = next(iter(self.test_net.described.values()), None)
        lowered, size = self.deploy if kind in DEPLOYED else self.tests[int(kind[4:] or 0)]
        facts = {"batch_axis": first.batch_axis if first else 0, "batch_size": size}
        return facts | ({"pinned": [pin_text(diagnostic) for diagnostic in lowered.pinned]} if lowered.pinned else {})

    def multiply_adds(self) -> int:
        """Of one training step; of a forward pass of the training batch where there is no solver."""
        return cost.total(self.steps.train if self.trains else self.train.graph)


def program(job: Job, provider: str = "cpu", needs_solver: bool = True, target: str | None = None) -> Program:
    """The program of a job, everything of it checked. SpecError lists what is wrong with nets and solver together."""
    made = Program(job, provider, target or ("cuda" if provider == "cuda" else "portable"))
    errors: list[Diagnostic] = []
    registry.load()
    if job.errors:
        raise SpecError(*all_errors(job))

    def need(stage: Program, part: str) -> None:
        try:
            getattr(stage, part)
        except SpecError as e:
            errors[:] = dict.fromkeys((*errors, *e.diagnostics))

    for part in ("train_net", "test_nets", "train", "tests"):
        if not errors:
            need(made, part)
    if errors or any(source_errors(net, bool(job.solver.test_iter)) for net in (made.train_net, *made.test_nets)):
        errors = net_errors(job)
    for test in () if errors else made.tests:
        errors += width_errors(made.train, test[0])
    if made.trains or needs_solver:
        for stage in made.stages:
            errors += solver_errors(stage.job)
            need(stage, "train_net")
        for stage in made.stages if not errors else ():
            need(stage, "steps")
    if errors:
        raise SpecError(*errors)
    return made


def _plain_inputs(graph: Graph) -> Graph:
    """`graph` with the input `batch/data` called `data`."""

    def rule(node: Node) -> tuple[Value, ...] | None:
        if node.key != ("netc", "Input"):
            return None
        return (leaf("Input", node.types[0].dtype, node.types[0].shape, name=node.attrs["name"].removeprefix(BATCH)),)

    return rewrite(graph, rule)
