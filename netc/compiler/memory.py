"""An estimate of the memory of a training run: weights, optimizer states, batches and data by size, activations by their lifetimes.

The tensors of a step are those of the graph that runs. The bodies of training ops replace the ops that have no kernel. A tensor lives from
the node that makes it to the last node that reads it. If that last node is elementwise, its output reuses the tensor's memory, as in
onnxruntime's memory plan.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

from netc.compiler.program import Program
from netc.graph.ir import TRAINING, Node, toposort
from netc.graph.op_info import info
from netc.graph.tensor_type import Type
from netc.graph.training_ops import trace

RUNTIME = 22 * 2**20  # of a net with one small layer: sessions, compiled models, the training loop (measured on Linux)
ARENA = 2.5  # onnxruntime keeps the memory of a session's first run in addition to its planned block (measured: 2.1 to 3.5)


@dataclass(frozen=True)
class Memory:
    """Bytes by purpose. `weights` and `optimizer` count twice, since a step reads one set and writes the other.

    `data` is the size of a data set that is kept in memory; None if it is not known.
    """

    weights: int
    optimizer: int
    activations: int
    testing: int
    batches: int
    data: int | None = None

    @property
    def peak(self) -> int:
        """The peak of a training run with tests and snapshots. A snapshot copies the states and then serializes them."""
        steps = round(ARENA * (self.activations + self.testing))
        return RUNTIME + 2 * (self.weights + self.optimizer) + self.batches + steps + (self.data or 0)


@dataclass(frozen=True)
class Step:
    """An op of a run: the tensors that it reads, and the tensors that it writes with their sizes in bytes.

    `view`: the output shares the memory of the first input. `in_place`: the output can reuse the memory of an input that no later op reads.
    """

    reads: tuple[object, ...]
    makes: Mapping[object, int]
    view: bool = False
    in_place: bool = False


def memory(program: Program, data: int | None = None) -> Memory:
    """Return the memory that a program's training and testing need. `data` is the size of the data that stays in memory."""
    kind = "train" if program.job.settings.iter_size == 1 else "gradient"
    slots = sum(_of(n.types[0]) for n in program.states.values() if n.state.kind in ("slot", "average"))
    weights = sum(_of(n.types[0]) for n in program.states.values()) - slots
    graph = program.steps.train if program.trains else program.train.graph
    depth = max((layer.param.data_param.prefetch for layer in program.train_net.sources), default=4)
    batch = sum(_of(n.types[0]) for n in graph.leaves("Input"))
    training = _peak(program, kind, {}) if program.trains else 0
    testing = _peak(program, "test", {"N": _test_batch(program)})
    return Memory(2 * weights, 2 * slots, training, testing, batch * (depth + 1), data)


def _test_batch(program: Program) -> int:
    """The number of rows in a test batch; if no source has a batch size, that of the first Input."""
    sizes = [layer.batch_size for layer in program.test_net.sources if layer.batch_size]
    shapes = [s.dim[0] for layer in program.test_net.layers for s in layer.param.input_param.shape if s.dim]
    return (sizes or shapes or [1])[0]


def _peak(program: Program, kind: str, sizes: Mapping[str, int]) -> int:
    graph = program.graph(kind)
    steps = _steps(graph.nodes, program.backend.bodies, program.backend.native_ops, sizes)
    return peak(list(steps), graph.outputs.values(), graph.updates.values())


def peak(steps: Sequence[Step], ends: Iterable[object], outside: Iterable[object] = ()) -> int:
    """Return the most bytes that the tensors of a run occupy at once. `ends` live to the end; `outside` use the memory of states."""
    sizes = {key: size for step in steps for key, size in step.makes.items()} | dict.fromkeys(outside, 0)
    viewed = {key: step.reads[0] for step in steps if step.view for key in step.makes}

    def owner(key: object) -> object:
        while key in viewed:
            key = viewed[key]
        return key

    last = {owner(key): k for k, step in enumerate(steps) for key in (*step.makes, *step.reads)}
    last |= dict.fromkeys(map(owner, ends), len(steps))
    alive, most = 0, 0
    for k, step in enumerate(steps):
        dying = [sizes.get(key, 0) for key in {owner(key) for key in (*step.reads, *step.makes)} if last[key] == k]
        made = [sizes[key] for key in step.makes if key not in viewed]
        in_place = step.in_place and len(made) == 1 and made[0] in dying
        alive += sum(made)
        most = max(most, alive - (made[0] if in_place else 0))
        alive -= sum(dying)
    return most


def _steps(nodes: Iterable[Node], bodies: str, kernels: Collection[str], sizes: Mapping[str, int]) -> Iterator[Step]:
    """Yield the steps of nodes. A training op without a kernel becomes the steps of its body, with separate values for each call."""
    for node in nodes:
        if node.domain == TRAINING and node.op not in kernels:
            body = trace(node, bodies)
            key: dict[object, object] = {v: outer for v, outer in zip(body.inputs, node.inputs, strict=True) if v is not None}
            key |= dict(zip(body.outputs, node.outputs, strict=True))
            for step in _steps(toposort(body.outputs), bodies, kernels, sizes):
                makes = {key.get(v, (node, v)): size for v, size in step.makes.items()}
                yield replace(step, reads=tuple(key.get(v, (node, v)) for v in step.reads), makes=makes)
        elif node.domain != "netc" or node.op == "Stop":
            known, makes = info(node), {v: _of(v.type, sizes) for v in node.outputs}
            yield Step(node.operands, makes, known.view, known.elementwise and not node.domain)  # own kernels allocate it


def _of(type_: Type, sizes: Mapping[str, int] = {}) -> int:  # noqa: B006
    """The bytes of a tensor. A symbolic dimension counts as one unless `sizes` has it."""
    return prod(d if isinstance(d, int) else sizes.get(d, 1) for d in type_.shape) * type_.dtype.itemsize
