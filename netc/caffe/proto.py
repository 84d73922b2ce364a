"""Caffe's protobuf messages: `from netc.caffe.proto import caffe_pb2`."""

import sys

from netc import netc_pb2 as caffe_pb2

sys.modules[f"{__name__}.caffe_pb2"] = caffe_pb2  # `import netc.caffe.proto.caffe_pb2`

__all__ = ["caffe_pb2"]
