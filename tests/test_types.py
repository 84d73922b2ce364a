"""mypy checks netc/ and tests/ strictly (pyproject.toml); lines that it must pass over are few, and each says why."""

import re
import tokenize
import tomllib
from collections.abc import Iterator

from tests.conftest import ROOT

MOST = 10
FORM = re.compile(r"# type: ignore\[[\w-]+(, [\w-]+)*\]  # \w")  # the codes of the errors, then the reason
# Options that give a check up, and the modules that may: torch and tensorflow have no types.
GENERATED, GENERICS = ["netc.netc_pb2"], {"disallow_any_generics": False}  # protoc writes Mapping without its types
GIVEN_UP = {"disallow_subclassing_any": False, "disallow_untyped_decorators": False}
UNTYPED_BASES = [
    "tests.benchmarks.contenders",
    "tests.benchmarks.nano_gpt",
    "tests.benchmarks.onnx_models_torch",
    "tests.benchmarks.torch_twin",
    "tests.layers.record_transformer",
]


def exceptions() -> Iterator[tuple[str, str]]:
    """The comments that tell mypy to pass over a line or a file, with their places."""
    for folder in ("netc", "tests"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            relative = path.relative_to(ROOT)
            if relative.parts[:2] == ("tests", "errors") or path.name == "netc_pb2.py":
                continue
            with path.open("rb") as file:
                for token in tokenize.tokenize(file.readline):
                    if token.type == tokenize.COMMENT and re.match(r"#\s*(type:\s*ignore|mypy:)", token.string):
                        yield f"{relative}:{token.start[0]}", token.string


def test_lines_that_mypy_passes_over_are_few_and_say_why() -> None:
    found = dict(exceptions())
    assert {place: comment for place, comment in found.items() if not FORM.match(comment)} == {}
    assert len(found) <= MOST, found


def test_mypy_is_strict_everywhere() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]
    overrides = settings.pop("overrides")
    assert settings == {"strict": True, "packages": ["netc", "tests"], "exclude": ["netc/netc_pb2", "^tests/errors/"]}
    for override in overrides:
        modules = override.pop("module")
        if override == {"ignore_missing_imports": True}:
            assert not [name for name in modules if name.split(".")[0] in ("*", "netc", "tests")]
        else:
            assert (override, modules) in ((GIVEN_UP, UNTYPED_BASES), (GENERICS, GENERATED))
