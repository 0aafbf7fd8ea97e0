"""Records and links of a flow, as JSON has them: what ``fakebus flow --json`` prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from fakebus.lineage.header_rules import REPLAY_OF, bounded
from fakebus.lineage.links import Link
from fakebus.lineage.place import Place
from fakebus.lineage.records import PartOfTransaction
from fakebus.lineage.seeded_lines import line_place
from fakebus.records.record import Record
from fakebus.storage.lineage_interface import NoteRow

_FRONT_ENDS = {"rest": "rest", "console": "rest", "redis": "redis"}


def told_record(
    place: Place,
    record: Record | None,
    note: NoteRow | None,
    who: Mapping[str, Any],
    groups: list[dict[str, Any]],
    part: PartOfTransaction | None,
    not_found: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return a record of a flow.

    Args:
        place: where it is, or was.
        record: what is there.
        note: of who wrote it.
        who: its client, as others see it.
        groups: what became of it in each.
        part: its part in a transaction.
        not_found: the ids that it states to be those of its causes and nothing has, by what states
            them.
    """
    if part is not None and note is not None and note.member:
        part = part._replace(transactional_id=note.member)
    front_end = who.get("front_end", "")
    origin = "produced" if note is None else note.verb
    if origin == "produced" and front_end in _FRONT_ENDS:
        origin = _FRONT_ENDS[front_end]
    detail = "" if note is None else note.detail
    if note is not None and note.verb != "produced":
        detail = line_place(detail, place.offset - note.first)
    if note is None and record is not None and (detail := replayed_from(record.headers)):
        origin = "replayed"
    timestamp_ms = note.at_ms if note is not None else -1
    if record is not None and record.timestamp >= 0:
        timestamp_ms = record.timestamp
    return {
        "record": str(place),
        "topic": place.topic,
        "partition": place.partition,
        "offset": place.offset,
        "timestamp_ms": timestamp_ms,
        "written_at_ms": None if note is None else note.at_ms,
        "origin": origin,
        "origin_detail": detail,
        "service": who.get("service", ""),
        "client_id": who.get("client_id", ""),
        "process": who.get("process"),
        "address": who.get("address", ""),
        "type": _type(record),
        "gone": record is None,
        "transaction": None if part is None else part.told(),
        "causes_not_found": [{"by": by, "id": told} for by, told in not_found.items()],
        "groups": groups,
    }


def replayed_from(headers: Iterable[tuple[str, bytes | None]]) -> str:
    """Return the record that one with such headers was made of; empty if they do not tell."""
    found = (value for name, value in headers if name == REPLAY_OF and value)
    return bounded(next(found, b"")).decode("utf-8", "replace")


def _type(record: Record | None) -> str:
    """Return what an event calls its type; empty for nothing."""
    for name, value in () if record is None else record.headers[:100]:
        if name.lower() in ("ce_type", "type", "event-type", "eventtype") and value:
            return value[:800].decode("utf-8", "replace")[:200]
    return ""


def told_edge(link: Link, told: Mapping[Place, Mapping[str, Any]]) -> dict[str, Any]:
    """Return a link of two records that are told."""
    return {
        "from": str(link.cause),
        "to": str(link.effect),
        "evidence": link.evidence,
        "by": link.by,
        "delay_ms": told[link.effect]["timestamp_ms"] - told[link.cause]["timestamp_ms"],
        "rivals": link.rivals,
        "rank": link.rank,
    }
