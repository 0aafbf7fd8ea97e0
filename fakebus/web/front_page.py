"""/: what runs here, for people with a browser; registry clients get their empty object.

The page has no script, and its only style is named in its policy by a digest. Names of topics and
subjects come from clients: they are escaped for HTML, and what does not print is shown as escapes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from html import escape
from typing import Any
from urllib.parse import quote

from aiohttp import web

from fakebus import __version__
from fakebus.broker.topics import Topic
from fakebus.escaping import printable
from fakebus.servers import Bus
from fakebus.web.registry import metadata
from fakebus.web.registry.room import RegistryRoom
from fakebus.web.routing import Handler, RoomHandler
from fakebus.wording import counted

MAX_ROWS = 500
"""Of topics and of subjects; the whole lists are a command away."""
_DOCUMENTATION = "https://github.com/fakebus/fakebus/tree/main/docs"
_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; }
h2 { margin: 2rem 0 .5rem; font-size: 1.15rem; }
p { margin: .3rem 0; }
code { font: .95em ui-monospace, monospace; user-select: all; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .2rem 1rem .2rem 0; border-bottom: 1px solid #8885; }
th { font-weight: 600; }
.n { text-align: right; padding-right: 0; font-variant-numeric: tabular-nums; }
"""
_STYLE_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_DIGEST}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class FrontPageRoom(RegistryRoom):
    """Room of the page at the root, which is a route of the registry as well."""

    handlers = {"root": metadata.root}  # noqa: RUF012 - as the protocol has it
    prefix = ""

    def serve(self, handler: RoomHandler) -> Handler:
        """Return the handler as aiohttp calls it."""
        registry = super().serve(handler)

        async def answer(request: web.Request) -> web.StreamResponse:
            # Browsers name HTML; clients of a registry name JSON, or take anything.
            if "text/html" not in request.headers.get("Accept", ""):
                response = await registry(request)
            else:
                text = page(self._bus, request.host)
                response = web.Response(text=text, content_type="text/html", headers=_HEADERS)
            response.headers["Vary"] = "Accept"
            return response

        return answer


def page(bus: Bus, host: str) -> str:
    """Return the page.

    Args:
        bus: what runs.
        host: the address that the browser has come by.
    """
    topics = sorted((t for t in bus.broker.topics if not t.name.startswith("__")), key=_name)
    subjects = bus.registry.subjects()
    # What the listeners have told the broker, not what somebody has set.
    told = bus.broker.config.static.get("advertised.listeners", "")
    addresses = [
        *(("Kafka", each) for each in told.split(",") if each),
        ("Schema registry", f"http://{host}"),
        *(("Redis Streams", url) for url in bus.redis_urls),
    ]
    state = "ready" if bus.ready else "not ready yet"
    data = f"data in {bus.settings.data}" if bus.settings.data else "data in memory"
    links = ("/subjects", "/schemas", "/config", "/openapi.json", "/health", "/ready")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>fakebus</title><style>{_STYLE}</style></head><body>"
        f"<h1>fakebus</h1><p>{_text(f'{__version__}, {state}, {data}')}</p><h2>Addresses</h2>"
        f"{''.join(_address(name, address) for name, address in addresses)}"
        f"<h2>{counted(len(topics), 'topic')}</h2>"
        f"{_table(('topic', 'partitions', 'records'), topics, _topic_row)}"
        f"<h2>{counted(len(subjects), 'subject')}</h2>"
        f"{_table(('subject', 'newest'), subjects, _subject_row)}"
        f"<h2>More</h2><p>{' · '.join(_link(path, path) for path in links)} · "
        f"{_link(_DOCUMENTATION, 'documentation')}</p></body></html>"
    )


def _name(topic: Topic) -> str:
    return topic.name


def _address(name: str, address: str) -> str:
    # A client is told host and port, and where it is not plain text, the protocol by itself.
    protocol, separator, rest = address.partition("://")
    if separator and protocol.isupper():
        name, address = name if protocol == "PLAINTEXT" else f"{name}, {protocol}", rest
    return f"<p>{_text(name)}: <code>{_text(address)}</code></p>"


def _topic_row(topic: Topic) -> Sequence[str]:
    records = sum(log.high_watermark - log.log_start_offset for log in topic.partitions)
    return f"<code>{_text(topic.name)}</code>", f"{len(topic.partitions):,}", f"{records:,}"


def _subject_row(subject: str) -> Sequence[str]:
    path = f"/subjects/{quote(subject, safe='')}/versions/latest"
    return f"<code>{_text(subject)}</code>", _link(path, "show")


def _table(names: Sequence[str], items: Sequence[Any], row: Callable[[Any], Sequence[str]]) -> str:
    """Return a table, with what is beyond the limit left out."""
    if not items:
        return ""
    rows = "".join(_row("td", row(item)) for item in items[:MAX_ROWS])
    left = len(items) - MAX_ROWS
    more = f"<p>and {left:,} more</p>" if left > 0 else ""
    return f"<table><thead>{_row('th', names)}</thead><tbody>{rows}</tbody></table>{more}"


def _row(cell: str, texts: Sequence[str]) -> str:
    first, *others = texts
    rest = "".join(f'<{cell} class="n">{text}</{cell}>' for text in others)
    return f"<tr><{cell}>{first}</{cell}>{rest}</tr>"


def _link(target: str, text: str) -> str:
    return f'<a href="{escape(target)}" rel="noopener">{_text(text)}</a>'


def _text(text: str) -> str:
    return escape(printable(text))
