"""The phases of pycaffe, and the arguments of its `Net` in either order."""

from collections.abc import Mapping
from typing import Any

from netc.errors import SpecError

TRAIN, TEST = 0, 1
PHASES = {TRAIN: "TRAIN", TEST: "TEST", "TRAIN": "TRAIN", "TEST": "TEST"}


def arguments(given: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[str, str | None, int | None, tuple[str, ...]]:
    """Phase, weights, level and stages from either order of pycaffe's arguments."""
    found = dict(named)
    unknown = found.keys() - {"phase", "weights", "level", "stages"}
    if unknown:
        raise SpecError(f"Net has no argument {', '.join(sorted(unknown))}; it has phase, level, stages and weights")
    old = bool(given) and isinstance(given[0], str) and given[0] not in PHASES
    names = ["weights", "phase"] if old else ["phase", "level", "stages", "weights"]
    found |= dict(zip(names, given, strict=False))
    if found.get("phase") not in PHASES:
        raise SpecError(f"a net has the phase caffe.TRAIN or caffe.TEST; {found.get('phase')!r} came")
    return PHASES[found["phase"]], found.get("weights"), found.get("level"), tuple(found.get("stages") or ())
