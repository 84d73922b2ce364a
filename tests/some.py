"""A value of which a test knows that it is there."""

from typing import TypeVar

T = TypeVar("T")


def some(value: T | None) -> T:
    """The value itself. The test fails where it is None."""
    assert value is not None
    return value
