"""Names of records as people write them, and where their pages are."""

from __future__ import annotations

import re

from fakebus.web.console.addresses import page_url

_RECORD = re.compile(r"([A-Za-z0-9._-]{1,249})(?:\[(\d{1,10})\]|-(\d{1,10}))@(\d{1,19})", re.ASCII)


def record_url(text: str) -> str:
    """Return the page of the record that a text names, as ``orders[0]@12``; empty for none."""
    found = _RECORD.fullmatch(text)
    if found is None:
        return ""
    return page_url("topics", found[1], found[2] or found[3], found[4])
