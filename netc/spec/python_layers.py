"""Python layers of well-known forks of Caffe that netc has as layer types of its own, so that their nets need no Python.

`OWN` is the table: a row is the module and the class of a Python layer, and a function that fills the message of the layer type.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import yaml

from netc import netc_pb2 as pb
from netc.errors import Diagnostic
from netc.spec.document import Document

Settings = Mapping[str, Any]


def _proposal(layer: pb.LayerParameter, settings: Settings) -> bool:
    """Fill a Proposal. Its other settings are in the fork's config, whose values for tests are the defaults of ProposalParameter."""
    if not settings.keys() <= {"feat_stride", "scales"} or not isinstance(settings.get("feat_stride"), int):
        return False
    layer.proposal_param.feat_stride = settings["feat_stride"]
    scales = settings.get("scales", ())
    if not isinstance(scales, list | tuple) or not all(isinstance(s, int | float) and s > 0 for s in scales):
        return False
    layer.proposal_param.scale.extend(map(float, scales))
    return True


Fill = Callable[[pb.LayerParameter, Settings], bool]
OWN: dict[tuple[str, str], tuple[str, Fill, str]] = {
    ("rpn.proposal_layer", "ProposalLayer"): (
        "Proposal", _proposal,
        "min_size 16, pre_nms_topn 6000, post_nms_topn 300 and nms_thresh 0.7, as Faster R-CNN's config for tests has them",
    ),
}  # fmt: skip


def with_own_types(document: Document) -> Document:
    """Return the net with the layer types that replace its Python layers, and a warning for each. Other Python layers stay."""
    found = {k: own for k, layer in enumerate(document.message.layer) if (own := _own(layer)) is not None}
    if not found:
        return document
    net, warnings = type(document.message)(), list(document.warnings)
    net.CopyFrom(document.message)
    for k, own in found.items():
        module, name = net.layer[k].python_param.module, net.layer[k].python_param.layer
        settings = OWN[module, name][2]
        text = f"Layer {own.name!r}: The Python layer {module}.{name} runs as {own.type}, with {settings}."
        warnings.append(Diagnostic(document.place("layer", k), f"{text} If yours differ, set them in a layer of type {own.type}."))
        net.layer[k].CopyFrom(own)
    return replace(document, message=net, warnings=tuple(warnings))


def _own(layer: pb.LayerParameter) -> pb.LayerParameter | None:
    """The layer in its own type; None if it is not in the table, or if it has settings that the type lacks."""
    row = OWN.get((layer.python_param.module, layer.python_param.layer)) if layer.type == "Python" else None
    settings = None if row is None else _settings(layer.python_param.param_str)
    if row is None or settings is None:
        return None
    type_, fill, _ = row
    new = pb.LayerParameter()
    new.CopyFrom(layer)
    new.ClearField("python_param")
    new.type = type_
    return new if fill(new, settings) else None


def _settings(text: str) -> Settings | None:
    """`param_str` as a mapping. It is YAML: `'feat_stride': 16`, with tuples as `!!python/tuple [8, 16]`."""
    try:
        found = yaml.safe_load(text.replace("!!python/tuple", ""))
    except yaml.YAMLError:
        return None
    return found if isinstance(found, dict) and all(isinstance(key, str) for key in found) else None
