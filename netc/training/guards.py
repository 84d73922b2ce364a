"""Labels in runs themselves: of nets that are run by hand, and of labels that hang on weights."""

from collections import Counter
from collections.abc import Mapping
from functools import partial

import numpy as np

from netc.compiler.lower import Lowered
from netc.errors import DataError, Diagnostic, RunError
from netc.graph.ir import Graph
from netc.runtime.chain import open_graph
from netc.runtime.session import Stepper
from netc.training.bad_values import Found, base_of, diagnostic_of


def check_blobs(lowered: Lowered, arrays: Mapping[str, np.ndarray], fed: bool) -> None:
    """DataError for blobs of a net that is run by hand: those that are `fed`, before a run, or those that layers made, after it."""
    errors = []
    for reading in lowered.readings:
        base = base_of(reading.value)
        if (base.node.key == ("netc", "Input")) != fed or base_of(lowered.versions[reading.blob][-1]) is not base:
            continue
        array, found = arrays[reading.blob], Found()
        found.add(array, reading.domain.wrong(array), partial(_indexed, reading.blob))
        errors += [diagnostic_of(reading, found, "the net")] if found.counts else []
    if errors:
        raise DataError(*errors)


def _indexed(blob: str, index: tuple[int, ...]) -> str:
    return f"{blob}[{', '.join(map(str, index))}]"


def run_guarded(stepper: Stepper, lowered: Lowered, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A run of `lowered`; DataError, the states as they were, if labels that hang on weights are outside of what a layer reads."""
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
            found = Found(Counter({value: int(count)}), {value: ""})
            errors.append(diagnostic_of(reading, found, "a batch"))
    return errors
