"""Compatibility with pycaffe: use `import netc.caffe as caffe` in scripts for Caffe's Python module.

It has nets, solvers, io and NetSpec with pycaffe's names and semantics. Python layers need `allow_python()`.
"""

from netc import registry
from netc.caffe import coord_map, draw, io, proto
from netc.caffe.arguments import TEST, TRAIN
from netc.caffe.blob import Blob
from netc.caffe.classifier import Classifier, Detector
from netc.caffe.net import Net
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
from netc.caffe.state import (
    Timer,
    allow_python,
    allow_unknown,
    has_nccl,
    ignore,
    init_log,
    log,
    set_device,
    set_mode_cpu,
    set_mode_gpu,
    set_multiprocess,
    set_random_seed,
    set_solver_count,
    set_solver_rank,
    solver_count,
    solver_rank,
)
from netc.layers.python import PythonLayer as Layer
from netc.version import VERSION as __version__


def layer_type_list() -> list[str]:
    """All layer types."""
    registry.load()
    return sorted(registry.layer)


__all__ = [
    "TEST", "TRAIN", "AdaDeltaSolver", "AdaGradSolver", "AdamSolver", "Blob", "Classifier", "Detector", "Layer", "Net",
    "NesterovSolver", "NetSpec", "RMSPropSolver", "SGDSolver", "Solver", "Timer", "__version__", "allow_python", "allow_unknown",
    "coord_map", "draw", "get_solver", "has_nccl", "ignore", "init_log", "io", "layer_type_list", "layers", "log", "params",
    "proto", "set_device", "set_mode_cpu", "set_mode_gpu", "set_multiprocess", "set_random_seed", "set_solver_count",
    "set_solver_rank", "solver_count", "solver_rank", "to_proto",
]  # fmt: skip
