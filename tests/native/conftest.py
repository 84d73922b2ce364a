"""Whether there are native kernels to test."""

import pytest

from netc import native

needs_kernels = pytest.mark.skipif(native.missing() is not None, reason=str(native.missing()))
