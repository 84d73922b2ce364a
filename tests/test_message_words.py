"""Decisions follow from values: nothing in netc looks for words in the message of an error.

A name is a message's where `except ... as` or a loop over diagnostics binds it, and what is made of its texts is one too.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

NETC = ROOT / "netc"
COLLECTIONS = {"diagnostics", "errors", "warnings"}
TEXTS = {"text", "sentence", "details", "suggestion", "args", "msg", "message", "strerror", "reason"}
QUESTIONS = {"startswith", "endswith", "find", "index", "count", "partition", "rpartition", "removeprefix", "removesuffix", "split"}

# Functions that read the words of another library's error, as it has nothing else; each says why in its docstring.
ALLOWED = {"graph/tensor_type.py:_reason", "spec/prototxt_reader.py:_without_position"}


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def bound(function: ast.FunctionDef) -> set[str]:
    """The names in a function that are errors, diagnostics, or texts made of them."""
    names = {n.name for n in ast.walk(function) if isinstance(n, ast.ExceptHandler) and n.name}
    kinds = ("Error", "Exception", "Diagnostic")
    names |= {a.arg for a in function.args.args if a.annotation and ast.unparse(a.annotation).endswith(kinds)}
    for node in ast.walk(function):
        match node:
            case ast.For(target=ast.Name(id=name), iter=ast.Attribute(attr=attr)) if attr in COLLECTIONS:
                names.add(name)
            case ast.comprehension(target=ast.Name(id=name), iter=ast.Attribute(attr=attr)) if attr in COLLECTIONS:
                names.add(name)
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and is_text(node.value, names):
            names |= {t.id for t in node.targets if isinstance(t, ast.Name)}
    return names


def is_text(node: ast.AST, names: set[str]) -> bool:
    """Whether an expression is a message's text."""
    match node:
        case ast.Call(func=ast.Name(id="str" | "repr"), args=[ast.Name(id=name)]):
            return name in names
        case ast.Attribute(value=ast.Name(id=name), attr=attr):
            return name in names and attr in TEXTS
        case ast.Subscript(value=value):
            return is_text(value, names)
        case ast.Call(func=ast.Attribute(value=value, attr="lower" | "upper" | "strip" | "splitlines")):
            return is_text(value, names)
        case ast.Name(id=name):
            return name in names
        case ast.BoolOp(values=values):
            return any(is_text(value, names) for value in values)
    return False


def asks(node: ast.AST, names: set[str]) -> bool:
    """Whether an expression looks for words in a message's text."""
    match node:
        case ast.Compare(left=left, ops=[ast.In() | ast.NotIn()], comparators=[right]):
            return is_text(right, names) and not isinstance(left, ast.Name) or is_text(left, names) and not isinstance(left, ast.Name)
        case ast.Call(func=ast.Attribute(value=ast.Name(id="re")), args=arguments):
            return any(is_text(a, names) for a in arguments)
        case ast.Call(func=ast.Attribute(value=value, attr=attr)):
            return attr in QUESTIONS and is_text(value, names)
    return False


def questions(path: Path) -> Iterator[tuple[str, str]]:
    for function in functions(ast.parse(path.read_text())):
        names = bound(function)
        for node in ast.walk(function):
            if asks(node, names):
                yield f"{path.relative_to(NETC)}:{function.name}", ast.unparse(node)


def test_nothing_depends_on_the_words_of_a_message() -> None:
    found = [q for path in sorted(NETC.rglob("*.py")) for q in questions(path)]
    assert [f"{where}: {q}" for where, q in found if where not in ALLOWED] == []
    assert {where for where, _ in found} >= ALLOWED


@pytest.mark.parametrize("code", [
    'try:\n  g()\n except E as e:\n  if "did you" in str(e): h()',
    'for d in job.errors:\n  if d.text.startswith("there is"): h()',
    'try:\n  g()\n except E as e:\n  said = str(e)\n  if re.search("no such", said): h()',
    'for d in e.diagnostics:\n  h(d.sentence.partition(";"))',
])  # fmt: skip
def test_such_questions_are_found(code: str) -> None:
    function = ast.parse(f"def f():\n {code}").body[0]
    assert isinstance(function, ast.FunctionDef)
    assert any(asks(node, bound(function)) for node in ast.walk(function))
