"""Headers of answers that are no pages: files to take away."""

from __future__ import annotations

from fakebus.web.console.site import HEADERS


def attachment(name: str, content_type: str = "application/octet-stream") -> dict[str, str]:
    """Return the headers of a file with bytes of strangers, which no browser shows."""
    return {
        **HEADERS,
        "Content-Type": content_type,
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    }
