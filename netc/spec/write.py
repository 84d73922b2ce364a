"""Messages to text."""

from typing import Any

from google.protobuf import text_format

from netc.spec.yaml_writer import to_yaml

__all__ = ["to_prototxt", "to_yaml"]


def to_prototxt(message: Any) -> str:
    """Protobuf's text format of a message; floats in the fewest digits that give the same."""
    return text_format.MessageToString(message)
