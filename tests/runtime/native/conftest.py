r"""Whether there are native kernels to test. In a working tree `python setup.py build_ext --inplace` builds them.

With sanitizers (g++), in place of the built library for this processor:

    g++ -O1 -g -std=c++17 -fPIC -shared -fvisibility=hidden -Wno-psabi -march=x86-64-v3 -fsanitize=address,undefined \
        -fno-sanitize=alignment netc/native/*.cpp -o netc/native/netc_kernels_x86_64_v3.so
    LD_PRELOAD="$(g++ -print-file-name=libasan.so) $(g++ -print-file-name=libubsan.so) $(g++ -print-file-name=libstdc++.so)" \
        ASAN_OPTIONS=detect_leaks=0 python -m pytest -s tests/runtime/native/test_kernels.py
"""

import pytest

from netc.runtime import native

needs_kernels = pytest.mark.skipif(native.missing() is not None, reason=str(native.missing()))
