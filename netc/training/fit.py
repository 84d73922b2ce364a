"""Which layers of a file of weights fit a net: what an error shows about weights of another net."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from netc.errors import near
from netc.graph.ir import Value

MOST_LINES, MOST_NAMES = 20, 8
Shapes = tuple[tuple[int, ...], ...]


def fit(blobs: Mapping[str, Sequence[Value]], given: Mapping[str, Sequence[np.ndarray]]) -> tuple[str, ...]:
    """Lines that compare the learned blobs of a net, by layer, with those of a file: what fits, what differs, and similar names."""
    wanted = {layer: tuple(_plain(tuple(map(int, b.shape))) for b in own) for layer, own in blobs.items() if own}
    there = {layer: tuple(_plain(a.shape) for a in arrays) for layer, arrays in given.items()}
    fits = [layer for layer in wanted if there.get(layer) == wanted[layer]]
    rest = list(_differences(wanted, there))
    shown = rest[:MOST_LINES] + ([f"... and {len(rest) - MOST_LINES} more layers"] if len(rest) > MOST_LINES else [])
    only = [f"{layer} ({_text(shapes)})" for layer, shapes in there.items() if layer not in wanted]
    lines = [f"layers that fit: {len(fits)} of {len(wanted)}{f' ({_names(fits)})' if fits else ''}", *shown]
    return (*lines, f"only in the file: {_names(only)}") if only else tuple(lines)


def _differences(wanted: Mapping[str, Shapes], there: Mapping[str, Shapes]) -> Iterator[str]:
    """A line for each layer of the net that the file lacks, or has with other shapes."""
    free = {layer: shapes for layer, shapes in there.items() if layer not in wanted}
    for layer, shapes in wanted.items():
        if layer in there and there[layer] != shapes:
            yield f"{layer}: {_text(there[layer])} in the file, {_text(shapes)} in the net"
        elif layer not in there:
            same = [name for name, other in free.items() if other == shapes]
            alike = near(layer, same or free).near or tuple(same[:2])
            suits = f"; the file has {' and '.join(repr(n) + (' of these shapes' if free[n] == shapes else '') for n in alike[:2])}"
            yield f"{layer}: not in the file, {_text(shapes)} in the net{suits if alike else ''}"


def _plain(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without leading ones, with which old files pad it."""
    while len(shape) > 1 and shape[0] == 1:
        shape = shape[1:]
    return shape


def _text(shapes: Shapes) -> str:
    return ", ".join("x".join(map(str, shape)) or "1" for shape in shapes) or "nothing"


def _names(names: Sequence[str]) -> str:
    return ", ".join(names[:MOST_NAMES]) + (f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else "")
