"""How errors end the program."""

import subprocess
import sys

from tests.conftest import ROOT
from tests.some import some


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = [sys.executable, "-u", "-m", "netc", "config", "nets/lenet.yaml"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        some(process.stdout).close()
        assert some(process.stderr).read() == "" and process.wait() == 1
