"""Graphs: immutable nodes that name ONNX ops, their gradients, the passes over them, and their ONNX files."""
