"""The run with sanitizers is skipped, with the reason, on machines that cannot do it."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

SCRIPT = ROOT / ".ci" / "sanitize"


@pytest.mark.skipif(sys.platform != "linux", reason="sanitizers are preloaded on Linux only")
@pytest.mark.skipif(not SCRIPT.is_file(), reason="this is no working tree")
@pytest.mark.parametrize(
    ("compiler", "reason"),
    [("/nowhere/g++", "there is no C++ compiler (/nowhere/g++)"), ("false", "false cannot build with -fsanitize=address,undefined")],
)
def test_without_a_compiler_that_has_sanitizers_it_is_skipped(compiler: str, reason: str) -> None:
    done = subprocess.run([str(SCRIPT)], env=os.environ | {"CXX": compiler}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout.startswith(f"sanitize: skipped, {reason}"), done.stderr
