"""The step contract: the models of a net, their metadata and their start values. Any language can train the net with them.

| model        | inputs                                            | outputs                                         |
|--------------|---------------------------------------------------|-------------------------------------------------|
| train.onnx   | batch/<blob>, noise/<name>, lr, state/<name>      | loss, out/<blob>, next/<name> of each state     |
| gradient.onnx| the same without lr, and grad/<name>, the sum     | loss, out/<blob>, next/grad/<name>, next/ of statistics and carries |
| update.onnx  | grad/<name>, lr, state/ of parameters, slots and averages | next/ of the same                        |
| test.onnx    | batch/<blob>, state/ of what it reads             | loss, out/<blob>, next/ of carries; sum/ and rows/ of `layers.whole` |
| model.onnx   | the net's inputs, batch N, state/ of carries      | its outputs, next/ of carries; weights and preprocessing inside |
| open.onnx    | the same, and state/ of parameters and statistics | the same                                        |
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import onnx

from netc import data, schedules
from netc import netc_pb2 as pb
from netc.compiler.compilation import Compilation
from netc.compiler.lower import SYMBOLIC, Lowered
from netc.compiler.metadata import (
    average_facts,
    channel_facts,
    dynamic_sizes,
    meanings,
    noise_facts,
    pin_text,
    plain_inputs,
    random_facts,
    reset_facts,
    state_facts,
    tensor_facts,
)  # fmt: skip
from netc.compiler.raw_columns import named_outputs, table_facts
from netc.compiler.step import StepGraphs, watch_graph
from netc.errors import Diagnostic
from netc.graph.contract import BATCH, OUT
from netc.graph.emit import emit
from netc.graph.ir import Graph, Node, Value
from netc.graph.leaves import NoiseInfo
from netc.graph.passes import freeze, resizable, simplify
from netc.graph.tensor_type import OPSET, Dim
from netc.net.model import ResolvedNet
from netc.runtime.backend import Backend
from netc.runtime.backends import PORTABLE
from netc.spec.job import Job

FORMAT = 1
DEPLOYED = ("model", "open")
NO_FACTS: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Program:
    """A job compiled for one backend. The graph of each model is made when it is first used."""

    compilation: Compilation
    backend: Backend = PORTABLE

    @property
    def job(self) -> Job:
        """The job. In a stage of pretraining, it has the stage's solver."""
        return self.compilation.job

    @property
    def layer(self) -> str | None:
        """The layer that learns in a stage of pretraining; else None."""
        return self.compilation.layer

    @property
    def seed(self) -> int:
        """The seed of all random numbers."""
        return self.compilation.seed

    @property
    def train_net(self) -> ResolvedNet:
        """The net for training."""
        return self.compilation.train_net

    @property
    def test_nets(self) -> tuple[ResolvedNet, ...]:
        """The nets for testing. The first one is published."""
        return self.compilation.test_nets

    @property
    def test_net(self) -> ResolvedNet:
        """The first net for testing."""
        return self.test_nets[0]

    @property
    def train(self) -> Lowered:
        """The net in phase TRAIN, with static shapes."""
        return self.compilation.train

    @property
    def steps(self) -> StepGraphs:
        """The training graphs."""
        return self.compilation.steps

    @property
    def tested(self) -> bool:
        """Whether training tests the net: not if the solver has no test net, or the net no test data."""
        return self.compilation.nets.tested

    @property
    def tests(self) -> tuple[tuple[Lowered, Dim], ...]:
        """The nets in phase TEST, each with its batch size: "N", or a number if the net fixes it."""
        return self.compilation.tests

    @property
    def test(self) -> tuple[Lowered, Dim]:
        """The first net for testing, and its batch size."""
        return self.tests[0]

    @property
    def deploy(self) -> tuple[Lowered, Dim]:
        """The net without labels and losses, and its batch size."""
        return self.compilation.nets.deploy

    @cached_property
    def stages(self) -> tuple["Program", ...]:
        """The programs to train one after the other: those of solver.pretrain, then this one."""
        return (*(replace(self, compilation=stage) for stage in self.compilation.stages[:-1]), self)

    @property
    def trains(self) -> bool:
        """Whether the job has a solver."""
        return self.compilation.trains

    @property
    def states(self) -> dict[str, Node]:
        """Every state of training and testing by name: parameters and statistics in the net's order, then slots."""
        return self.compilation.states

    @property
    def layer_blobs(self) -> dict[str, tuple[Value, ...]]:
        """The learned blobs of each layer of all its nets, numbered as in Caffe's files."""
        return self.compilation.layer_blobs

    def start(self) -> dict[str, np.ndarray]:
        """The start value of every state."""
        return self.compilation.start()

    @property
    def max_iter(self) -> int | None:
        """The number of training iterations; None if max_epoch is set and no source ends."""
        return self.compilation.max_iter

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, if the data set has them."""
        return self.compilation.classes

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The words that a source encodes as numbers."""
        return self.compilation.vocabulary

    def multiply_adds(self) -> int:
        """The multiply-adds of one training step; without a solver, of a forward pass of the training batch."""
        return self.compilation.multiply_adds()

    def model(self, kind: str, functions: bool = True, kernels: Collection[str] = ()) -> onnx.ModelProto:
        """Return model `kind` ("train", "gradient", "update", "watch", "test", "test1", ...) with its metadata.

        The other arguments are those of `emit`.
        """
        graph = self.graph(kind)
        return emit(graph, self.backend.bodies, functions, self.metadata(kind, graph, self.backend), kernels)

    @property
    def portable(self) -> "Program":
        """The same program for the backend that runs everywhere."""
        return replace(self, backend=PORTABLE)

    def graph(self, kind: str) -> Graph:
        """Return the graph of model `kind`, with the backend's layout and simplified."""
        return self.laid_out(self.plain_graph(kind))

    def laid_out(self, graph: Graph) -> Graph:
        """Return `graph` with the backend's layout and simplified."""
        graph = simplify(graph)
        for change in self.backend.passes:
            graph = simplify(change(graph))
        return graph

    def plain_graph(self, kind: str) -> Graph:
        """Return the graph of model `kind` as the layers, their gradients and the optimizer made it."""
        if kind == "watch":
            return watch_graph(self.train, self.steps)
        if kind == "forward":
            return self.train.graph
        return self.tests[int(kind[4:] or 0)][0].graph if kind.startswith("test") else getattr(self.steps, kind)

    def deploy_model(
        self, states: Mapping[str, np.ndarray] | None, any_size: bool = False, facts: Mapping[str, Any] = NO_FACTS,
    ) -> onnx.ModelProto:  # fmt: skip
        """Return model.onnx: the deployed net with `states` as constants. Its inputs and outputs have the names of the blobs.

        Without states, it is open.onnx, which takes them as inputs. `any_size` makes the height and width of the inputs symbolic, "H" and
        "W", if every layer allows it. `facts` are added to the metadata.
        """
        graph, said = self.deploy_graph(states, any_size)
        return emit(graph, PORTABLE.bodies, metadata={**said, **facts})

    def deploy_graph(
        self, states: Mapping[str, np.ndarray] | None, any_size: bool = False, change: Callable[[Graph], Graph] | None = None
    ) -> tuple[Graph, dict[str, Any]]:
        """Return the graph of model.onnx, or of open.onnx if there are no states, and its metadata.

        `change` is a pass over the graph with its constants.
        """
        graph = simplify(self.deploy[0].graph if states is None else freeze(self.deploy[0].graph, states))
        graph = change(graph) if change else graph
        if any_size:
            whole = pb.PoolingParameter(global_pooling=True)
            poolings = {x.name: whole if x.type == "GlobalPooling" else x.param.pooling_param for x in self.test_net.layers
                        if x.type in ("Pooling", "GlobalPooling")}  # fmt: skip
            graph = resizable(graph, poolings) or graph
        outputs = {OUT.bare(name): value for name, value in graph.outputs.items()}
        outputs = named_outputs(self.test_net, outputs, self.classes)
        graph = plain_inputs(replace(graph, outputs=outputs))
        inputs = [tensor_facts(n.outputs[0]) for n in graph.leaves("Input")]
        said = self.metadata("open" if states is None else "model", graph, PORTABLE) | {"batch": inputs, "classes": list(self.classes)}
        said |= {"vocabulary": list(self.vocabulary)} if states is not None else {}
        said["sources"] = [{"type": layer.type, "tops": list(layer.tops)} for layer in self.compilation.nets.deployed.sources]
        said |= next(
            (
                layer.source.reading | data.resized(layer.param) | channel_facts(layer.source)
                for layer in self.test_net.sources
                if layer.source
            ),
            {},
        )
        said |= table_facts(self.test_net) | meanings(self.compilation.nets.deployed, outputs)
        return graph, said

    @property
    def pinned(self) -> list[Diagnostic]:
        """Why the deployed net accepts only certain sizes of batches or sequences; empty if it accepts any."""
        if self.compilation.nets.missing_means:
            return []
        lowered, batch = self.deploy
        takes = "sequences of the training's length alone" if batch == SYMBOLIC else f"batches of {batch} rows alone"
        return [Diagnostic(diagnostic.place, f"takes {takes}: {pin_text(diagnostic)}") for diagnostic in lowered.pinned]

    def metadata(self, kind: str, graph: Graph, backend: Backend) -> dict[str, Any]:
        """The contents of `metadata_props["netc"]`."""
        inputs = graph.leaves("Input")
        noise = [noise_facts(n, n.info, self.seed) for n in inputs if isinstance(n.info, NoiseInfo)]
        return {
            "format": FORMAT,
            "kind": kind,
            "net": self.job.name,
            "net_sha256": self.job.sha256,
            "opset": OPSET,
            "target": backend.target,
            "providers": [backend.provider],
            "seed": self.seed,
            "iter_size": self.job.settings.iter_size,
            "states": state_facts(graph),
            "noise": noise,
            "random": random_facts(noise),
            "batch": [tensor_facts(n.outputs[0]) for n in inputs if n.name in BATCH],
            "lr": self._rate_facts() if kind in ("train", "update") else None,
            "reset": reset_facts(self.job.solver),
            "average": average_facts(self.job.settings.ema) if kind in ("train", "update") else None,
            "dynamic": dynamic_sizes(graph),
        } | self._batch_facts(kind)

    def _rate_facts(self) -> dict[str, Any]:
        settings = self.job.settings
        return schedules.facts(settings, self.max_iter) | schedules.test_facts(settings, *self.test_net.monitored(settings.monitor))

    def _batch_facts(self, kind: str) -> dict[str, Any]:
        """For test models and the deployed one: the axis of the batch (1 if time comes first), its size, and why it is fixed."""
        if kind not in DEPLOYED and not kind.startswith("test"):
            return {}
        first = next(iter(self.test_net.described.values()), None)
        lowered, size = self.deploy if kind in DEPLOYED else self.tests[int(kind[4:] or 0)]
        facts = {"batch_axis": first.batch_axis if first else 0, "batch_size": size}
        return facts | ({"pinned": [pin_text(diagnostic) for diagnostic in lowered.pinned]} if lowered.pinned else {})


def program(job: Job, backend: Backend = PORTABLE, needs_solver: bool = True, needs_length: bool | None = None) -> Program:
    """Return the program of a job after all checks. SpecError lists the errors of the nets and the solver together."""
    return checked(Compilation.of(job), backend, needs_solver, needs_length)


def checked(made: Compilation, backend: Backend = PORTABLE, needs_solver: bool = True, needs_length: bool | None = None) -> Program:
    """Return the program of a compilation after all checks, see `Compilation.check`."""
    made.check(needs_solver, needs_length)
    return Program(made, backend)
