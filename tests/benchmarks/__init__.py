"""netc against its peers, side by side: `python -m tests.benchmarks`."""
