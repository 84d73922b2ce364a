"""Records of built-in data sets that a test changes."""

from typing import Any

import pytest

from netc.data.named import catalogue
from netc.data.named.dataset import DataSet


def builtin(name: str) -> DataSet:
    """The record of a built-in data set."""
    found = catalogue.record(name)
    assert found is not None, name
    return found


def put(monkeypatch: pytest.MonkeyPatch, name: str, record: DataSet) -> None:
    """`record` takes the place of the built-in one until the test ends."""
    before: Any = catalogue.record
    monkeypatch.setattr(catalogue, "record", lambda asked: record if asked == name else before(asked))
