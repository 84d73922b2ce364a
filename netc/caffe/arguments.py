"""The phases of pycaffe, and the arguments of its `Net` in the new and the old order."""

from collections.abc import Mapping
from typing import Any

from netc.errors import SpecError

TRAIN, TEST = 0, 1
PHASES = {TRAIN: "TRAIN", TEST: "TEST", "TRAIN": "TRAIN", "TEST": "TEST"}


def arguments(given: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[str, str | None, int | None, tuple[str, ...]]:
    """Phase, weights, level and stages from pycaffe's arguments in the new or the old order."""
    values = dict(named)
    unknown = values.keys() - {"phase", "weights", "level", "stages"}
    if unknown:
        raise SpecError(f"Net has no argument {', '.join(sorted(unknown))}; it has phase, level, stages and weights")
    old = bool(given) and isinstance(given[0], str) and given[0] not in PHASES
    names = ["weights", "phase"] if old else ["phase", "level", "stages", "weights"]
    values |= dict(zip(names, given, strict=False))
    if values.get("phase") not in PHASES:
        raise SpecError(f"expected the phase caffe.TRAIN or caffe.TEST; got {values.get('phase')!r}")
    return PHASES[values["phase"]], values.get("weights"), values.get("level"), tuple(values.get("stages") or ())
