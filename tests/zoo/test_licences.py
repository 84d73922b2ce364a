"""What the licence of a base model forbids."""

import pytest

from netc.zoo.licences import objection


@pytest.mark.parametrize("base, own, said", [
    ("MIT", "Apache-2.0", ""),
    ("Apache-2.0", "unknown", ""),
    ("unknown", "MIT", ""),
    ("Unlicense", "MIT", ""),
    ("CC-BY-4.0", "CC0-1.0", ""),
    ("BSD-3-Clause", "GPL-3.0-only", ""),
    ("LGPL-2.1", "MIT", ""),
    ("CC-BY-ND-4.0", "MIT", "forbids works that are made from it"),
    ("CC-BY-NC-ND-4.0", "CC-BY-NC-ND-4.0", "forbids works that are made from it"),
    ("CC-BY-NC-4.0", "Apache-2.0", "forbids commercial use, which Apache-2.0 permits"),
    ("CC-BY-NC-4.0", "CC-BY-NC-4.0", ""),
    ("CC-BY-NC-SA-4.0", "CC-BY-NC-4.0", "asks for the same licence"),
    ("for non-commercial use only", "MIT", "forbids commercial use"),
    ("CC-BY-SA-4.0", "MIT", "asks for the same licence"),
    ("CC-BY-SA-4.0", "CC-BY-SA-4.0", ""),
    ("AGPL-3.0 License (https://ultralytics.com/license)", "MIT", "asks for the same licence, and `licence` of the net is MIT"),
    ("AGPL-3.0", "AGPL-3.0-only", ""),
    ("AGPL-3.0", "GPL-3.0-only", "asks for the same licence"),
    ("GPL-3.0-or-later", "Apache-2.0", "asks for the same licence"),
    ("Proprietary", "MIT", "forbids to pass it on"),
    ("All rights reserved", "unknown", "forbids to pass it on"),
])  # fmt: skip
def test_objection(base: str, own: str, said: str) -> None:
    found = objection(base, own)
    assert said in found and bool(said) == bool(found)
