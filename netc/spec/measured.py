"""Settings of a solver that say how its test nets measure."""

from collections.abc import Sequence
from dataclasses import replace

from netc import netc_pb2 as pb
from netc.spec.document import Document


def measured(nets: Sequence[Document], solver: pb.SolverParameter) -> list[Document]:
    """The nets with the solver's `ap_version` in the DetectionEvaluate layers that state none. Nets that are one document stay one."""
    if not solver.HasField("ap_version"):
        return list(nets)
    made: dict[int, Document] = {}
    return [made.setdefault(id(net), _stated(net, solver.ap_version)) for net in nets]


def _stated(net: Document, version: str) -> Document:
    message = type(net.message)()
    message.CopyFrom(net.message)
    for layer in message.layer:
        if layer.type == "DetectionEvaluate" and not layer.detection_evaluate_param.ap_version:
            layer.detection_evaluate_param.ap_version = version
    return replace(net, message=message)
