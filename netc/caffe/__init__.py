"""pycaffe's habits: `import netc.caffe as caffe` for scripts that were written for Caffe's Python module.

Nets, solvers, io and NetSpec are here, with pycaffe's names and meanings. GPU calls choose nothing: netc runs on the CPU here.
"""

from netc import registry
from netc.caffe import io, proto
from netc.caffe.net import TEST, TRAIN, Blob, Net
from netc.caffe.net_spec import NetSpec, layers, params, to_proto
from netc.caffe.solver import (
    AdaDeltaSolver,
    AdaGradSolver,
    AdamSolver,
    NesterovSolver,
    RMSPropSolver,
    SGDSolver,
    Solver,
    get_solver,
)
from netc.caffe.state import set_device, set_mode_cpu, set_mode_gpu, set_random_seed
from netc.version import VERSION as __version__


def layer_type_list() -> list[str]:
    """The layer types that there are."""
    registry.load()
    return sorted(registry.layer)


__all__ = [
    "TEST", "TRAIN", "AdaDeltaSolver", "AdaGradSolver", "AdamSolver", "Blob", "Net", "NesterovSolver", "NetSpec", "RMSPropSolver",
    "SGDSolver", "Solver", "__version__", "get_solver", "io", "layer_type_list", "layers", "params", "proto", "set_device",
    "set_mode_cpu", "set_mode_gpu", "set_random_seed", "to_proto",
]  # fmt: skip
