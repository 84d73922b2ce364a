"""A published model of raw columns."""

from pathlib import Path

import pytest

from tests.small_tables import people_model


@pytest.fixture(scope="package")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model that reads age, town, wage and Sex."""
    return people_model(tmp_path_factory.mktemp("people"))
