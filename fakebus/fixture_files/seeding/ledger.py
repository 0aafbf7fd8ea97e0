"""What of a fixture set is in the log already.

The ledger is a compacted topic of the cluster itself, so that it is the same one whoever seeds:
the bus when it starts, a test, or a client from outside, of fakebus or of any other Kafka. A bus
writes it in the same transactions as the records, so it is never ahead of them nor behind. Per
stream (the events that one file has for one topic) it keeps how many events were seeded and
hashes of their lines, in at most 1024 blocks: one per line for files of ordinary size.
A stream goes by its topic, its set's name if it has one, and the file's path within the set, never
by where the set lies. One that is not known by them, but holds what another file was seeded with
that the set no longer has, is that file under a new name.
A client, which cannot write records and a note in one step, notes before each part where the logs
end and what it is about to write, so that whoever seeds next finds out how far it came.
Everything is tied to the topic's id, so a topic that was deleted counts as never seeded.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from fakebus.fixture_files.model import FixtureEvent, FixtureSet, FixtureStream, FixtureTopic
from fakebus.fixture_files.parties import Parties, TopicParties, noted_parties, parties_of
from fakebus.fixture_files.problems import FixtureProblem, Position
from fakebus.records.record import NewRecord
from fakebus.wording import counted

LEDGER_CONFIG: Mapping[str, str] = {
    "cleanup.policy": "compact",
    # Its records must fit wherever events may be small.
    "max.message.bytes": str(1 << 20),
}
_STREAM_KEY = "fixtures.stream:"
_CONFIG_KEY = "fixtures.config:"
_MAX_BLOCKS = 1024
_BLOCK_HEX = 8
_RECORD_HASH = 4
"""In bytes; a part of 10,000 events has to fit into a note."""
LogRecord = tuple[int, bytes | None, bytes | None]
"""Partition, key and value."""
_RESEED_HINT = (
    "add new events at the end, and seed the same profile as before; "
    "to seed the set afresh, use --reset or a new data file"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _StreamEntry:
    topic_id: str
    events: int
    settings_digest: str
    block_size: int
    blocks: str
    file: str = ""
    """Where the events came from, for messages; notes of older versions do not say."""
    begun: Mapping[str, Any] | None = None
    """Of a part that ends with the last event and may be there or not: the events before it, where
    the logs ended, and hashes of its records."""
    times: Sequence[tuple[int, int]] = ()
    """From which event on the set was loaded at which time, in milliseconds since the epoch."""


class OtherSets(NamedTuple):
    """Declaration of a set's topic by other sets."""

    topic: FixtureTopic
    """The set's own."""
    said: TopicParties
    config: Mapping[str, str]
    """What they have given the topic."""


class Ledger:
    """Ledger of what was seeded.

    Args:
        notes: keys and values of the topic's records, in their order.
    """

    def __init__(self, notes: Iterable[tuple[bytes | None, bytes | None]] = ()) -> None:
        self._values: dict[str, str] = {}
        for key, value in notes:
            if key is not None and value is not None:
                self._values[key.decode()] = value.decode()

    def applied_config(self, topic: str, topic_id: UUID) -> Mapping[str, str] | None:
        """Return the config that the topic was last given from a fixture file."""
        text = self._values.get(_CONFIG_KEY + topic)
        if text is None:
            return None
        entry = json.loads(text)
        config: Mapping[str, str] = entry["config"]
        return config if entry["topic_id"] == str(topic_id) else None

    def note_config(self, topic_id: UUID, topic: FixtureTopic) -> NewRecord:
        """Return the record which says that a topic has the config of its fixture file."""
        entry = {"topic_id": str(topic_id), "config": dict(topic.config)}
        return self._note(_CONFIG_KEY + topic.name, entry)

    def _note(self, key: str, entry: Mapping[str, object]) -> NewRecord:
        text = self._values[key] = json.dumps(entry)
        return NewRecord(key.encode(), text.encode())

    def note_parties(
        self, fixture_set: FixtureSet, topic_ids: Mapping[str, UUID]
    ) -> list[NewRecord]:
        """Return the records which say what is new of who has to do with topics and subjects.

        Args:
            fixture_set: the set.
            topic_ids: the ids of its topics.
        """
        parties = parties_of(fixture_set)
        for topic, said, _ in self.others(fixture_set, topic_ids):
            parties.topics[topic.name] = said.said_with(parties.topics[topic.name])
        return [
            self._note(key, entry)
            for key, entry in parties.notes()
            if self._values.get(key) != json.dumps(entry)
        ]

    @property
    def parties(self) -> Parties:
        """Who has to do with the topics and subjects that were seeded."""
        return noted_parties(self._values)

    def note_new_ids(self, ids: Mapping[UUID, UUID]) -> list[NewRecord]:
        """Return the records which say that topics are the same under other ids.

        Args:
            ids: the new ids by the old ones.
        """
        new = {str(old): str(other) for old, other in ids.items()}
        entries = {key: json.loads(text) for key, text in self._values.items()}
        return [
            self._note(key, {**entry, "topic_id": new[entry["topic_id"]]})
            for key, entry in entries.items()
            if entry.get("topic_id") in new
        ]

    def seeded_count(self, stream: FixtureStream, topic_id: UUID | None) -> int:
        """Return how many of a stream's events are in the topic's log; changed ones count."""
        entry = self._entry(stream, topic_id)
        if entry is None:
            return 0
        count: int = entry.events if entry.begun is None else entry.begun["events"]
        return count

    def changes(
        self, fixture_set: FixtureSet, topic_ids: Mapping[str, UUID]
    ) -> list[tuple[str, FixtureProblem]]:
        """Return what has changed in the parts of a set that are seeded already, by topic.

        Args:
            fixture_set: the set; files of it that were renamed are known afterwards.
            topic_ids: the ids of those of its topics that are there.
        """
        self._recognise_renamed(fixture_set.streams, topic_ids)
        found = []
        for stream in fixture_set.streams:
            entry = self._entry(stream, topic_ids.get(stream.topic))
            problem = None if entry is None else _change(stream, entry)
            if problem is not None:
                found.append((stream.topic, problem))
        return found

    def others(self, fixture_set: FixtureSet, topic_ids: Mapping[str, UUID]) -> Iterator[OtherSets]:
        """Yield what other sets have declared of a set's topics.

        Args:
            fixture_set: the set.
            topic_ids: the ids of those of its topics that are there.
        """
        sets = {part.identity for part in fixture_set.parts or (fixture_set,)}
        files = {(each.topic, each.file) for each in fixture_set.streams if not each.set_name}
        noted = self.parties.topics
        for topic in fixture_set.topics:
            said, topic_id = noted.get(topic.name), topic_ids.get(topic.name)
            if said is None or topic_id is None:
                continue
            config = self.applied_config(topic.name, topic_id)
            if config is not None and any(
                # One without a name that lies elsewhere now is known by its files.
                not (os.path.isabs(name) and theirs and files >= {(topic.name, f) for f in theirs})
                for name, theirs in said.sets.items()
                if name not in sets
            ):
                yield OtherSets(topic, said, config)

    def _recognise_renamed(
        self, streams: Sequence[FixtureStream], topic_ids: Mapping[str, UUID]
    ) -> None:
        taken = {_stream_key(stream) for stream in streams}
        for stream in streams:
            topic_id = topic_ids.get(stream.topic)
            if topic_id is None or self._entry(stream, topic_id) is not None:
                continue
            for key, text in self._values.items():
                if key in taken or not key.startswith(_topic_key(stream)):
                    continue
                entry = _StreamEntry(**json.loads(text))
                if entry.topic_id == str(topic_id) and _change(stream, entry) is None:
                    taken.add(key)
                    self._values[_stream_key(stream)] = text
                    break

    def times(self, stream: FixtureStream, topic_id: UUID | None) -> Sequence[tuple[int, int]]:
        """Return from which of its seeded events on a stream's set was loaded when."""
        entry = self._entry(stream, topic_id)
        return () if entry is None else entry.times

    def begun(self, stream: FixtureStream, topic_id: UUID | None) -> Mapping[int, int] | None:
        """Return where a topic's logs ended before a part that was perhaps not finished."""
        entry = self._entry(stream, topic_id)
        if entry is None or entry.begun is None:
            return None
        return {int(partition): end for partition, end in entry.begun["ends"].items()}

    def unwritten(
        self, stream: FixtureStream, topic_id: UUID, there: Iterable[LogRecord]
    ) -> tuple[int, list[FixtureEvent]]:
        """Return how far a part that was begun goes, and those of its events that are not there.

        Args:
            stream: of the set.
            topic_id: of its topic.
            there: partition, key and value of what is in the logs from :meth:`begun` on.
        """
        entry = self._entry(stream, topic_id)
        if entry is None or entry.begun is None:
            return 0, []
        found: dict[int, Iterator[bytes]] = {}
        logs: dict[int, list[bytes]] = {}
        for record in there:
            logs.setdefault(record[0], []).append(_record_hash(*record[1:]))
        hashes = bytes.fromhex(entry.begun["hashes"])
        missing = []
        for number, event in enumerate(stream.events[entry.begun["events"] : entry.events]):
            wanted = hashes[number * _RECORD_HASH : (number + 1) * _RECORD_HASH]
            # A partition has its part of them in their order, perhaps among records of others.
            log = found.setdefault(event.partition, iter(logs.get(event.partition, ())))
            if wanted not in log:
                missing.append(event)
        return entry.events, missing

    def note_begun(
        self,
        stream: FixtureStream,
        topic_id: UUID,
        part: Sequence[FixtureEvent],
        now_ms: int,
        ends: Mapping[int, int],
    ) -> NewRecord:
        """Return the record which says that a part of a stream is about to be written.

        Args:
            stream: of the set.
            topic_id: of its topic.
            part: the events that follow those that are there.
            now_ms: when the set was loaded.
            ends: where the topic's logs end.
        """
        count = self.seeded_count(stream, topic_id)
        hashes = b"".join(_record_hash(each.record.key, each.record.value) for each in part)
        begun = {"events": count, "ends": ends, "hashes": hashes.hex()}
        return self.note_stream(stream, topic_id, count + len(part), now_ms, begun)

    def note_stream(
        self,
        stream: FixtureStream,
        topic_id: UUID,
        count: int,
        now_ms: int,
        begun: Mapping[str, Any] | None = None,
    ) -> NewRecord:
        """Return the record which says that the first events of a stream are there.

        Args:
            stream: of the set.
            topic_id: of its topic.
            count: how many events are there.
            now_ms: when the set was loaded.
            begun: of a part that is only about to be written.
        """
        before = self._entry(stream, topic_id)
        times = [] if before is None else list(before.times)
        if not times or times[-1][1] != now_ms:
            times.append((self.seeded_count(stream, topic_id), now_ms))
        block_size = max(1, -(-len(stream.events) // _MAX_BLOCKS))
        entry = {
            "topic_id": str(topic_id),
            "events": count,
            "settings_digest": stream.settings_digest,
            "block_size": block_size,
            "blocks": _hash_blocks(stream.events[:count], block_size),
            "file": stream.display_file,
            "times": times,
            **({} if begun is None else {"begun": begun}),
        }
        return self._note(_stream_key(stream), entry)

    def _entry(self, stream: FixtureStream, topic_id: UUID | None) -> _StreamEntry | None:
        text = self._values.get(_stream_key(stream))
        if text is None or topic_id is None:
            return None
        entry = _StreamEntry(**json.loads(text))
        return entry if entry.topic_id == str(topic_id) else None


def _stream_key(stream: FixtureStream) -> str:
    of_set = "" if stream.set_name is None else f"{stream.set_name}:"
    return f"{_topic_key(stream)}{of_set}{stream.file}"


def _topic_key(stream: FixtureStream) -> str:
    return f"{_STREAM_KEY}{stream.topic}:"


def _change(stream: FixtureStream, entry: _StreamEntry) -> FixtureProblem | None:
    """Return what differs between a stream and what was seeded of it, if anything does."""
    if entry.settings_digest != stream.settings_digest:
        return _problem(
            stream,
            1,
            f"the headers, formats, seed, clock or partitioner of {stream.topic} have "
            f"changed since these events were seeded{_origin(stream, entry)}",
        )
    blocks = _hash_blocks(stream.events[: entry.events], entry.block_size)
    for index in range(0, min(len(blocks), len(entry.blocks)), _BLOCK_HEX):
        if blocks[index : index + _BLOCK_HEX] != entry.blocks[index : index + _BLOCK_HEX]:
            return _changed_lines(stream, index // _BLOCK_HEX, entry)
    if len(stream.events) < entry.events:
        return _problem(
            stream,
            stream.events[-1].line,
            f"{counted(entry.events, 'event')} for {stream.topic} were seeded from this file"
            f"{_origin(stream, entry)}, and it has {len(stream.events)} now",
        )
    return None


def _origin(stream: FixtureStream, entry: _StreamEntry) -> str:
    """Return where the events came from, which may be a file of this name in another set."""
    return "" if entry.file in ("", stream.display_file) else f" from {entry.file}"


def _record_hash(key: bytes | None, value: bytes | None) -> bytes:
    told = repr((key, value)).encode()
    return hashlib.blake2b(told, digest_size=_RECORD_HASH).digest()


def _hash_blocks(events: Sequence[FixtureEvent], block_size: int) -> str:
    blocks = (events[start : start + block_size] for start in range(0, len(events), block_size))
    return "".join(
        hashlib.blake2b(
            b"".join(event.digest for event in block), digest_size=_BLOCK_HEX // 2
        ).hexdigest()
        for block in blocks
    )


def _changed_lines(stream: FixtureStream, block: int, entry: _StreamEntry) -> FixtureProblem:
    start = block * entry.block_size
    end = min(start + entry.block_size, entry.events, len(stream.events))
    first, last = stream.events[start].line, stream.events[end - 1].line
    which = "this event" if first == last else f"one of the events up to line {last}"
    message = f"{which} has changed since it was seeded to {stream.topic}{_origin(stream, entry)}"
    return _problem(stream, first, message)


def _problem(stream: FixtureStream, line: int, message: str) -> FixtureProblem:
    return FixtureProblem.at(Position(stream.display_file, line), message, _RESEED_HINT)
