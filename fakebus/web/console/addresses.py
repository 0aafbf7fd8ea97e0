"""Addresses of the console's own pages."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from fakebus.lineage.place import parse_place

PREFIX = "/ui"


def page_url(*parts: object, **query: object) -> str:
    """Return the address of a page.

    Args:
        parts: of the path; each becomes one, whatever it holds.
        query: parameters; those that are ``None`` or empty are left out.
    """
    path = "".join("/" + quote(str(part), safe="", errors="surrogatepass") for part in parts)
    told = [(name, str(value)) for name, value in query.items() if value not in (None, "")]
    asked = urlencode(told, errors="surrogatepass")
    return PREFIX + path + ("?" + asked if asked else "")


def record_url(text: str) -> str:
    """Return the page of the record that a text names, as ``orders[0]@12``; empty for none."""
    place = parse_place(text)
    return "" if place is None else page_url("topics", *map(str, place))
