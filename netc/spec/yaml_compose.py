"""A YAML text to PyYAML's nodes, which know their places; texts that would unfold to far more than they say are refused.

libyaml composes, where PyYAML has it; what it refuses, and the few texts that it reads otherwise, PyYAML's own parser decides, so
that a file means the same, and its errors read the same, with libyaml and without.
"""

import re
from collections.abc import Sequence
from itertools import islice
from typing import Any

import yaml
from yaml.events import CollectionEndEvent, CollectionStartEvent
from yaml.nodes import MappingNode, Node, ScalarNode

from netc.errors import MAX_ERRORS, Diagnostic, Place, SpecError
from netc.spec.document import Position

FREE_REPEATS = 20_000  # nodes that aliases may add to a small file ...
REPEATS = 0.5  # ... and for each character of a large one
OTHERWISE = "\t?\ufeff"  # characters that libyaml takes in places where PyYAML does not
DEEPEST = 200  # mappings and lists within each other
PROTOBUF = re.compile(r"^[ \t]*layers?[ \t]*\{", re.MULTILINE)
MERGE = "tag:yaml.org,2002:merge"


def compose(text: str, path: str) -> Node | None:
    """The root node of a text; None if it is empty. SpecError where it is no YAML, or its aliases unfold to too much.

    RecursionError where it is too deep.
    """
    try:
        root = _root(text)
    except yaml.MarkedYAMLError as e:
        raise SpecError(*(_tabs(text, path) or [_no_yaml(text, path, e)])) from e
    except yaml.reader.ReaderError as e:
        line = text.count("\n", 0, e.position) + 1
        column = e.position - text.rfind("\n", 0, e.position)
        message = f"YAML does not allow the character #x{ord(text[e.position]):04x} here."
        raise SpecError(Diagnostic(Place(path, line, column), message)) from e
    if root is not None and "*" in text:
        _bound_aliases(root, path, int(FREE_REPEATS + REPEATS * len(text)))
    return root


def _root(text: str) -> Node | None:
    """The root by libyaml, or by PyYAML's own parser."""
    fast = getattr(yaml, "CSafeLoader", None)
    if fast is not None and not any(character in text for character in OTHERWISE):
        try:
            _bound_depth(text, fast)
            return yaml.compose(text, fast)
        except (yaml.YAMLError, UnicodeEncodeError):
            pass  # PyYAML's own words for what is wrong
    _bound_depth(text, yaml.SafeLoader)
    return yaml.compose(text, yaml.SafeLoader)


def _bound_depth(text: str, loader: Any) -> None:
    """RecursionError where a text is deeper than DEEPEST. Events come without recursion, which in libyaml's composer ends the process."""
    depth = 0
    for event in yaml.parse(text, loader):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > DEEPEST:
            raise RecursionError


def _tabs(text: str, path: str) -> list[Diagnostic]:
    """An error for each of the first lines that a tab indents."""
    found = ((n, line.index("\t") + 1) for n, line in enumerate(text.splitlines(), 1) if line.lstrip(" ").startswith("\t"))
    return [
        Diagnostic(Place(path, *tab), "This line is indented with a tab. YAML allows only spaces.") for tab in islice(found, MAX_ERRORS)
    ]


def _no_yaml(text: str, path: str, error: yaml.MarkedYAMLError) -> Diagnostic:
    """What is wrong with a text that YAML's own rules do not allow."""
    if PROTOBUF.search(text):
        return Diagnostic(Place(path, 1, 1), "This is protobuf text. Give the file the suffix .prototxt.")
    mark, start = error.problem_mark or error.context_mark, error.context_mark
    bracket = text[start.index : start.index + 1] if start else ""
    if start and bracket in ("{", "["):
        noticed = f"This shows on line {(mark or start).line + 1}."
        return Diagnostic(
            Place(path, start.line + 1, start.column + 1), f"This {bracket!r} is not closed, or a comma is missing. {noticed}"
        )
    at = Place(path, mark.line + 1, mark.column + 1) if mark else Place(path)
    return Diagnostic(at, f"This is not YAML: {' '.join(filter(None, (error.context, error.problem)))}.")


def _bound_aliases(root: Node, path: str, most: int) -> None:
    """SpecError where an alias holds itself, or where aliases and merges would add more than `most` nodes to those that are written."""
    sizes: dict[int, int] = {}  # of each node with all that it holds, aliases unfolded
    open_nodes: set[int] = set()
    stack: list[tuple[Node, bool]] = [(root, False)]
    written = 0
    while stack:
        node, done = stack.pop()
        if done:
            open_nodes.remove(id(node))
            written += 1
            sizes[id(node)] = size = 1 + sum(sizes[id(part)] for part in _parts(node))
            if size - written > most:
                text = f"Its aliases expand to {size} lists, mappings and values, far more than the file contains."
                raise SpecError(Diagnostic(Place(path, *_at(node)), text))
        elif id(node) in open_nodes:
            raise SpecError(Diagnostic(Place(path, *_at(node)), "This alias is inside the value that it refers to."))
        elif id(node) not in sizes:
            open_nodes.add(id(node))
            stack.append((node, True))
            stack += [(part, False) for part in _parts(node)]


def _parts(node: Node) -> Sequence[Node]:
    """The nodes that a node holds."""
    if isinstance(node, ScalarNode):
        return ()
    return [part for pair in node.value for part in pair] if isinstance(node, MappingNode) else node.value


def _at(node: Node) -> Position:
    return node.start_mark.line + 1, node.start_mark.column + 1
