"""Run models on onnxruntime: sessions, states in memory and on disk, and the native kernels."""
