"""Large nets in Caffe's vocabulary: how many parameters they have, and how long their training step takes to compile."""

import time
from pathlib import Path
from typing import Any

import pytest

from netc import netc_pb2 as pb
from netc import registry
from netc.commands.check import parameter_count
from netc.compiler.program import Program, program
from netc.spec import to_prototxt
from netc.spec.job import load_job
from tests.caffe import nets

SOLVER = pb.SolverParameter(base_lr=0.01, momentum=0.9, weight_decay=0.0005, max_iter=1)
SECONDS = 10


def made(net: pb.NetParameter, folder: Path) -> Program:
    whole = pb.NetParameter(solver=SOLVER)
    whole.MergeFrom(net)
    (folder / "n.prototxt").write_text(to_prototxt(whole))
    registry.load()
    return program(load_job(str(folder / "n.prototxt")))


@pytest.mark.parametrize(
    ("net", "parameters"),
    [
        (nets.alexnet, 60_965_224),
        (nets.caffenet, 60_965_224),
        (nets.googlenet, 13_378_280),
        (lambda: nets.googlenet(side_losses=False), 6_998_552),
        (nets.resnet50, 25_557_032),
    ],
    ids=["alexnet", "caffenet", "googlenet", "googlenet deployed", "resnet50"],
)
def test_parameters_and_compile_time(net: Any, parameters: int, tmp_path: Path) -> None:
    begin = time.process_time()
    found = made(net(), tmp_path)
    assert parameter_count(found.train) == parameters
    found.model("train")
    assert time.process_time() - begin < SECONDS
