"""What travels in the wheel and the sdist, by setup.cfg and MANIFEST.in."""

import configparser
import subprocess
from fnmatch import fnmatch

import pytest

from tests.conftest import ROOT

BUILT = (".so", ".dylib")  # by setup.py


def tracked(folder: str) -> list[str]:
    """The files of a folder that git knows."""
    done = subprocess.run(["git", "ls-files", folder], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode or not done.stdout:
        pytest.skip("not a git checkout")
    return done.stdout.splitlines()


def patterns(package: str) -> list[str]:
    """The files that setup.cfg gives to a package."""
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    return settings["options.package_data"][package].split()


def test_every_file_of_the_package_is_in_the_wheel() -> None:
    names = [name for name in tracked("netc") if not name.rpartition("/")[2].startswith(".")]  # settings of editors and formatters
    data = [name.removeprefix("netc/") for name in names if not name.endswith((".py", *BUILT))]
    assert [name for name in data if not any(fnmatch(name, p) and name.count("/") == p.count("/") for p in patterns("netc"))] == []


def test_every_pattern_finds_a_file() -> None:
    assert [p for p in patterns("netc") if not list((ROOT / "netc").glob(p))] == []


def test_the_nets_are_a_package_of_their_own() -> None:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    assert settings["options"]["package_dir"].split() == ["netc.nets", "=", "nets"] and patterns("netc.nets") == ["*"]
    assert [name for name in tracked("nets") if name.count("/") > 1] == []


def test_the_sdist_holds_all_but_the_zoo() -> None:
    words = {word for line in (ROOT / "MANIFEST.in").read_text().splitlines() for word in line.split()[1:]}
    always = {"netc", "nets", "LICENSE", "MANIFEST.in", "README.md", "pyproject.toml", "setup.cfg", "setup.py"}
    assert {name.partition("/")[0] for name in tracked(".")} - words - always == {"model_zoo"}


@pytest.mark.parametrize("name", ["netc/netc_pb2.py", "netc/netc_pb2.pyi", "netc/netc.desc", "netc/runtime/kernels.json.gz"])
def test_generated_files_are_marked(name: str) -> None:
    assert tracked(name) == [name]
    done = subprocess.run(["git", "check-attr", "linguist-generated", name], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == f"{name}: linguist-generated: set\n"
