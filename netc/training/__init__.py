"""Training: the loop, what each step is fed, tests, checkpoints, and the folder of a run."""
