"""The graph inside an op that runs it again and again."""

from dataclasses import dataclass

from netc.graph.ir import Value


@dataclass(frozen=True, eq=False)
class Subgraph:
    """What an op such as Scan runs again and again; an attribute of its node.

    `inputs` are leaves that the op feeds. `captured` are leaves for values from outside, which are the last inputs of
    the node: in IR they are inputs like any other, in ONNX the subgraph reads them by their names.
    """

    inputs: tuple[Value, ...]
    captured: tuple[Value, ...]
    outputs: tuple[Value, ...]
