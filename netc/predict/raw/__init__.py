"""Models that take raw columns: their inputs, rows from tables and from Python, classes by threshold, and files of predictions."""
