"""What pycaffe keeps for the whole process: the seed, the device, the fields to ignore, and whether Python layers may run.

Ranks change nothing. And a stopwatch.
"""

import sys
import time

from netc import terminal
from netc.errors import SpecError
from netc.runtime.backend import Backend
from netc.runtime.backends import AUTO, CUDA, PORTABLE, choose_plain
from netc.spec.document import NOTHING, Dropped

_seed = 0
_dropped = NOTHING
_allows_python = False
_on_gpu = False
_device = 0


def set_random_seed(seed: int) -> None:
    """The seed of the nets that are made from now on (0 if none is set)."""
    global _seed
    _seed = seed


def random_seed() -> int:
    """The seed for a new net."""
    return _seed


def ignore(*fields: str) -> None:
    """Fields that only a fork of Caffe has, such as `pooling_param.foo`, are dropped from the files of nets that are made from now on.

    A layer may then compute something else than in the fork; without this such a field is an error.
    """
    global _dropped
    _dropped = Dropped(fields=(*_dropped.fields, *fields))


def dropped() -> Dropped:
    """What `ignore` was told."""
    return _dropped


def allow_python() -> None:
    """The Python layers of the nets that are made from now on may run."""
    global _allows_python
    _allows_python = True


def allows_python() -> bool:
    """Whether `allow_python` was called."""
    return _allows_python


def set_mode_cpu() -> None:
    """Run the nets that are made from now on on the CPU, as they do by default."""
    global _on_gpu
    _on_gpu = False


def set_mode_gpu() -> None:
    """Run the nets that are made from now on on the GPU, or on the CPU if no GPU can be used."""
    global _on_gpu
    _on_gpu = True


def set_device(number: int) -> None:
    """Use the GPU of this number, counted from 0, once `set_mode_gpu` is called."""
    global _device
    _device = number


def backend() -> Backend:
    """Where a new net runs. ProviderError if there are GPUs, but not the one of `set_device`."""
    if not _on_gpu or choose_plain(AUTO).provider != CUDA.provider:
        return PORTABLE
    return choose_plain(f"{CUDA.provider}:{_device}")


def has_nccl() -> bool:
    """Whether several devices train one net: no."""
    return False


def solver_count() -> int:
    """How many solvers share the work: one."""
    return 1


def solver_rank() -> int:
    """The number of this solver: the first."""
    return 0


def set_solver_count(count: int) -> None:
    """One solver is the only count. SpecError for others."""
    if count != 1:
        raise SpecError(f"{count} solvers: netc trains a net on one device")


def set_solver_rank(rank: int) -> None:
    """Number 0 is the only rank. SpecError for others."""
    if rank != 0:
        raise SpecError(f"rank {rank}: netc trains a net on one device, its rank is 0")


def set_multiprocess(multiprocess: bool) -> None:
    """Taken for the scripts that call it."""


def init_log(level: int = 0) -> None:
    """Taken for the scripts that call it: messages go to stderr anyway."""


def log(text: str) -> None:
    """A message to stderr."""
    print(terminal.clean(text), file=sys.stderr)


class Timer:
    """A stopwatch: start(), stop(), then `ms`."""

    def __init__(self) -> None:
        self._begin, self._spent = 0.0, 0.0

    def start(self) -> None:
        """From now on."""
        self._begin = time.perf_counter()

    def stop(self) -> None:
        """Until now."""
        self._spent = time.perf_counter() - self._begin

    @property
    def ms(self) -> float:
        """Milliseconds between start and stop."""
        return 1000 * self._spent
