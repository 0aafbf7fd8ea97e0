"""What an event says, as text that is the same for equal events."""

from __future__ import annotations

from typing import Any

import attrs


def plain(value: Any) -> str:
    """Return a value as ``repr`` does, but for maps, whose entries have no order on the wire."""
    if attrs.has(type(value)):
        names = [field.name for field in attrs.fields(type(value))]
        inner = ", ".join(f"{name}={plain(getattr(value, name))}" for name in names)
        return f"{type(value).__qualname__}({inner})"
    if isinstance(value, dict):
        pairs = sorted((plain(key), plain(each)) for key, each in value.items())
        return "{" + ", ".join(f"{key}: {each}" for key, each in pairs) + "}"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__}({', '.join(map(plain, value))})"
    return repr(value)
