"""Answers that are no pages: files to take away."""

from __future__ import annotations

from aiohttp import web

from fakebus.web.console.site import HEADERS


def attachment(
    body: bytes, name: str, content_type: str = "application/octet-stream"
) -> web.Response:
    """Return bytes of strangers as a file that no browser shows."""
    return web.Response(
        body=body,
        content_type=content_type,
        headers={
            **HEADERS,
            "Content-Disposition": f'attachment; filename="{name}"',
            "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
        },
    )
