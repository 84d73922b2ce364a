"""`$name` in the texts of a block: which names a text contains, and what it becomes with values for them."""

import re
from collections.abc import Callable, Iterator

from yaml.nodes import MappingNode, Node, ScalarNode

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAME = NAME.pattern
_PART = re.compile(rf"\$(?:(\$)|\{{({_NAME})\}}|({_NAME})|)")
_WHOLE = re.compile(rf"\$(?:({_NAME})|\{{({_NAME})\}})")
_FACTOR = rf"(?:\$(?:{_NAME}|\{{{_NAME}\}})|[0-9]{{1,9}})"
_PRODUCT = re.compile(rf"({_FACTOR}) ?(\*|//) ?({_FACTOR})")
DIGITS = re.compile(r"[0-9]{1,18}")
NO_NAME = "A `$` needs a name after it, as in `$n`. Write `$$` for the character `$`."


def whole(text: str) -> str:
    """The name in a text that is `$name` and nothing else; "" for other texts."""
    found = _WHOLE.fullmatch(text)
    return (found[1] or found[2]) if found else ""


def product(text: str) -> tuple[str, str, str] | None:
    """The parts of `$a*$b`, `$a*2` or `$a//2`; None for other texts."""
    found = _PRODUCT.fullmatch(text) if "$" in text else None
    return (found[1], found[2], found[3]) if found else None


def filled(text: str, value: Callable[[str], str]) -> str:
    """The text with the value of each name in it. ValueError for a `$` without a name."""

    def replaced(found: re.Match[str]) -> str:
        if found[1]:
            return "$"
        if not (name := found[2] or found[3]):
            raise ValueError(NO_NAME)
        return value(name)

    return _PART.sub(replaced, text)


def names_in(node: Node) -> Iterator[str]:
    """The names that the texts of a node refer to, in their order."""
    if isinstance(node, ScalarNode):
        yield from (name for _, braced, plain in _PART.findall(node.value) if (name := braced or plain))
    elif isinstance(node, MappingNode):
        for _, value in node.value:
            yield from names_in(value)
    else:
        for item in node.value:
            yield from names_in(item)
