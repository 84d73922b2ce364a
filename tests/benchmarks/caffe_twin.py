"""What BVLC Caffe needs to train a net: its files, and the command of its worker. The variable CAFFE_PYTHON names its Python.

One is made by: python3.8 -m venv V && V/bin/pip install kendryte-caffe==1.0.0.20210829 'protobuf<3.21'
"""

import os
from pathlib import Path
from typing import Any

import numpy as np

from netc import netc_pb2 as pb
from netc.spec import to_prototxt
from tests.benchmarks import nets

ENVIRONMENT = {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python", "GLOG_minloglevel": "2"}


def command(net: str, folder: Path) -> list[str] | None:
    """The worker's command line, its files written into `folder`; None where no Caffe is named."""
    python = os.environ.get("CAFFE_PYTHON")
    if not python:
        return None
    program = nets.program(net)
    (folder / "net.prototxt").write_text(to_prototxt(_net(net)))
    solver = pb.SolverParameter(net=str(folder / "net.prototxt"), lr_policy="fixed", max_iter=10**9, snapshot_after_train=False)
    solver.solver_mode = pb.SolverParameter.CPU
    for field in ("base_lr", "momentum", "weight_decay"):
        setattr(solver, field, getattr(program.job.solver, field))
    (folder / "solver.prototxt").write_text(to_prototxt(solver))
    infos = {name: program.states[name].state for name in nets.start(net)}
    arrays: dict[str, Any] = {f"{infos[n].layer}:{infos[n].blob}": a for n, a in nets.start(net).items()}
    arrays |= {f"blob:{n}": a for n, a in nets.batch(net).items()}
    np.savez(folder / "arrays.npz", **arrays)
    return [python, str(Path(__file__).with_name("caffe_worker.py")), str(folder / "solver.prototxt"), str(folder / "arrays.npz")]


def _net(net: str) -> pb.NetParameter:
    program = nets.program(net)
    made = pb.NetParameter(name=net)
    for name, array in nets.batch(net).items():
        fed = made.layer.add(name=name, type="Input", top=[name])
        fed.input_param.shape.add(dim=array.shape)
    for layer in program.train_net.layers:
        if layer.type not in ("Input", "Data", "Accuracy"):
            copy = made.layer.add()
            copy.CopyFrom(layer.param)
            copy.name, copy.type, copy.bottom[:], copy.top[:] = layer.name, layer.type, layer.bottoms, layer.tops
    return made
