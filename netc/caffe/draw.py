"""`caffe.draw`: draw a net."""

from typing import Any

from netc import netc_pb2 as pb
from netc.caffe.arguments import PHASES, TRAIN
from netc.compiler.lower import lower
from netc.errors import SpecError
from netc.formats.by_suffix import form, put
from netc.net.resolve import resolve
from netc.report.net_drawing import FORMS, dot, svg
from netc.spec import parse_prototxt, to_prototxt


def draw_net_to_file(caffe_net: pb.NetParameter, filename: str, rankdir: str = "TB", phase: Any = TRAIN) -> None:
    """Draw the layers of a net in a phase from top to bottom, as .svg or .dot. SpecError for any other format or `rankdir`."""
    drawn = svg if form(filename, FORMS, "a drawing") == ".svg" else dot
    if rankdir != "TB":
        raise SpecError(f"rankdir must be 'TB' (top to bottom); got {rankdir!r}")
    net = resolve(parse_prototxt(to_prototxt(caffe_net), path=caffe_net.name or "the net"), PHASES[phase])
    put(filename, drawn([lower(net)]).encode())
