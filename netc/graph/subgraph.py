"""The graph inside an op that runs it repeatedly."""

from dataclasses import dataclass

from netc.graph.ir import Value


@dataclass(frozen=True, eq=False)
class Subgraph:
    """A graph that an op such as Scan runs repeatedly. It is an attribute of the op's node.

    `inputs` are leaves that the op feeds. `captured` are leaves for values from outside, which are the last inputs of the node. In the IR
    they are inputs like any other; in ONNX the subgraph reads them by their names.
    """

    inputs: tuple[Value, ...]
    captured: tuple[Value, ...]
    outputs: tuple[Value, ...]
