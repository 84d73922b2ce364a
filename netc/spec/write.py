"""Write messages as text."""

from typing import Any

from google.protobuf import text_format

from netc.spec.yaml_writer import to_yaml

__all__ = ["to_prototxt", "to_yaml"]


def to_prototxt(message: Any) -> str:
    """Format a message as protobuf text. Floats get the fewest digits that keep their value."""
    return text_format.MessageToString(message)
