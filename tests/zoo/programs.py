"""The programs of a model card, run: Python always, JavaScript where node and onnxruntime-node are.

NETC_NODE_MODULES names a folder `node_modules` with onnxruntime-node in it; the repository's and npm's global one are looked into too.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

NODE = shutil.which("node")


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


def node_modules() -> Path | None:
    """A folder with onnxruntime-node."""
    places = [os.environ.get("NETC_NODE_MODULES", ""), str(ROOT / "node_modules")]
    if shutil.which("npm"):
        places.append(subprocess.run(["npm", "root", "-g"], capture_output=True, text=True).stdout.strip())
    return next((Path(p) for p in places if p and (Path(p) / "onnxruntime-node").is_dir()), None)


def run_javascript(folder: Path, work: Path) -> str | None:
    """What the JavaScript of the card prints; None where there is no onnxruntime-node, and only its syntax was checked."""
    assert NODE is not None
    script, modules = work / "program.mjs", node_modules()
    script.write_text(program(folder, "javascript"))
    checked = subprocess.run([NODE, "--check", str(script)], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    if modules is None:
        return None
    (work / "node_modules").symlink_to(modules)
    done = subprocess.run([NODE, str(script)], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
