"""Every message of tests/errors/: a folder of inputs with the command that is run there, and the whole of what it says.

`pytest tests/test_error_messages.py --golden-update` writes what is said now into tests/errors/<case>.txt: read the difference
(`git diff tests/errors`) as a newcomer would, before it is committed.
"""

import difflib
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from netc.errors import DataError
from tests.conftest import ROOT
from tests.small_nets import netc

FOLDER = ROOT / "tests" / "errors"
CASES = sorted(p.name for p in FOLDER.iterdir() if p.is_dir())


def said(case: str, folder: Path) -> str:
    """The command, its output, and its exit code."""
    command = (FOLDER / case / "command").read_text().strip()
    shutil.copytree(FOLDER / case, folder, dirs_exist_ok=True)
    result = netc(*shlex.split(command)[1:], NETC_DATA="no_data", XDG_CACHE_HOME="no_cache", NETC_ZOO="model_zoo", NETC_NATIVE="0")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    shown = result.stderr if " train " in command else result.output  # the losses of a run are not the point
    return f"$ {command}\n{shown}exit {result.exit_code}\n"


@pytest.mark.parametrize("case", CASES)
def test_message(case: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    def no_network(*_: object) -> None:
        raise DataError("no network")

    monkeypatch.setattr("netc.data.named.lookup.download", no_network)
    monkeypatch.chdir(tmp_path)
    now, path = said(case, tmp_path), FOLDER / f"{case}.txt"
    assert "Traceback" not in now
    if request.config.getoption("--golden-update"):
        path.write_text(now)
    before = path.read_text()
    if now != before:
        difference = difflib.unified_diff(before.splitlines(), now.splitlines(), f"tests/errors/{case}.txt", "said now", lineterm="")
        pytest.fail("\n".join(difference), pytrace=False)


def test_every_message_has_its_case() -> None:
    assert sorted(p.stem for p in FOLDER.glob("*.txt")) == CASES
    assert len(CASES) >= 60
