"""What happens on the bus, as it happens."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping

from aiohttp import web

from fakebus.broker.activity import Activity
from fakebus.broker.verbs import VERBS
from fakebus.lineage.live import watch
from fakebus.web.admin.call import AdminCall
from fakebus.web.errors import RequestError
from fakebus.web.event_stream import Message, event_stream

MOST_WATCHERS = 20
"""Each of them is told of everything."""
_FIELDS: Mapping[str, Callable[[Activity], str]] = {
    "verb": lambda each: each.verb,
    "topic": lambda each: each.topic,
    "group": lambda each: each.group,
    "client_id": lambda each: each.origin.client_id,
}
_watchers: set[AsyncGenerator[Message | None, None]] = set()


async def watch_events(call: AdminCall) -> web.StreamResponse:
    """Tell what clients do, as it happens, as server-sent events."""
    asked = {name: call.text(name) for name in _FIELDS if call.text(name)}
    if asked.get("verb", "produced") not in VERBS:
        raise RequestError(422, f"verb is one of {', '.join(VERBS)}")

    service, lineage = call.text("service"), call.bus.lineage

    def is_wanted(activity: Activity) -> bool:
        is_own = not service or lineage.service_of(activity.origin) == service
        return is_own and all(_FIELDS[name](activity) == value for name, value in asked.items())

    last = call.request.headers.get("Last-Event-ID", "")
    after = int(last) if last.isascii() and last.isdigit() and len(last) < 20 else None
    if len(_watchers) >= MOST_WATCHERS:
        raise RequestError(503, f"{MOST_WATCHERS} clients watch already")
    watcher = watch(lineage, after, is_wanted)
    _watchers.add(watcher)
    try:
        return await event_stream(call.request, watcher)
    finally:
        _watchers.discard(watcher)
