"""The parts of a run: what a step is fed, its folder, tests, weights from files, the search for a NaN."""
