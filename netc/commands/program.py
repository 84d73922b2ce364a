"""Shared steps of commands that run a net: compile it, choose a backend, and load weights."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from netc import zoo
from netc.compiler.compilation import Compilation
from netc.compiler.program import Program, checked
from netc.compiler.twins import state_of
from netc.data import Learned
from netc.errors import SnapshotError, ZooError
from netc.runtime import snapshot
from netc.runtime.backends import choose
from netc.runtime.session import threads_for
from netc.training.weights import CAFFE, is_caffe, match_weights

START = "start.safetensors"  # the weights of a published model


def compiled_program(
    compilation: Compilation, provider: str, target: str | None, threads: int | None, needs_solver: bool = True
) -> tuple[Program, int, str]:
    """The checked program on the requested backend, its threads, and the reason for the backend."""
    job = compilation.job
    on_cpu = job.solver.HasField("solver_mode") and job.solver.solver_mode == job.solver.CPU
    backend, why = choose(provider, target, on_cpu)
    program = checked(compilation, backend, needs_solver)
    return program, threads or job.solver.threads or threads_for(program.multiply_adds()), why


def weights_files(names: Sequence[str]) -> list[str]:
    """The weight files in `FILE` or `FILE,FILE`. Each can also be a published model: its folder, or `name[@version]` in the zoo.

    A model is verified, with its signature if NETC_ZOO_KEY is set. SnapshotError if it does not exist.
    """
    return [_weights_file(name) for text in names for name in text.split(",")]


def _weights_file(name: str) -> str:
    path, model = Path(name), name.partition("@")[0]
    if (path / START).is_file():
        return str(path / START)
    if path.exists() or path.suffix in (".safetensors", *CAFFE) or zoo.model_name(model) != model:
        return name
    try:
        file = zoo.model_folder(name) / START
    except ZooError as e:
        raise SnapshotError(f"{name}: is not a weight file or a model: {e}") from e
    if not file.is_file():
        raise SnapshotError(f"{file}: is missing; the model has no weights to start from")
    return str(file)


def known_rows(files: Sequence[str]) -> dict[str, Learned]:
    """What weight files (see `weights_files`) record about their training data, by the first top of each source."""
    learned: dict[str, Learned] = {}
    for name in (n for n in weights_files(files) if not is_caffe(n)):
        learned |= as_learned(snapshot.read_rows(name), name)
    return learned


def as_learned(recorded: Mapping[str, Any], path: str | Path) -> dict[str, Learned]:
    """Parse the record of the training data in the metadata of a file. SnapshotError if it is invalid."""
    try:
        return {str(top): Learned.from_json(known) for top, known in recorded.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as e:
        raise SnapshotError(f"{path}: The metadata of the snapshot is invalid: `rows` cannot be read ({e})") from e


def loaded_weights(
    program: Program, files: Sequence[str], say: Callable[[str], object] = lambda text: None, whole: bool = False
) -> dict[str, np.ndarray]:
    """Initial values of a program from weight files (see `weights_files`). Later files take precedence.

    `say` receives one line per file on what was loaded; with `whole`, only if some layers have no values.
    """
    states: dict[str, np.ndarray] = {}
    for name in weights_files(files):
        weights = match_weights(name, program.states, program.layer_blobs)
        if weights.fresh or not whole:
            say(f"weights {weights}")
        states |= weights.states
    return states


def reads_anew(program: Program, files: Sequence[str]) -> bool:
    """Whether the first layers after the sources take no weights from the files, so that the data may have different columns."""
    try:
        taken = loaded_weights(program, files)
    except SnapshotError:
        return False
    blobs = {top for layer in program.train_net.sources for top in layer.tops}
    for layer in program.train_net.layers:
        if not blobs.intersection(layer.bottoms):
            continue
        own = [state_of(blob).name for blob in program.train.layer_blobs.get(layer.name, ())]
        if any(name in taken for name in own):
            return False
        if not own:
            blobs.update(layer.tops)
    return True
