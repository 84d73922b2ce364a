"""Train every model of a zoo again and publish it as its next version: `python -m tests.zoo.republish [--zoo DIR] [--replace] [NAME ...]`.

Each is trained by the command that its newest manifest states, so with the settings that it was made with. `--replace` then removes the
versions before, but those that an alias names; what the README, docs and tests say of a version that went is changed to the new one.
Runs are kept in a temporary folder. It ends with 1 if a training fails or the zoo does not verify.
"""

import argparse
import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from netc import zoo
from netc.zoo.index import versions_on_disk
from tests.conftest import ROOT

OWN = ("--publish", "--no-publish")
TEXTS = ("README.md", "netc/docs/*.md", "netc/cli/*.py", "tests/**/*.py")
MOST_BYTES = 2_000_000


def command(entry: zoo.Entry, place: Path, runs: str) -> list[str]:
    """The command of the manifest of a version, publishing into `place`."""
    said = json.loads((place / entry.name / entry.version / "manifest.json").read_text())
    words = [word for word in shlex.split(said["command"])[1:] if word not in OWN]
    return [sys.executable, "-m", "netc", *words, "--publish", "--zoo", str(place), "--runs", runs]


def train(entry: zoo.Entry, place: Path) -> str | None:
    """Trains and publishes; the new version, None if the run failed or gave what is published already."""
    with tempfile.TemporaryDirectory(prefix="netc-republish-") as runs:
        began = time.monotonic()
        done = subprocess.run(command(entry, place, runs), cwd=ROOT, capture_output=True, text=True)
    version = versions_on_disk(place, entry.name)[-1]
    last = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()[-1:]
    print(f"{entry.name}: {time.monotonic() - began:.0f} s, {'; '.join(last)}", flush=True)
    return version if done.returncode == 0 and version != entry.version else None


def replaced(place: Path, name: str, version: str) -> None:
    """Removes the versions of a model before `version`, and changes what texts say of them."""
    old = [v for v in versions_on_disk(place, name) if v != version]
    kept = {v for entry in zoo.entries(place) if entry.name == name and entry.aliases for v in [entry.version]}
    for gone in (v for v in old if v not in kept):
        shutil.rmtree(place / name / gone)
        for path in {p for pattern in TEXTS for p in ROOT.glob(pattern)}:
            text = path.read_text()
            changed = re.sub(rf"(?<!\"zoo/)\b{re.escape(name)}(/|@|\" / \"){re.escape(gone)}\b", rf"{name}\g<1>{version}", text)
            if changed != text:
                path.write_text(changed)
                print(f"  {path.relative_to(ROOT)}: {name} {gone} is {version}")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="models [default: all]")
    parser.add_argument("--zoo", type=Path, default=ROOT / "model_zoo")
    parser.add_argument("--replace", action="store_true", help="remove the versions before, unless an alias names them")
    options = parser.parse_args()
    failed = []
    newest = {entry.name: entry for entry in zoo.entries(options.zoo)}  # of each name the last is the newest
    for entry in (e for e in newest.values() if not options.names or e.name in options.names):
        version = train(entry, options.zoo)
        failed += [] if version else [entry.name]
        if version:
            size = sum(f.stat().st_size for f in (options.zoo / entry.name / version).iterdir())
            print(f"  {entry.name} {version}: {size:,} bytes{' - MORE THAN 2 MB' if size > MOST_BYTES else ''}", flush=True)
        if version and options.replace:
            replaced(options.zoo, entry.name, version)
    zoo.reindex(options.zoo)
    wrong = zoo.verify(options.zoo, run=True)
    print(*wrong, *(f"{name}: no new version" for name in failed), sep="\n")
    return 1 if wrong or failed else 0


if __name__ == "__main__":
    sys.exit(main())
