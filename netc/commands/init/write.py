"""Write a starter net, and never overwrite a file."""

import re
from dataclasses import dataclass
from pathlib import Path

from netc import registry
from netc.commands.init import nets
from netc.commands.init.kinds import starter
from netc.commands.init.starter import Wanted
from netc.commands.init.tuning import tuned
from netc.errors import RunError, SpecError
from netc.files import replace_file

NETS = (".yaml", ".yml")
DEFAULT_NET, DEFAULT_DATA = "net.yaml", "mnist"


@dataclass(frozen=True)
class Written:
    """A starter net that was written: its path, a description of the data, and notes for the user."""

    path: str
    summary: str
    notes: tuple[str, ...]


def write_starter(
    first: str = "", data: str = "", output: str = "", labels: tuple[str, ...] = (), query: str = "", model: str = ""
) -> Written:  # fmt: skip
    """Write a starter net for a named data set, a file, a folder or an address.

    `first` is the net file, or the data if `data` is empty and `first` is not the name of a YAML file. `output` is the net file. Without
    one, the net has the name of the data, in the current folder. Never overwrites a file. With `model`, it goes on from that ONNX file.
    """
    registry.load()
    path, source = _named(first, data, output)
    wanted = Wanted(source, Path(path), labels, query=query, model=model)
    if wanted.target.exists():
        raise SpecError(f"{path}: exists already; netc does not overwrite it. To choose another name, use -o FILE.")
    made = tuned(wanted, starter(wanted)) if model else starter(wanted)
    try:
        replace_file(wanted.target, (made.text + nets.licences(made.licensed)).encode())
    except OSError as e:
        raise RunError(f"Cannot write {path}: {e.strerror or e}") from e
    return Written(path, made.summary, made.notes)


def net_name(data: str) -> str:
    """The name of a net for data, from the last part of its path or address and without suffixes: `a/titanic3.csv.gz` is titanic3."""
    last = re.split(r"[/\\]", re.sub(r"[?#].*", "", data) if "://" in data else data.rstrip("/\\"))[-1]
    if last in (".", "..", "~"):
        last = Path(last).expanduser().resolve().name
    stem = re.sub(r"(?:\.[A-Za-z][A-Za-z0-9]{0,7}){1,2}$", "", last) or last
    return re.sub(r"[^\w.-]+", "_", stem).strip("._") or Path(DEFAULT_NET).stem


def _named(first: str, data: str, output: str) -> tuple[str, str]:
    """The net file and the data, from the arguments of the command."""
    is_net = bool(data) or Path(first).suffix.lower() in NETS
    if first and is_net and output:
        raise SpecError(f"The net file is named twice: {first} and, with -o, {output}. Remove one of them.")
    source = data or (first if not is_net else "") or DEFAULT_DATA
    path = output or (first if is_net else "") or (f"{net_name(first or data)}.yaml" if first or data else DEFAULT_NET)
    if Path(path).suffix.lower() not in NETS:
        raise SpecError(f"{path}: `netc init` writes a net file in YAML. Expected a name that ends in {' or '.join(NETS)}.")
    return path, source
