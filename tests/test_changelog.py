"""CHANGELOG.md: sections with versions and dates, the newest first, and the newest version is netc's."""

import re
from datetime import date
from itertools import pairwise

from netc.version import VERSION
from tests.conftest import ROOT

UNRELEASED = "Unreleased"
HEADINGS = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
RELEASES = [re.fullmatch(r"(\d+)\.(\d+)\.(\d+) - (\d{4}-\d\d-\d\d)", heading) for heading in HEADINGS if heading != UNRELEASED]


def test_sections_are_versions_with_a_date() -> None:
    assert all(RELEASES) and UNRELEASED not in HEADINGS[1:]


def test_the_newest_version_is_that_of_the_package() -> None:
    assert RELEASES[0] and ".".join(RELEASES[0].groups()[:3]) == VERSION


def test_versions_and_dates_fall() -> None:
    found = [(date.fromisoformat(r[4]), (int(r[1]), int(r[2]), int(r[3]))) for r in RELEASES if r]
    assert all(newer[0] >= older[0] and newer[1] > older[1] for newer, older in pairwise(found))
