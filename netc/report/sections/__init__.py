"""The sections of a report. Each is a function, and they appear on the page in the order of their registration.

A section takes a Run and returns HTML, or None if it does not apply. A section with `model=True` opens the net, its states or
its data, and is skipped while the run is active.
"""

from netc.report.sections import headline, tables, forecasts, health, classes, estimates, pictures, masks, trees, sequences, environment  # noqa: I001  their order is the page's

__all__ = ["classes", "environment", "estimates", "forecasts", "headline", "health", "masks", "pictures", "sequences", "tables", "trees"]
