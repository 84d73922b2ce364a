"""The module `caffe` for the code of Python layers: `import caffe` gives netc's Python interface of Caffe while that code runs."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

INTERFACE = "netc.caffe"  # imported only when a Python layer runs
# Modules of pycaffe, by the modules of netc that take their place.
MODULES = {
    "caffe": INTERFACE, "caffe.pycaffe": INTERFACE, "caffe._caffe": INTERFACE, "caffe.io": f"{INTERFACE}.io",
    "caffe.classifier": f"{INTERFACE}.classifier", "caffe.detector": f"{INTERFACE}.classifier", "caffe.draw": f"{INTERFACE}.draw",
    "caffe.net_spec": f"{INTERFACE}.net_spec", "caffe.coord_map": f"{INTERFACE}.coord_map", "caffe.proto": f"{INTERFACE}.proto",
    "caffe.proto.caffe_pb2": f"{INTERFACE}.proto.caffe_pb2",
}  # fmt: skip


@contextmanager
def as_caffe() -> Iterator[None]:
    """Let `import caffe`, and imports of its parts, give netc's modules in the body of the `with`, even if pycaffe is installed."""
    before = {name: sys.modules.get(name) for name in MODULES}
    sys.modules |= {name: import_module(own) for name, own in MODULES.items()}
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module
