"""Calls of onnxruntime whose errors become RunError."""

from collections.abc import Callable
from typing import Any

from netc.errors import RunError


def guarded(call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Return the result of `call`. RunError if onnxruntime raises one of its errors."""
    try:
        return call(*arguments, **options)
    except Exception as e:
        if type(e).__module__.startswith("onnxruntime") or isinstance(e, RuntimeError):
            raise RunError(f"onnxruntime: {e}") from e
        raise
