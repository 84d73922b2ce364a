"""Training: the loop, the feeds of each step, tests, snapshots, and the folder of a run."""
