"""Sequences of different lengths as arrays (rows, steps, ...): padded with zeros, with a mask of the steps that continue."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from netc.data.source import Column, Request, Table, TopSpec
from netc.errors import DataError

CONT = "cont"  # the top that tells recurrent layers which steps continue a sequence
LENGTH = "length"  # the array of lengths in a file, from which cont is made


def continues(lengths: np.ndarray, steps: int) -> np.ndarray:
    """(rows, steps): 0 at the first step of a row, 1 at the other steps of its sequence, 0 after its end."""
    at = np.arange(steps)
    return ((at > 0) & (at < np.asarray(lengths)[:, None])).astype(np.float32)


def padded(sequences: Sequence[np.ndarray], steps: int, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Pad sequences of shape (length, ...) with zeros into one array, and make cont. DataError if one is longer than `steps`."""
    lengths = np.array([len(s) for s in sequences])
    check_lengths(lengths, steps, name)
    array = np.zeros((len(sequences), steps, *sequences[0].shape[1:]), sequences[0].dtype)
    for row, sequence in zip(array, sequences, strict=True):
        row[: len(sequence)] = sequence
    return array, continues(lengths, steps)


def check_lengths(lengths: np.ndarray, steps: int, name: str) -> None:
    """DataError that lists the rows whose length is not between 1 and `steps`."""
    wrong = np.flatnonzero((lengths < 1) | (lengths > steps))
    if len(wrong):
        limits = f"Expected 1 to {steps}, the `steps` of the net."
        raise DataError(*[f"{name}: Row {r} is a sequence of {lengths[r]} steps. {limits}" for r in wrong], field="steps")


def sequence_tops(first: TopSpec, label: TopSpec, steps: int) -> tuple[TopSpec, ...]:
    """The tops data, label and cont; `first` is one step of the data."""
    data = replace(first, shape=(steps, *first.shape), batch_axis=1, input=True)
    return data, label, TopSpec("float32", (steps,), batch_axis=1, input=True)


def over_time(request: Request, table: Table, made: int | None) -> Table:
    """A table of arrays (rows, time, ...) with time as the first axis of the batches, cut or padded to the layer's steps.

    Column `made` contains lengths and becomes cont. A top has a time axis if its second axis is as long as that of the first top.
    """
    tops = table.description.tops
    if not tops[0].shape:
        text = "The first array has one axis. With `time_major` it must be rows x time x ..."
        raise DataError(f"{table.description.name}: {text}", field="time_major")
    have = tops[0].sizes[0]
    steps = int(request.layer.data_param.steps) or have
    timed = [k for k, top in enumerate(tops) if top.shape[:1] == (have,)]
    inputs = {0, *(k for k, name in enumerate(request.layer.top) if name == CONT)}
    new = [replace(t, shape=(steps, *t.shape[1:]), batch_axis=1, input=k in inputs) if k in timed else t for k, t in enumerate(tops)]
    if made is not None:
        new[made] = TopSpec("float32", (steps,), batch_axis=1, input=True)

    def load() -> tuple[Column, ...]:
        columns = [np.asarray(column) for column in table.load()]
        for k in timed:
            columns[k] = _fitted(columns[k], steps)
        if made is not None:
            check_lengths(columns[made], min(steps, have), table.description.name)
            columns[made] = continues(columns[made], steps)
        elif steps < have:
            text = f"The sequences have {have} steps. Expected at most {steps}, the `steps` of the net."
            raise DataError(f"{table.description.name}: {text}", field="steps")
        return tuple(columns)

    return replace(table, description=replace(table.description, tops=tuple(new)), load=load)


def _fitted(array: np.ndarray, steps: int) -> np.ndarray:
    missing = steps - array.shape[1]
    return array[:, :steps] if missing <= 0 else np.pad(array, [(0, 0), (0, missing), *[(0, 0)] * (array.ndim - 2)])
