"""The GPU that is checked: the one whose index `python -m tests.gpu --device` hands to its processes."""

import os
from dataclasses import replace

from netc.runtime.backend import Backend
from netc.runtime.backends import CUDA, PORTABLE, parsed

VARIABLE = "NETC_TEST_DEVICE"
GPU = replace(CUDA, index=int(os.environ.get(VARIABLE, "0")))


def backend(provider: str) -> Backend:
    """The backend of a provider as `--provider` takes it: the CPU with portable kernels, or a GPU."""
    name, index = parsed(provider)
    return PORTABLE if name == PORTABLE.provider else replace(CUDA, index=index)
