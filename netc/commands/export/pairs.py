"""Finds the models in a folder: which net file belongs to which file of weights."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

NETS = (".prototxt", ".prototxt.txt", ".pbtxt", ".pt", ".txt")
WEIGHTS = (".caffemodel", ".caffemodel.h5")
DEPLOY, TRAIN = re.compile(r"deploy|inference|(?<![a-z])test(?![a-z])"), re.compile(r"train|solver")
WORDS = re.compile(r"_?iter_?\d+|deploy|inference|train_?val|train|test|val|net|model|[\W_]")
ITERATION = re.compile(r"_iter_?(\d+)$")
FIRST_BYTES = 1 << 16  # of a file that may be a net
OF_A_NET = re.compile(rb"^\s*(layers?\s*\{|layers?\s*:|input\s*:)", re.MULTILINE)


@dataclass(frozen=True)
class Model:
    """A net and its weights. `note` says why they were paired. `problem`: why they cannot be converted, or why the net is left out."""

    net: Path | None
    weights: Path | None = None
    note: str = ""
    problem: str = ""
    left_out: bool = False

    @property
    def name(self) -> str:
        """The name of the ONNX file, without its suffix."""
        file = self.weights or self.net
        return _stem(file) if file else ""


def models(folder: Path) -> list[Model]:
    """The models in a folder and the folders in it, in alphabetical order."""
    found: list[Model] = []
    for place in (folder, *sorted(p for p in folder.rglob("*") if p.is_dir() and not _hidden(p, folder))):
        nets, weights = _nets(place), sorted(p for p in place.iterdir() if p.is_file() and p.name.endswith(WEIGHTS))
        if weights and not nets and place != folder:
            nets = _nets(place.parent)
            found += [m for m in _paired(nets, weights) if m.weights]
        else:
            found += _paired(nets, weights)
    used = {m.net for m in found if m.weights}
    return [m for m in found if m.weights or m.net not in used]


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _nets(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_file() and p.name.endswith(NETS) and is_net(p))


def is_net(path: Path) -> bool:
    """Whether a text file is a net with layers, rather than a solver."""
    try:
        with path.open("rb") as file:
            return bool(OF_A_NET.search(file.read(FIRST_BYTES)))
    except OSError:
        return False


def _paired(nets: Sequence[Path], weights: Sequence[Path]) -> Iterator[Model]:
    """The models of one folder: by equal names, by names without words such as `deploy` and `iter_100`, or because there is only one."""
    newest = _newest(weights)
    open_nets, made = list(nets), list[Model]()
    has_deploy = any(_rank(n) == 0 for n in nets)
    wanted = [n for n in nets if not has_deploy or _rank(n) < 2]
    for file, note in newest.items():
        same = [n for n in nets if _stem(n) == _stem(file)]
        alike = [n for n in wanted if _core(n) and _core(n) == _core(file)]
        free = [n for n in wanted if n in open_nets]
        chosen, why = (
            (same, "same name") if same else (sorted(alike, key=_rank), "similar name") if alike else (_only(free, wanted), "only net")
        )
        if chosen:
            made.append(Model(chosen[0], file, "; ".join(filter(None, (why, note)))))
            open_nets = [n for n in open_nets if n != chosen[0]]
        else:
            text = "There is no net file beside it." if not nets else f"It may belong to {', '.join(n.name for n in wanted[:4])}."
            made.append(Model(None, file, problem=f"{text} List the pairs in a file, one per line: NET WEIGHTS."))
    yield from made
    for net in open_nets:
        partner = next((m.net for m in made if m.net and m.net.parent == net.parent), None)
        if net not in wanted or (partner and _core(partner) == _core(net) and _rank(net) > _rank(partner)):
            yield Model(net, left_out=True, problem=f"{(partner or wanted[0]).name} is the net to deploy.")
        else:
            yield Model(net)


def _newest(weights: Sequence[Path]) -> dict[Path, str]:
    """The weights to convert, with a note: of several snapshots of one run, the last."""
    runs: dict[str, list[tuple[int, Path]]] = {}
    for path in weights:
        found = ITERATION.search(_stem(path))
        runs.setdefault(ITERATION.sub("", _stem(path)) + ("_iter" if found else ""), []).append((int(found[1]) if found else 0, path))
    return {max(files)[1]: f"the last of {len(files)} snapshots" if len(files) > 1 else "" for files in runs.values()}


def _rank(net: Path) -> int:
    """0 for a net whose name says that it is deployed, 2 if it is trained, else 1."""
    return 2 if TRAIN.search(_stem(net)) else 0 if DEPLOY.search(_stem(net)) else 1


def _only(free: Sequence[Path], wanted: Sequence[Path]) -> list[Path]:
    """The net, if only one is left, or if there is only one at all."""
    deploy = [n for n in (free or wanted) if _rank(n) == 0 and not _core(n)]
    for found in (free, wanted, deploy):
        if len(found) == 1:
            return list(found)
    return []


def _stem(path: Path) -> str:
    """The name of a file without the suffixes of nets and weights."""
    for suffix in sorted((*NETS, *WEIGHTS), key=len, reverse=True):
        if path.name.endswith(suffix):
            return path.name.removesuffix(suffix)
    return path.stem


def _core(path: Path) -> str:
    return WORDS.sub("", _stem(path).lower())
