"""What other libraries say of an error, as the end of a sentence of netc."""

import re

MOST = 300  # letters
LEADS = re.compile(r"^(?:[A-Z][A-Za-z]* )*Error: |.* failed: ")  # DuckDB's kinds of errors, and the names that libpq repeats
CAUSE = re.compile(r"Could not convert .*")


def reason(error: BaseException) -> str:
    """The first line of what a library says, or the one that names the cell; without names that netc gives itself, and a full stop."""
    text = str(error) or type(error).__name__
    found = CAUSE.search(text)
    return LEADS.sub("", found[0] if found else text.strip().splitlines()[0])[:MOST].rstrip(". ")
