"""The programs of a model card, run: Python always, JavaScript where node and onnxruntime-node are."""

import re
import subprocess
import sys
from pathlib import Path

from tests.node import NODE, node_modules


def program(folder: Path, language: str) -> str:
    """The code block of that language on the card in `folder`."""
    found = re.search(rf"```{language}\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    assert found, f"no {language} on the card"
    return found[1]


def run_python(folder: Path) -> str:
    """What the Python of the card prints."""
    done = subprocess.run([sys.executable, "-c", program(folder, "python")], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_javascript(folder: Path, work: Path) -> str | None:
    """What the JavaScript of the card prints; None where there is no onnxruntime-node, and only its syntax was checked."""
    assert NODE is not None
    script, modules = work / "program.mjs", node_modules()
    script.write_text(program(folder, "javascript"))
    checked = subprocess.run([NODE, "--check", str(script)], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    if isinstance(modules, str):
        return None
    (work / "node_modules").symlink_to(modules)
    done = subprocess.run([NODE, str(script)], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
