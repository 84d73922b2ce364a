"""Whether there are native kernels to test. In a working tree `python setup.py build_ext --inplace` builds them.

`.ci/sanitize` runs these tests with AddressSanitizer and UndefinedBehaviorSanitizer.
"""

import pytest

from netc.runtime import native

OPS = native.kernels_of(native.library())
needs_kernels = pytest.mark.skipif(native.missing() is not None, reason=str(native.missing()))
