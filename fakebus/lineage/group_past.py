"""Group as it was at a time: who was a member, and what was committed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

from fakebus.lineage.lineage import Lineage
from fakebus.lineage.notes import IS_WHERE_A_READER_BEGINS
from fakebus.storage.lineage_interface import NoteRow
from fakebus.types import TopicPartition

_COMMITS = ("committed", "skipped")
_WENT = ("left", "expelled")
_MOST_NOTES = 2000
_MOST_LOOK_UPS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PastMember:
    """Member of a group at some time."""

    member_id: str
    client_id: str
    service: str
    assigned: str
    """What it had got, in words; empty if that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastCommit:
    """Offset that was committed at some time, and since when."""

    offset: int
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPast:
    """Group at a time, as far as it was noted."""

    members: Sequence[PastMember]
    committed: Mapping[TopicPartition, PastCommit]
    """Of partitions that it had committed something for; a share group all that comes before."""


async def group_past(
    lineage: Lineage, group: str, places: Iterable[TopicPartition], at_ms: int
) -> GroupPast:
    """Return a group as it was.

    Args:
        lineage: what was noted, which reaches back as far as notes are kept.
        group: its name.
        places: whose offsets are wanted.
        at_ms: when, in milliseconds since the epoch.
    """
    await lineage.settle()
    committed = {}
    for place in places:
        found = [await _newest(lineage, group, place, verb, at_ms) for verb in _COMMITS]
        notes = [note for note in found if note is not None]
        if notes:
            newest = max(notes)
            committed[place] = PastCommit(offset=newest.last + 1, at_ms=newest.at_ms)
        elif (done := await _acknowledged(lineage, group, place, at_ms)) is not None:
            committed[place] = done
    return GroupPast(members=await _members(lineage, group, at_ms), committed=committed)


async def _newest(
    lineage: Lineage, group: str, place: TopicPartition, verb: str, at_ms: int
) -> NoteRow | None:
    """Return the newest commit of a kind; what readers pass when they begin is none."""
    most = 1 if verb == "committed" else _MOST_LOOK_UPS
    notes = await lineage.store.notes_of_group(group, (verb,), most, *place, at_ms)
    return next((note for note in notes if IS_WHERE_A_READER_BEGINS not in note.detail), None)


async def _acknowledged(
    lineage: Lineage, group: str, place: TopicPartition, at_ms: int
) -> PastCommit | None:
    """Return up to where a share group had acknowledged all, as far back as that is noted."""
    verbs = ("acknowledged",)
    notes = await lineage.store.notes_of_group(group, verbs, _MOST_NOTES, *place, at_ms)
    end, since_ms = -1, -1
    for note in sorted(notes, key=attrgetter("first")):
        if -1 < end < note.first:
            break
        end, since_ms = max(end, note.last + 1), max(since_ms, note.at_ms)
    return PastCommit(offset=end, at_ms=since_ms) if notes else None


async def _members(lineage: Lineage, group: str, at_ms: int) -> list[PastMember]:
    newest, assigned = dict[str, NoteRow](), dict[str, str]()
    verbs = ("joined", "was assigned", *_WENT)
    for note in await lineage.store.notes_of_group(group, verbs, _MOST_NOTES, until_ms=at_ms):
        if note.verb == "was assigned":
            assigned.setdefault(note.member, note.detail)
        else:
            newest.setdefault(note.member, note)
    members = []
    for member_id, note in sorted(newest.items()):
        if not member_id or note.verb in _WENT:
            continue
        client = lineage.clients.by_number.get(note.client)
        told = {} if client is None else lineage.clients.told(client, 0)
        members.append(
            PastMember(
                member_id=member_id,
                client_id=told.get("client_id", ""),
                service=told.get("service", ""),
                assigned=assigned.get(member_id, ""),
            )
        )
    return members
