"""TensorBoard event files of a run: scalars from the log, the graph, and histograms and first-layer filters at each test."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from netc.graph.contract import WATCH
from netc.graph.ir import Graph, Node
from netc.layers.context import dims
from netc.report import images
from netc.report.event_file import EventFile
from netc.report.filters import first_filters
from netc.training.events import Event, Finished, Stepped, Tested
from netc.training.trainer import Trainer

BINS = 60
MOST_VALUES = 100_000  # values of a parameter in a histogram, chosen at even steps


class Board:
    """Writes one stage of a run for TensorBoard. Scalars are read from the log, so a run that was killed and resumed shows the same.

    Step numbers continue through the stages. When a run is resumed, `purge_step` makes TensorBoard drop all later events.
    """

    def __init__(self, trainer: Trainer):
        self.trainer, self.display = trainer, trainer.settings.display
        start = trainer.before + trainer.iteration
        goes_on = trainer.iteration > 0
        own = f".{os.getpid()}.{trainer.stage}.{start}"  # two files of the same second would otherwise share a name
        self.file = EventFile(trainer.folder.path, own, start if goes_on else None)
        self.read = 0  # bytes of the log that were written to TensorBoard
        if not goes_on and not trainer.stage:
            self.file.add_graph(graph_def(trainer.program.steps.train))
        self._skip_written(goes_on)

    def __call__(self, event: Event) -> None:
        """Write an event."""
        if isinstance(event, Stepped) and event.iteration % self.display:
            return
        if isinstance(event, Stepped | Tested):
            self._follow_log()
        if isinstance(event, Tested):
            self._states(self.trainer.before + event.iteration)
        if isinstance(event, Finished):
            self._follow_log()

    def close(self) -> None:
        """Flush and close the file."""
        self.file.close()

    def _skip_written(self, goes_on: bool) -> None:
        """Skip the lines of the log that earlier event files contain and that were not purged."""
        for line, end in self._new_lines():
            own = line.get("layer") == self.trainer.program.layer
            if goes_on and own and line["iteration"] >= self.trainer.iteration:
                return
            self.read = end

    def _follow_log(self) -> None:
        for line, end in self._new_lines():
            self._line(line)
            self.read = end

    def _new_lines(self) -> Iterator[tuple[dict[str, Any], int]]:
        """Yield the log lines that were not written yet, each with the position of its end."""
        yield from self.trainer.folder.lines_from(self.read)

    def _line(self, line: Mapping[str, Any]) -> None:
        step, event = self.trainer.before + line["iteration"], line["event"]
        prefix = f"pretrain/{line['layer']}/" if event.startswith("pre") else ""
        if event.endswith("watch"):
            for layer, values in line["layers"].items():
                for what, value in values.items():
                    self._scalar(f"{prefix}{WATCH.text}{what}/{layer}", value, step)
            return
        group = prefix or f"{event}/"
        for name, value in line.items():
            if isinstance(value, list):
                for k, one in enumerate(value):
                    self._scalar(f"{group}{name}/{k}", one, step)
            elif name not in ("event", "iteration", "layer"):
                self._scalar("learning_rate" if name == "lr" and not prefix else group + name, value, step)

    def _scalar(self, name: str, value: float | None, step: int) -> None:
        from tensorboardX.summary import scalar

        if value is not None:
            self.file.add(scalar(name, value), step)

    def _states(self, step: int) -> None:
        from tensorboardX.summary import image

        states = self.trainer.step.arrays()
        for name, node in self.trainer.program.states.items():
            if node.state.kind == "parameter":
                self._histogram(name.replace(".", "/"), states[name], step)
        if filters := first_filters(self.trainer.program, states):
            weights = filters[1][:100, 0]
            pixels = images.grid(images.signed(weights))
            self.file.add(image(f"filters/{filters[0]}", pixels, dataformats="HWC"), step)

    def _histogram(self, name: str, array: np.ndarray, step: int) -> None:
        values = array.reshape(-1)[:: max(1, array.size // MOST_VALUES)].astype(np.float64)
        if not values.size or not np.isfinite(values).all():
            return
        counts, edges = np.histogram(values, BINS)
        from tensorboardX.summary import histogram_raw

        made = histogram_raw(
            name, min=values.min(), max=values.max(), num=values.size, sum=values.sum(), sum_squares=np.square(values).sum(),
            bucket_limits=edges[1:].tolist(), bucket_counts=counts.tolist(),
        )  # fmt: skip
        self.file.add(made, step)


def graph_def(graph: Graph) -> Any:
    """A graph in TensorFlow's format. Nodes are named layer/part/op, so that TensorBoard can open and close layers."""
    from tensorboardX.proto.attr_value_pb2 import AttrValue
    from tensorboardX.proto.graph_pb2 import GraphDef
    from tensorboardX.proto.node_def_pb2 import NodeDef
    from tensorboardX.proto.versions_pb2 import VersionDef

    names: dict[Node, str] = {}
    taken: set[str] = set()
    made = GraphDef(versions=VersionDef(producer=22))
    for node in graph.nodes:
        names[node] = _free(_node_name(node), taken)
        shapes = " ".join(f"{t.dtype.name} {dims(t.shape)}" for t in node.types)
        inputs = [names[v.node] + (f":{v.index}" if v.index else "") for v in node.operands]
        made.node.append(NodeDef(name=names[node], op=node.op, input=inputs, attr={"shape": AttrValue(s=shapes.encode())}))
    return made


def _node_name(node: Node) -> str:
    if node.key in (("netc", "Input"), ("netc", "State")):
        name = node.name.replace(".", "/")
        return name if node.op == "State" else f"inputs/{name}"
    layer = node.origin.layer or "net"
    return f"{layer}/{node.op}" if node.origin.part == "forward" else f"{layer}/{node.origin.part}/{node.op}"


def _free(name: str, taken: set[str]) -> str:
    """A valid TensorFlow name for `name`, with a number at the end if it is taken."""
    plain = "".join(c if c.isalnum() and c.isascii() or c in "_./-" else "_" for c in name)
    plain = plain if plain[0].isalnum() else f"n{plain}"
    unique, count = plain, 1
    while unique in taken:
        unique, count = f"{plain}_{count}", count + 1
    taken.add(unique)
    return unique
