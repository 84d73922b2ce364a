"""Global settings of pycaffe: the seed, the device, ignored fields and the permission for Python layers.

Also a timer, and functions for ranks, which have no effect.
"""

import sys
import time
from dataclasses import replace

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
    """Set the seed for new nets. The default is 0."""
    global _seed
    _seed = seed


def random_seed() -> int:
    """The seed for new nets."""
    return _seed


def ignore(*fields: str) -> None:
    """Ignore fields of a Caffe fork, such as `pooling_param.foo`, in the files of new nets.

    A layer may then compute something different from the fork. Without this call, such a field is an error.
    """
    global _dropped
    _dropped = replace(_dropped, fields=(*_dropped.fields, *fields))


def allow_unknown() -> None:
    """Ignore unknown fields outside of layers, as Caffe forks have them, in the files of new nets. `ignore` is for fields of layers."""
    global _dropped
    _dropped = replace(_dropped, outside=True)


def dropped() -> Dropped:
    """The fields passed to `ignore`, and whether `allow_unknown` was called."""
    return _dropped


def allow_python() -> None:
    """Allow the Python layers of new nets to run."""
    global _allows_python
    _allows_python = True


def allows_python() -> bool:
    """Whether `allow_python` was called."""
    return _allows_python


def set_mode_cpu() -> None:
    """Run new nets on the CPU. This is the default."""
    global _on_gpu
    _on_gpu = False


def set_mode_gpu() -> None:
    """Run new nets on the GPU, or on the CPU if no GPU is available."""
    global _on_gpu
    _on_gpu = True


def set_device(number: int) -> None:
    """Select the GPU that `set_mode_gpu` uses, counted from 0."""
    global _device
    _device = number


def backend() -> Backend:
    """The backend for new nets. ProviderError if there are GPUs, but not the one of `set_device`."""
    if not _on_gpu or choose_plain(AUTO).provider != CUDA.provider:
        return PORTABLE
    return choose_plain(f"{CUDA.provider}:{_device}")


def has_nccl() -> bool:
    """Whether several devices can train one net: no."""
    return False


def solver_count() -> int:
    """The number of solvers: 1."""
    return 1


def solver_rank() -> int:
    """The rank of this solver: 0."""
    return 0


def set_solver_count(count: int) -> None:
    """Accept 1. SpecError for any other count."""
    if count != 1:
        raise SpecError(f"{count} solvers: netc trains a net on one device")


def set_solver_rank(rank: int) -> None:
    """Accept 0. SpecError for any other rank."""
    if rank != 0:
        raise SpecError(f"rank {rank}: netc trains a net on one device, its rank is 0")


def set_multiprocess(multiprocess: bool) -> None:
    """Do nothing, for compatibility."""


def init_log(level: int = 0) -> None:
    """Do nothing, for compatibility: messages always go to stderr."""


def log(text: str) -> None:
    """Print a message to stderr."""
    print(terminal.clean(text), file=sys.stderr)


class Timer:
    """A timer: start(), stop(), then `ms`."""

    def __init__(self) -> None:
        self._begin, self._spent = 0.0, 0.0

    def start(self) -> None:
        """Start the timer."""
        self._begin = time.perf_counter()

    def stop(self) -> None:
        """Stop the timer."""
        self._spent = time.perf_counter() - self._begin

    @property
    def ms(self) -> float:
        """Milliseconds between start and stop."""
        return 1000 * self._spent
