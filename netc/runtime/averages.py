"""Averages of weights (`solver.ema`) among the states of a run: their names, and the states with which a run is tested and published."""

from collections.abc import Mapping

import numpy as np

WEIGHT = "solver.average"  # the state with the total weight of the iterations in the averages


def average_of(name: str) -> str:
    """The name of the average of a parameter."""
    return f"{name}.average"


def averaged(states: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return `states` with the average of each parameter in its place. Without averages, or before the first iteration, as they are."""
    if WEIGHT not in states or not np.asarray(states[WEIGHT]).reshape(-1)[0] > 0:
        return dict(states)
    return {name: states.get(average_of(name), array) for name, array in states.items()}
