"""A check of CUDA in one command: `python -m tests.gpu`."""
