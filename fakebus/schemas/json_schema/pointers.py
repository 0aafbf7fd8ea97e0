"""JSON pointers in the fragment of a reference, as JSON Schemas refer to their own parts."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote


def pointed_to(node: Any, pointer: str) -> Any:
    """Return the part of a document that a JSON pointer names; ``None`` if there is none.

    Args:
        node: the document.
        pointer: as it stands behind ``#``, so that it may have escapes of URIs besides its own
            (RFC 6901, section 6).
    """
    for step in unquote(pointer).split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(node, dict):
            node = node.get(name)
        elif isinstance(node, list) and name.isascii() and name.isdigit() and len(name) < 10:
            node = node[int(name)] if int(name) < len(node) else None
        else:
            return None
    return node
