"""`netc extract-features`: save blobs of the test phase of a net."""

from collections.abc import Iterable, Sequence

import numpy as np

from netc import netc_pb2 as pb
from netc.commands.program import compiled_program, known_rows, loaded_weights
from netc.compiler.compilation import Compilation
from netc.data.datum import to_datum
from netc.data.sources.lmdb import write_datums
from netc.errors import SpecError, near
from netc.formats.by_suffix import form, put
from netc.graph.contract import STATE
from netc.graph.ir import Graph
from netc.graph.passes import simplify
from netc.predict.results import encoded
from netc.runtime.chain import open_graph
from netc.training.feed import Feeder

FILES, SEVERAL = (".npz", ".npy", ".csv", ".tsv"), (".npz", ".csv", ".tsv")  # file formats; formats that can store several blobs
FORMS = (*FILES, ".lmdb", "")


def features_command(
    compilation: Compilation,
    provider: str,
    threads: int | None,
    weights: Sequence[str],
    blobs: Sequence[str],
    iterations: int | None,
    output: str,
) -> str:
    """Write the rows of blobs to `output`, in the format of its suffix. Returns the message for the user. SpecError for unknown blobs."""
    suffix = form(output, FORMS, "features")
    if suffix not in SEVERAL and len(blobs) > 1:
        kind = suffix if suffix in FILES else "an LMDB"
        raise SpecError(f"{output}: {kind} stores one blob; use a .npz file for {len(blobs)} blobs")
    compilation.nets.check_test_data()
    program, threads, _ = compiled_program(compilation.with_learned(known_rows(weights)), provider, None, threads, needs_solver=False)
    job, (lowered, _) = program.job, program.test
    unknown = [f"the test net has no blob {name!r}. {near(name, lowered.versions)}" for name in blobs if name not in lowered.versions]
    if unknown:
        raise SpecError(*unknown)
    graph = simplify(Graph(job.name, {name: lowered.versions[name][-1] for name in blobs}))
    session = open_graph(graph, program.backend, threads)
    feeder = Feeder(program.test_net, graph, program.seed, job.base)
    states = STATE.named(program.start() | loaded_weights(program, weights))
    states = {n: a for n, a in states.items() if n in session.inputs}
    batches = (session.run(feeder(k) | states) for k in range(iterations or feeder.batches or 1))
    if suffix in FILES:
        return _file(blobs, batches, output, suffix)
    rows = (row for batch in batches for row in batch[blobs[0]])
    count = write_datums(output, ((f"{k:010d}".encode(), _datum(row)) for k, row in enumerate(rows)))
    return f"{output} is written: {count} rows of {blobs[0]}"


def _file(blobs: Sequence[str], batches: Iterable[dict[str, np.ndarray]], output: str, suffix: str) -> str:
    results = list(batches)
    arrays = {name: np.concatenate([np.atleast_1d(batch[name]) for batch in results]) for name in blobs}
    put(output, encoded(arrays, suffix))
    return f"{output} is written: " + ", ".join(f"{name} {'x'.join(map(str, a.shape))}" for name, a in arrays.items())


def _datum(row: np.ndarray) -> pb.Datum:
    """A row in the format of Caffe's tool: its axes are channels, height and width."""
    if row.ndim > 3:
        raise SpecError(f"a Datum has three axes, but a row has {row.ndim}; use a .npz file")
    return to_datum(np.asarray(row, np.float32).reshape(*row.shape, *[1] * (3 - row.ndim)))
