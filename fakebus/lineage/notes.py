"""Notes of what clients did, in the order of all: activities, merged, numbered and stored.

Ranges that one process writes or is sent without a pause, and without doing anything else in
between, are one note. So the numbers of notes tell what a process had been sent when it wrote.

A commit concerns the records that it passes: those that a process of its group was sent are noted
as committed, the others as skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from weakref import WeakSet

from fakebus.broker.activity import Activity, in_transaction
from fakebus.broker.verbs import WRITTEN
from fakebus.lineage.clients import Client, Clients, Run, make_room
from fakebus.storage.lineage_interface import NoteRow
from fakebus.types import TopicPartition

MERGE_GAP_MS = 100
"""How long the pauses may be between what is one note."""
MERGE_MS = 1000
"""How long what is one note may take in all."""
_LATE_MS = 1000
"""How long after its last commit a process that has nothing else in its hands still produces what
that was about; who does so again and again commits first."""
_MERGED = (*WRITTEN, "fetched")
_MOST_READERS = 100
IS_WHERE_A_READER_BEGINS = ": begins at the "
"""Part of the detail of what is passed when a reader begins, which commits nothing."""


class Notebook:
    """Notes that are being written.

    Args:
        clients: who does it.
    """

    def __init__(self, clients: Clients) -> None:
        self.last_seq = 0
        """The highest number in use."""
        self._clients = clients
        self._changed: dict[int, NoteRow] = {}
        """What is to be stored, by number."""
        self._runs: WeakSet[Run] = WeakSet()
        self._groups: dict[str, dict[Run, None]] = {}
        """The processes that read for a group, the newest of the newest groups."""
        self._starts: dict[tuple[int, TopicPartition], tuple[str, int, str]] = {}
        """Where a client has still to choose where it begins: for which group, up to where it has
        read, and why."""
        self._found: dict[tuple[int, str, TopicPartition], int] = {}
        self._kinds: Mapping[str, Callable[[Activity, Client], None]] = {
            **dict.fromkeys(_MERGED, self._merge),
            "committed": self._commit,
            **dict.fromkeys(("acknowledged", "released"), self._acknowledge),
            "found": self._find,
            "looked up": self._look_up,
            "out of range": self._lose,
            "topic deleted": self._end_topic,
            "fetches": lambda *_: None,
        }

    def note(self, activity: Activity) -> None:
        """Take an activity in."""
        client = self._clients.of(activity.origin, activity.at_ms)
        self._clients.see(activity, client)
        self._kinds.get(activity.verb, self._add)(activity, client)

    def take(self) -> list[NoteRow]:
        """Return the notes that are new or have grown since this was called last."""
        changed, self._changed = list(self._changed.values()), {}
        return changed

    def begin_anew(self) -> None:
        """Let nothing that comes be merged with what was before."""
        for run in self._runs:
            run.notes.clear()
        self._runs.clear()

    def forget(self) -> None:
        """Forget what clients were sent and have not committed, and what is not stored yet."""
        self.begin_anew()
        self._changed.clear()
        self._groups.clear()
        self._starts.clear()
        self._found.clear()

    def _add(
        self, activity: Activity, client: Client, first: int | None = None, **changes: Any
    ) -> NoteRow:
        self.last_seq += 1
        note = NoteRow(
            self.last_seq,
            activity.at_ms,
            activity.at_ms,
            activity.verb,
            client.number,
            activity.topic,
            activity.partition,
            activity.offset if first is None else first,
            activity.last_offset,
            activity.group,
            activity.member,
            activity.detail,
        )
        if changes:
            note = note._replace(**changes)
        self._changed[note.seq] = note
        if client.run.verb != note.verb:
            client.run.notes.clear()
            client.run.verb = note.verb
        return note

    # -- what a process writes and is sent --

    def _merge(self, activity: Activity, client: Client) -> None:
        verb, at_ms, _, topic, partition, first, last, group, detail, member, _ = activity
        run, key = client.run, (client.number, topic, partition, group, member)
        if verb == "fetched":
            if run.add_fetched(TopicPartition(topic, partition), first, last):
                run.owing.send_again(client.number)
        elif at_ms - run.committed_ms < _LATE_MS and not any(run.fetched.values()):
            client.see_late(topic)
        if verb == "produced" and run.owing.write(last - first + 1, client.number):
            client.add("produces_after_commit", topic)
        is_behind = verb == "produced" and run.owing.is_behind and not any(run.fetched.values())
        for fact, is_so in (("is_behind", is_behind), ("is_unsure", run.owing.is_unsure)):
            if is_so and not client.facts.get(fact):
                client.facts[fact] = True
                client.has_changed()
        note: NoteRow | None = run.notes.get(key) if run.verb == verb else None
        if (
            note is not None
            and note.last + 1 == first
            and at_ms - note.until_ms < MERGE_GAP_MS
            and at_ms - note.at_ms < MERGE_MS
            and note.detail == detail
            and (not detail or verb == "fetched")
        ):
            note = note._replace(last=last, until_ms=at_ms)
            self._changed[note.seq] = note
        else:
            note = self._add(activity, client)
            self._runs.add(run)
            make_room(run.notes, key)
        run.notes[key] = note

    # -- how far groups are --

    def _readers(self, group: str, run: Run) -> Mapping[Run, None]:
        """Return the processes that read for a group, now that one more does."""
        readers = self._groups.pop(group, {})
        readers.pop(run, None)
        make_room(readers, run, _MOST_READERS)
        make_room(self._groups, group)
        readers[run] = None
        self._groups[group] = readers
        return readers

    def _commit(self, activity: Activity, client: Client) -> None:
        place = TopicPartition(activity.topic, activity.partition)
        readers = self._readers(activity.group, client.run)
        first, end = activity.before, activity.offset
        add = partial(self._add, activity, client)
        if end == first:
            return
        if end < first:
            add(first=end, last=end - 1, detail=f"back from {first}")
            return
        # An offset that is set from outside passes what members were sent and not done with.
        is_ours = activity.member or activity.detail.startswith(in_transaction(""))
        mine = self._clients.runs_of(client)
        committers = {**readers, **dict.fromkeys(mine)} if is_ours else mine
        sent = sorted(each for run in committers for each in run.fetched.get(place, ()))
        if not sent and client.is_old:
            # What it was sent before the bus was started anew is not known any more.
            sent = [(max(first, 0), end - 1)]
        at = first if first >= 0 else sent[0][0] if sent else 0
        done = 0
        # What is behind the committed offset ends like what was sent: it closes the last gap.
        for begin, last in (*sent, (end, end)):
            begin, last = min(max(begin, at), end), min(last, end - 1)
            if begin > at:
                add(first=at, last=begin - 1, verb="skipped", detail="committed without fetching")
            if begin <= last:
                add(first=begin, last=last)
                done += last - begin + 1
            at = max(at, last + 1)
        if client.run.fetched.get(place):
            client.run.committed_ms = activity.at_ms
            client.run.owing.commit(done, client.number)
        for run in readers:
            run.pass_fetched(place, end)

    def _acknowledge(self, activity: Activity, client: Client) -> None:
        place, run = TopicPartition(activity.topic, activity.partition), client.run
        if run.fetched.get(place):
            run.committed_ms = activity.at_ms
            run.owing.commit(activity.last_offset - activity.offset + 1, client.number)
        run.take_off_fetched(place, activity.offset, activity.last_offset)
        self._add(activity, client)

    def _find(self, activity: Activity, client: Client) -> None:
        place = TopicPartition(activity.topic, activity.partition)
        self._readers(activity.group, client.run)
        if activity.offset < 0:
            self._will_begin(client, place, (activity.group, 0, "auto.offset.reset"))
        key = client.number, activity.group, place
        if self._found.get(key) != activity.offset:
            make_room(self._found, key)
            self._found[key] = activity.offset
            self._add(activity, client)

    def _will_begin(
        self, client: Client, place: TopicPartition, start: tuple[str, int, str]
    ) -> None:
        make_room(self._starts, (client.number, place))
        self._starts[client.number, place] = start

    def _lose(self, activity: Activity, client: Client) -> None:
        place = TopicPartition(activity.topic, activity.partition)
        groups = client.facts["groups"]
        group = groups[0] if len(groups) == 1 else ""
        self._will_begin(client, place, (group, activity.offset, "offset out of range"))
        self._add(activity, client, group=group)

    def _end_topic(self, activity: Activity, client: Client) -> None:
        # What goes on at the next offset may be of another topic of the same name.
        self.begin_anew()
        for run in self._clients.runs_that_were_sent(activity.topic):
            run.forget_fetched(activity.topic)
        for key in [key for key in self._found if key[2].topic == activity.topic]:
            del self._found[key]
        self._add(activity, client)

    def _look_up(self, activity: Activity, client: Client) -> None:
        # Others look up offsets too, who only want to know how long a log is.
        place = TopicPartition(activity.topic, activity.partition)
        start = self._starts.pop((client.number, place), None)
        if start is None:
            return
        group, read, why = start
        self._add(activity, client, group=group)
        if read < activity.offset:
            self._add(
                activity,
                client,
                first=read,
                verb="skipped",
                last=activity.offset - 1,
                group=group,
                detail=f"{why}{IS_WHERE_A_READER_BEGINS}{activity.detail} offset",
            )
