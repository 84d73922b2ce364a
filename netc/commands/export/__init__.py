"""`netc convert ... -o model.onnx`: trained nets of Caffe or netc as ONNX files for any runtime, one net or a whole folder."""

from netc.commands.export.one import Exported, Options, export_onnx

__all__ = ["Exported", "Options", "export_onnx"]
