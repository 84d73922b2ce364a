"""How netc is laid out: what may import what, how long files are, what stands at the top."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, SLOW

NETC = ROOT / "netc"

# A module imports only what stands above it. The table in netc/docs/inside.md has the same rows.
ORDER = [
    "errors", "version", "files", "remote", "terminal", "netc_pb2", "registry", "random", "spec", "formats", "data", "net", "graph",
    "onnx_import", "fillers", "optimizers", "schedules", "runtime", "table", "layers", "compiler", "training", "zoo", "predict", "report",
    "commands", "api", "caffe", "cli",
]  # fmt: skip
MOST_AT_ROOT = 14
MOST_IN_A_FUNCTION = 40

# Long by nature, or made by a program.
LONG = {"netc_pb2.py"}
MOST_LINES = 300


def modules() -> Iterator[Path]:
    yield from sorted(p for p in NETC.rglob("*.py"))


def home(path: Path) -> str:
    """The name in ORDER that a file belongs to."""
    return path.relative_to(NETC).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[tuple[str, int]]:
    """Names in ORDER that a file imports, with the line."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: netc imports by full names"
            names = [f"netc.{a.name}" for a in node.names] if node.module == "netc" else [node.module or ""]
        else:
            continue
        yield from ((n.split(".")[1], node.lineno) for n in names if n.startswith("netc."))


def test_every_module_has_its_place() -> None:
    assert {home(p) for p in modules()} - {"__init__", "__main__"} == set(ORDER)


def test_the_page_on_the_inside_lists_the_modules_in_this_order() -> None:
    page = (NETC / "docs" / "inside.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == ORDER


def test_the_walks_pass_modules_that_are_there() -> None:
    names = re.findall(r"^\| `([\w.]+\.\w+)` \|", (NETC / "docs" / "inside.md").read_text(), re.MULTILINE)
    places = [NETC.joinpath(*name.split(".")) for name in names]
    assert len(names) > 30 and [str(p) for p in places if not p.is_dir() and not p.with_suffix(".py").is_file()] == []


def test_the_root_reads_like_a_table_of_contents() -> None:
    assert len(list(NETC.glob("*.py"))) <= MOST_AT_ROOT


def test_imports_point_up() -> None:
    wrong = []
    for path in modules():
        own = home(path)
        for name, line in imported(path) if own in ORDER else ():
            if name != own and ORDER.index(name) > ORDER.index(own):
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports netc.{name}")
    assert wrong == []


def test_files_are_short() -> None:
    sizes = {str(p.relative_to(NETC)): len(p.read_text().splitlines()) for p in modules()}
    assert {n: s for n, s in sizes.items() if s > MOST_LINES and n not in LONG} == {}


def test_functions_are_short() -> None:
    long = []
    for path in (p for p in modules() if p.name not in LONG):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and (lines := (node.end_lineno or 0) - node.lineno + 1) > MOST_IN_A_FUNCTION:
                long.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name} {lines}")
    assert long == []


def test_files_say_what_they_are() -> None:
    bare = [str(p.relative_to(NETC)) for p in modules() if p.name not in LONG and not ast.get_docstring(ast.parse(p.read_text()))]
    assert bare == []


def test_public_functions_have_a_docstring() -> None:
    bare = []
    for path in (p for p in modules() if p.name not in LONG and "gradients" not in p.parts):  # a rule is a formula, named by its op
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_") and not ast.get_docstring(node):
                bare.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert bare == []


def test_tests_mirror_modules() -> None:
    """A folder of tests/ with tests in it has the name of a folder of netc/, at every depth."""
    apart = {"benchmarks", "docs"}
    folders = {p.parent.relative_to(ROOT / "tests") for p in (ROOT / "tests").rglob("test_*.py")}
    assert [str(f) for f in folders if f.parts and f.parts[0] not in apart and not (NETC / f).is_dir()] == []


def test_what_is_slow_is_there() -> None:
    assert [name for name in SLOW if not any((ROOT / "tests" / f"{name}{suffix}").exists() for suffix in ("", ".py"))] == []


@pytest.mark.parametrize("word", ["/work/", "shared/", "/tmp/v/"])
def test_the_product_names_no_path_of_a_machine(word: str) -> None:
    assert [str(p) for p in modules() if word in p.read_text()] == []
