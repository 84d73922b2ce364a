"""The sections of a run's report, a function each, in the order in which they stand on the page.

A section takes what is known of the run and returns HTML, or None where it does not apply. One with `model=True` opens the net,
its states or its data, and is left out while the run goes on.
"""

from netc.report.sections import headline, health, classes, estimates, pictures, trees, sequences, environment  # noqa: I001  their order is the page's

__all__ = ["classes", "environment", "estimates", "headline", "health", "pictures", "sequences", "trees"]
