"""Names of records as people write them, and where their pages are."""

from __future__ import annotations

from fakebus.lineage.place import parse_place
from fakebus.web.console.addresses import page_url


def record_url(text: str) -> str:
    """Return the page of the record that a text names, as ``orders[0]@12``; empty for none."""
    place = parse_place(text)
    return "" if place is None else page_url("topics", *map(str, place))
