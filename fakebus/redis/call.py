"""One command of a client, and what its handler needs to carry it out."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from fakebus.broker.activity import Origin
from fakebus.broker.broker import Broker
from fakebus.broker.peer import Peer
from fakebus.broker.topics import Topic
from fakebus.redis.arguments import Arguments
from fakebus.redis.entries import EntryId
from fakebus.redis.groups import StreamGroup, StreamGroups, no_group
from fakebus.redis.protocol import RedisError, Reply, Status
from fakebus.redis.streams import Entry, Streams
from fakebus.types import TopicPartition

OK = Status("OK")
_ids = itertools.count(1)


class Session:
    """Session of one connection: its choices and its state."""

    def __init__(self) -> None:
        self.id = next(_ids)
        self.version = 2
        self.name = ""
        self.closing = False
        self.gone = False
        """Whether nothing more comes from the client; nothing is waited for then."""
        self.waiting = False
        """Whether a blocked command is waiting."""
        self.peer: Peer | None = None
        self._origin = Origin(front_end="redis", connection_id=self.id)

    def origin(self) -> Origin:
        """Return whose connection it is."""
        if self._origin.client_id != self.name or self._origin.peer is not self.peer:
            self._origin = Origin(
                front_end="redis", client_id=self.name, connection_id=self.id, peer=self.peer
            )
        return self._origin


@dataclass(frozen=True, slots=True)
class Call:
    """Command of a client."""

    broker: Broker
    streams: Streams
    groups: StreamGroups
    session: Session
    arguments: Arguments
    """The words behind the command's name."""

    @property
    def now_ms(self) -> int:
        """The time."""
        return self.broker.clock.now_ms()

    def topic(self) -> Topic | None:
        """Return the topic of the stream that the next word names."""
        return self.streams.topic(self.arguments.text())

    def existing_topic(self, problem: str = "ERR no such key") -> Topic:
        """Return the topic of the stream that the next word names.

        Args:
            problem: the error when there is none.
        """
        topic = self.topic()
        if topic is None:
            raise RedisError(problem)
        return topic

    def topic_and_group(self) -> tuple[Topic, StreamGroup]:
        """Return the stream and the group that the next two words name.

        Raises:
            RedisError: there is no such stream or group.
        """
        return self.topic_and_group_of(self.arguments.text(), self.arguments.text())

    def topic_and_group_of(
        self, name: str, group_name: str, where: str = ""
    ) -> tuple[Topic, StreamGroup]:
        """Return a stream and a group; ``where`` ends the error when one is not there."""
        topic = self.streams.topic(name)
        group = None if topic is None else self.groups.get(topic, group_name)
        if topic is None or group is None:
            raise no_group(name, group_name, where)
        return topic, group

    def group_of(self, topic: Topic) -> StreamGroup:
        """Return the group of a stream that the next word names.

        Raises:
            RedisError: there is no such group.
        """
        name = self.arguments.text()
        group = self.groups.get(topic, name)
        if group is None:
            raise RedisError(f"NOGROUP No such consumer group '{name}' for key name '{topic.name}'")
        return group

    def note(self, verb: str, topic: Topic, entries: Iterable[EntryId], group: str = "") -> None:
        """Note what the client has done with entries."""
        for each in entries:
            place, offsets = TopicPartition(topic.name, each.partition), (each.offset,) * 2
            self.broker.activity.note(verb, self.session.origin(), place, offsets, group)

    def entry(self, entry: Entry) -> Reply:
        """Return an entry as an answer has it."""
        return [str(entry.id), self.streams.fields(entry)]
