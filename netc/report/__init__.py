"""What users see of a training run: progress lines, reports, charts and drawings."""
