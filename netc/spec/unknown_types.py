"""What errors say of a layer type that netc does not know."""

from dataclasses import replace

from netc import registry
from netc.errors import Suggestion
from netc.spec import forks
from netc.spec.other_names import suggest_type


def unknown_type(type_: str, foreign: bool = False) -> tuple[str, Suggestion | None]:
    """The error text for an unknown layer type, and what it may mean: the forks of Caffe that have it, and how a plug-in adds it.

    `foreign`: the layer has a `*_param` that netc lacks, so its type is hardly a misspelling.
    """
    text = f"There is no layer type {type_!r}."
    if of_fork := forks.of_type(type_):
        return f"{text}{of_fork}", None
    suggestion = suggest_type(type_, registry.layer)
    if suggestion and foreign:
        return text, replace(suggestion, meant="", detail=f"{suggestion.detail} Otherwise a plug-in can add it: {forks.how_to_add(type_)}.")
    if suggestion:
        return text, suggestion
    return f"{text} BVLC Caffe has none either, and no fork that netc knows. A plug-in can add it: {forks.how_to_add(type_)}.", None


def is_unknown(type_: str, field: str) -> bool:
    """Whether there is no such layer type, and none that is likely meant. `field` is a field of the layer that netc lacks."""
    if not type_ or type_ in registry.layer:
        return False
    return type_ in forks.TYPES or field.endswith("_param") or not suggest_type(type_, registry.layer).meant
