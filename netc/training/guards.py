"""Check values during a run: blobs that a script feeds, and labels that depend on weights."""

from collections import Counter
from collections.abc import Mapping
from functools import partial

import numpy as np

from netc.compiler.lower import Lowered
from netc.errors import DataError, Diagnostic, RunError
from netc.graph.ir import Graph
from netc.runtime.chain import open_graph
from netc.runtime.session import Stepper
from netc.training.bad_values import BadValues, base_of, diagnostic_of


def check_blobs(lowered: Lowered, arrays: Mapping[str, np.ndarray], fed: bool) -> None:
    """DataError for invalid blobs of a net that a script runs: `fed` blobs before a run, else computed ones after it."""
    errors = []
    for reading in lowered.readings:
        base = base_of(reading.value)
        if (base.node.key == ("netc", "Input")) != fed or base_of(lowered.versions[reading.blob][-1]) is not base:
            continue
        array, bad = arrays[reading.blob], BadValues()
        bad.add(array, reading.domain.wrong(array), partial(_indexed, reading.blob))
        errors += [diagnostic_of(reading, bad, "the net")] if bad.counts else []
    if errors:
        raise DataError(*errors)


def _indexed(blob: str, index: tuple[int, ...]) -> str:
    return f"{blob}[{', '.join(map(str, index))}]"


def run_guarded(stepper: Stepper, lowered: Lowered, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Run `lowered`. If labels that depend on weights are out of range, restore the states and raise DataError."""
    try:
        results = stepper.run(feeds)
    except RunError as e:
        outputs = {r.guard: lowered.graph.outputs[r.guard] for r in lowered.readings if r.guard}
        session = open_graph(Graph("guards", outputs)) if outputs else None
        given = {**feeds, **stepper.states.arrays()}
        made = session.run({n: a for n, a in given.items() if n in session.inputs}) if session else {}
        if errors := _guarded(lowered, made):
            raise DataError(*errors) from e
        raise
    if errors := _guarded(lowered, results):
        stepper.undo()
        raise DataError(*errors)
    return results


def _guarded(lowered: Lowered, results: Mapping[str, np.ndarray]) -> list[Diagnostic]:
    errors = []
    for reading in (r for r in lowered.readings if r.guard in results):
        count, value = results[reading.guard].tolist()
        if count:
            bad = BadValues(Counter({value: int(count)}), {value: ""})
            errors.append(diagnostic_of(reading, bad, "a batch"))
    return errors
