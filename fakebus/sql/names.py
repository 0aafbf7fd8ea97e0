"""Texts and names as SQL has them."""

from __future__ import annotations


def literal(text: str) -> str:
    """Return a text as SQL has it."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Return the name of a table or a column as SQL has it."""
    return '"' + name.replace('"', '""') + '"'
