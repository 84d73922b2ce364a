"""What the licence of a base model asks of a model that is made from it, as far as its name tells."""

import re

UNKNOWN = "unknown"
_NO_DERIVATIVES = re.compile(r"(?i)(\bcc[- ]by([- ]nc)?[- ]nd\b|no[- ]?deriv|non[- ]?derivative)")
_CLOSED = re.compile(r"(?i)(proprietary|all rights reserved|unlicen[sc]ed|no licen[sc]e|confidential)")
_NON_COMMERCIAL = re.compile(r"(?i)(\bnc\b|[- ]nc[- ]|non[- ]?commercial|research[- ]only)")
_PUBLIC = re.compile(r"(?i)\bunlicense\b")  # the SPDX name of a gift to the public, one letter from `unlicensed`
# Licences that works made from the model must have too.
_SAME = (re.compile(r"(?i)\bagpl"), re.compile(r"(?i)(?<![al])\bgpl"), re.compile(r"(?i)\bcc[- ]by([- ]nc)?[- ]sa\b"))


def objection(base: str, own: str) -> str:
    """Why a model with the licence `own` may not be published if it is made from one with the licence `base`; "" if it may.

    The names are SPDX names or sentences. An unknown licence forbids nothing here.
    """
    if base == UNKNOWN or _PUBLIC.search(base):
        return ""
    if _NO_DERIVATIVES.search(base):
        return f"its licence, {base}, forbids works that are made from it"
    if _CLOSED.search(base):
        return f"its licence, {base!r}, forbids to pass it on"
    if _NON_COMMERCIAL.search(base) and own != UNKNOWN and not _NON_COMMERCIAL.search(own):
        return f"its licence, {base}, forbids commercial use, which {own} permits"
    for family in _SAME:
        if family.search(base) and own != UNKNOWN and not family.search(own):
            return f"its licence, {base}, asks for the same licence, and `licence` of the net is {own}"
    return ""
