"""The compiler: from a net and its solver to the ONNX models of a training step."""
