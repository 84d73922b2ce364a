"""Caffe's protobuf messages: `from netc.caffe.proto import caffe_pb2`."""

from netc import netc_pb2 as caffe_pb2

__all__ = ["caffe_pb2"]
