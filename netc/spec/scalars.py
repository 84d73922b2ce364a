"""Convert single values from text and to text, by the type of their field."""

import base64
import binascii
import re
import struct
from typing import Any

from google.protobuf.descriptor import FieldDescriptor as Field

from netc.errors import near

INTEGERS = {
    Field.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    Field.CPPTYPE_UINT32: (0, 2**32 - 1),
    Field.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    Field.CPPTYPE_UINT64: (0, 2**64 - 1),
}
BOOLS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_SPECIAL = re.compile(r"([-+]?)\.?(inf|infinity|nan)", re.IGNORECASE)


def from_text(field: Any, text: str) -> Any:
    """Parse `text` as a value of a field. ValueError with a sentence, and a Suggestion if there is one, if that fails."""
    kind = field.cpp_type
    if kind in INTEGERS:
        return _integer(field, text)
    if kind in (Field.CPPTYPE_FLOAT, Field.CPPTYPE_DOUBLE):
        return _float(field, text)
    if kind == Field.CPPTYPE_BOOL:
        if text.lower() not in BOOLS:
            raise ValueError(f"`{field.name}` must be true or false, {_got(text)}.")
        return BOOLS[text.lower()]
    if kind == Field.CPPTYPE_ENUM:
        values = field.enum_type.values_by_name
        if text not in values:
            raise ValueError(f"`{field.name}` cannot be {short(text)!r}.", near(text, values))
        return values[text].number
    return _bytes(field, text) if field.type == Field.TYPE_BYTES else text


def to_text(field: Any, value: Any) -> str:
    """Format a value so that `from_text` reads it back. Numbers get the fewest possible digits."""
    kind = field.cpp_type
    if kind == Field.CPPTYPE_FLOAT:
        return shortest(value)
    if kind == Field.CPPTYPE_DOUBLE:
        return repr(value).removesuffix(".0")
    if kind == Field.CPPTYPE_BOOL:
        return "true" if value else "false"
    if kind == Field.CPPTYPE_ENUM:
        return str(field.enum_type.values_by_number[value].name)
    return base64.b64encode(value).decode() if field.type == Field.TYPE_BYTES else str(value)


def shortest(value: float) -> str:
    """The shortest decimal that rounds to the same float32."""
    for digits in range(6, 9):
        text = f"{value:.{digits}g}"
        if abs(float(text)) < 3.4028236e38 and struct.pack("f", float(text)) == struct.pack("f", value):
            return text
    return f"{value:.9g}"


def _integer(field: Any, text: str) -> int:
    least, most = INTEGERS[field.cpp_type]
    if not re.fullmatch(r"[-+]?\d+", text, re.ASCII) or len(text) > 20 or not least <= int(text) <= most:
        whole = re.fullmatch(r"[-+]?\d+", text, re.ASCII)
        limits = "" if not whole else " of 0 or more" if not least and text[0] == "-" else f" from {least} to {most}"
        raise ValueError(f"`{field.name}` must be a whole number{limits}, {_got(text)}.")
    return int(text)


def _float(field: Any, text: str) -> float:
    special = _SPECIAL.fullmatch(text)
    if special:
        return float(special[1] + special[2])
    if not NUMBER.fullmatch(text):
        raise ValueError(f"`{field.name}` must be a number, {_got(text)}.")
    value = float(text)
    limit = 3.4028235677973366e38 if field.cpp_type == Field.CPPTYPE_FLOAT else float("inf")
    if abs(value) >= limit:
        raise ValueError(f"`{field.name}` must be a number below 3.4e38, {_got(text)}.")
    return value


def _bytes(field: Any, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as e:
        raise ValueError(f"`{field.name}` must be bytes in base64: {e}.") from e


def _got(text: str) -> str:
    return f"got {short(text)!r}" if text else "got nothing"


def short(text: str) -> str:
    """The text, shortened if it is too long for a sentence."""
    return text if len(text) < 40 else text[:37] + "..."
