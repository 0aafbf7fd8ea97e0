"""Headers of a record that is written once more: which it keeps, and which are made anew."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from fakebus.cluster.events import Event
from fakebus.cluster.filters import instant
from fakebus.lineage.header_rules import REPLAY_OF, default_rules, normalized

POLICIES = {
    "new": "as a new event: a new ce_id and ce_time, no traces and no marks of retries",
    "keep": "as they are",
    "none": "none",
}
"""What becomes of headers, by name."""
_IDENTITY: dict[str, Callable[[int], str]] = {
    "ce-id": lambda now_ms: str(uuid4()),
    "ce-time": lambda now_ms: instant(now_ms) or "",
}
_OF_ANOTHER = ("trace", "cause", "origin", "origin-topic", "origin-partition", "origin-offset")
"""Kinds of ids that tell of another event than the one that is to be written."""
_MARKS = (
    *("tracestate", "baggage", "x-b3-", "x-datadog-", "elasticapm", "ce-tracestate"),
    *("kafka-dlt-", "kafka-original-", "retry-topic-", "--connect.errors."),
)
"""How other names of headers begin that tell of it."""


def copied_headers(
    event: Event, policy: str, now_ms: int, *, is_there: bool = True
) -> list[tuple[str, bytes | None]]:
    """Return the headers of a copy of a record.

    Args:
        event: the record.
        policy: one of ``POLICIES``.
        now_ms: the present, in milliseconds since the epoch.
        is_there: whether its place is still its own, so that a new event can name it.
    """
    if policy == "none":
        return []
    if policy == "keep":
        return list(event.headers)
    dropped = {normalized(rule.name) for rule in default_rules() if rule.kind in _OF_ANOTHER}
    headers: list[tuple[str, bytes | None]] = []
    for name, value in event.headers:
        plain = normalized(name)
        if plain not in dropped and not plain.startswith(_MARKS):
            new = _IDENTITY.get(plain)
            headers.append((name, value if new is None else new(now_ms).encode()))
    return [*headers, (REPLAY_OF, event.name.encode())] if is_there else headers
