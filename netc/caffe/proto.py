"""`from netc.caffe.proto import caffe_pb2`: Caffe's messages, which are netc's."""

from netc import netc_pb2 as caffe_pb2

__all__ = ["caffe_pb2"]
