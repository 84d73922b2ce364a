"""Graphs: immutable nodes that name ONNX ops, the gradients of the ops, passes over graphs, and export to ONNX files."""
