"""`caffe.draw`: a net as a picture."""

from pathlib import Path
from typing import Any

from netc import netc_pb2 as pb
from netc.caffe.arguments import PHASES, TRAIN
from netc.commands.draw import svg
from netc.errors import SpecError
from netc.files import replace_file
from netc.lower import lower
from netc.net import resolve
from netc.spec import parse_prototxt, to_prototxt


def draw_net_to_file(caffe_net: pb.NetParameter, filename: str, rankdir: str = "TB", phase: Any = TRAIN) -> None:
    """The layers of a net in a phase, from top to bottom, as an SVG. SpecError for other formats, and for another `rankdir`."""
    if Path(filename).suffix != ".svg" or rankdir != "TB":
        raise SpecError(f"{filename}, {rankdir}: nets are drawn as .svg files, from top to bottom (TB)")
    net = resolve(parse_prototxt(to_prototxt(caffe_net), path=caffe_net.name or "the net"), PHASES[phase])
    replace_file(Path(filename), svg([lower(net)]).encode())
