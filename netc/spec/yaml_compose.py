"""Compose a YAML text into PyYAML nodes with positions. Texts whose aliases expand too far are refused.

If PyYAML has libyaml, libyaml parses the text. PyYAML's own parser handles texts that libyaml refuses or might read differently. So a
file has the same meaning and the same errors with and without libyaml.
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
REPEATS = 0.5  # ... and per character of a large one
OTHERWISE = "\t?\ufeff"  # characters that libyaml accepts in positions where PyYAML does not
DEEPEST = 200  # nested mappings and lists
PROTOBUF = re.compile(r"^[ \t]*layers?[ \t]*\{", re.MULTILINE)
MERGE = "tag:yaml.org,2002:merge"


def compose(text: str, path: str) -> Node | None:
    """The root node of a text; None if it is empty. SpecError if it is not YAML, or its aliases expand too far.

    RecursionError if it is nested too deeply.
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
    """The root node from libyaml, or from PyYAML's own parser."""
    fast = getattr(yaml, "CSafeLoader", None)
    if fast is not None and not any(character in text for character in OTHERWISE):
        try:
            _bound_depth(text, fast)
            return yaml.compose(text, fast)
        except (yaml.YAMLError, UnicodeEncodeError):
            pass  # PyYAML's parser below gives the error
    _bound_depth(text, yaml.SafeLoader)
    return yaml.compose(text, yaml.SafeLoader)


def _bound_depth(text: str, loader: Any) -> None:
    """RecursionError if a text is deeper than DEEPEST.

    Parsing events does not recurse, but libyaml's composer does, and a deep text would end the process.
    """
    depth = 0
    for event in yaml.parse(text, loader):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > DEEPEST:
            raise RecursionError


def _tabs(text: str, path: str) -> list[Diagnostic]:
    """An error for each of the first lines that are indented with a tab."""
    found = ((n, line.index("\t") + 1) for n, line in enumerate(text.splitlines(), 1) if line.lstrip(" ").startswith("\t"))
    return [
        Diagnostic(Place(path, *tab), "This line is indented with a tab. YAML allows only spaces.") for tab in islice(found, MAX_ERRORS)
    ]


def _no_yaml(text: str, path: str, error: yaml.MarkedYAMLError) -> Diagnostic:
    """The error for a text that is not valid YAML."""
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
    """SpecError if an alias contains itself, or if aliases and merges would add more than `most` nodes."""
    sizes: dict[int, int] = {}  # number of nodes in each node, with aliases expanded
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
    """The child nodes of a node."""
    if isinstance(node, ScalarNode):
        return ()
    return [part for pair in node.value for part in pair] if isinstance(node, MappingNode) else node.value


def _at(node: Node) -> Position:
    return node.start_mark.line + 1, node.start_mark.column + 1
