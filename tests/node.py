"""Where tests find Node, onnxruntime-node and onnxruntime-web: in a folder that the environment names, or installed once into the user's
cache."""

import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from netc.files import cache_folder
from tests.conftest import ROOT

PACKAGE, WEB, VERSION = "onnxruntime-node", "onnxruntime-web", "1.30.0"
NODE = shutil.which("node")
# Without it the package's own script asks another server than npm's for CUDA libraries.
ENVIRONMENT = {**os.environ, "ONNXRUNTIME_NODE_INSTALL": "skip", "npm_config_fetch_retries": "0", "npm_config_fetch_timeout": "20000"}


@cache
def node_modules(package: str = PACKAGE) -> Path | str:
    """A folder `node_modules` with a package; where there can be none, why.

    NETC_NODE_MODULES names one; the repository's and npm's global one are looked into too. Else npm installs the package into the cache.
    """
    if NODE is None:
        return "no node here"
    npm = shutil.which("npm")
    places = [os.environ.get("NETC_NODE_MODULES", ""), str(ROOT / "node_modules")]
    places += [subprocess.run([npm, "root", "-g"], capture_output=True, text=True).stdout.strip()] if npm else []
    found = next((Path(p) for p in places if p and (Path(p) / package).is_dir()), None)
    return found or (_installed(npm, package) if npm else f"no {package} here, and no npm to install it")


def _installed(npm: str, package: str) -> Path | str:
    target = cache_folder() / "tests" / f"{package}-{VERSION}"
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, ignore_cleanup_errors=True) as folder:
            command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, f"{package}@{VERSION}"]
            try:
                done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=300)
            except subprocess.TimeoutExpired:
                return f"npm does not get {package} in five minutes"
            if done.returncode:
                return f"npm cannot install {package}: {' '.join(done.stderr.split())[:200]}"
            with suppress(OSError):  # another process was quicker
                os.replace(folder, target)
    return target / "node_modules"
