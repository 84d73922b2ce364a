"""The error for rows that cannot be decoded."""

from collections.abc import Mapping

from netc.errors import DataError


class UndecodableError(DataError):
    """Rows that cannot be decoded: an error text for each, by its position among the requested rows."""

    def __init__(self, rows: Mapping[int, str]):
        super().__init__(*rows.values())
        self.rows = rows
