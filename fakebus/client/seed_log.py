"""The ledger of a cluster (see :mod:`fakebus.fixture_files.seeding.ledger`), one seed at a time.

Two seeds that ran at once would both find that nothing is there, and write everything twice. So
each claims the ledger by a note in it: the topic has one partition, whose order is the same for
all, and the first claim that is not taken back has its turn. This needs no more of a cluster than
a topic. A process that ended without taking its claim back is noticed at once on the same machine;
elsewhere by its silence, for longer than any seed that lives is silent.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from uuid import uuid4

from fakebus.client.connection import Connection
from fakebus.client.publishing import Publisher
from fakebus.client.topic_contents import read_topics
from fakebus.client.topics import WantedTopic, create_topics
from fakebus.escaping import printable
from fakebus.fixture_files import LEDGER_TOPIC
from fakebus.fixture_files.seeding.ledger import LEDGER_CONFIG, Ledger
from fakebus.real_time import monotonic
from fakebus.records.record import NewRecord

FLUSH_S = 60.0
"""How long a cluster may take to acknowledge what is written."""
_CLAIM = b"fixtures.claim:"
_SILENCE_S = FLUSH_S + 10
_ASK_AGAIN_S = 0.2
_Notes = Sequence[tuple[bytes | None, bytes | None]]
_log = logging.getLogger(__name__)


class SeedLog:
    """Ledger of a cluster, which is one of its topics.

    Args:
        connection: the cluster; it gets the topic if it has none.
    """

    def __init__(self, connection: Connection) -> None:
        if LEDGER_TOPIC not in connection.refresh().topics:
            wanted = WantedTopic(LEDGER_TOPIC, 1, LEDGER_CONFIG)
            create_topics(connection, [wanted], may_exist=True)
        self._connection = connection
        self._publisher = Publisher(connection, timeout_s=FLUSH_S)

    @contextmanager
    def turn(self) -> Iterator[Ledger]:
        """Wait until no other seed writes, keep others from it meanwhile, and give what is noted.

        Raises:
            ClientError: the cluster does not answer.
        """
        key = _CLAIM + uuid4().hex.encode()
        self._claim(key)
        try:
            yield self._ledger_of(key)
        finally:
            self.write(NewRecord(key, None))

    def write(self, *notes: NewRecord) -> None:
        """Append notes; ClientError if the cluster does not take them."""
        for note in notes:
            self._publisher.send(LEDGER_TOPIC, note)
        self._publisher.flush()

    def _claim(self, key: bytes) -> None:
        self.write(NewRecord(key, json.dumps(_this_process()).encode()))

    def _ledger_of(self, key: bytes) -> Ledger:
        length, since = -1, monotonic()
        while True:
            notes = _notes(self._connection)
            claims = _claims(notes)
            first = next(iter(claims), None)
            if first == key:
                return Ledger(notes)
            if first is None or key not in claims:
                # Somebody has emptied or deleted the ledger.
                self._claim(key)
                continue
            if length < 0:
                _log.warning("another seed is running, by %s: waiting", _named(claims[first]))
            if len(notes) != length:
                length, since = len(notes), monotonic()
            if _has_ended(claims[first]) or monotonic() - since > _SILENCE_S:
                self.write(NewRecord(first, None))
            else:
                time.sleep(_ASK_AGAIN_S)


def read_ledger(connection: Connection) -> Ledger:
    """Return the ledger of a cluster; an empty one if it was never seeded."""
    return Ledger(_notes(connection) if LEDGER_TOPIC in connection.metadata.topics else ())


def _notes(connection: Connection) -> _Notes:
    (topic,) = read_topics(connection, [LEDGER_TOPIC])
    return [(record.key, record.value) for record in topic.records]


def _claims(notes: _Notes) -> dict[bytes, bytes]:
    """Return the claims that are not taken back, the first of them first."""
    found: dict[bytes, bytes] = {}
    for key, value in notes:
        if key is not None and key.startswith(_CLAIM):
            if value is None:
                found.pop(key, None)
            else:
                found[key] = value
    return found


def _this_process() -> dict[str, object]:
    machine = platform.node()
    with suppress(OSError):
        # Containers may have one name and process ids of their own.
        machine += f" {os.readlink('/proc/self/ns/pid')}"
    return {"machine": machine, "pid": os.getpid()}


def _claimed_by(claim: bytes) -> tuple[str, int]:
    """Return the machine and the process of a claim, which anybody may have written."""
    with suppress(ValueError, KeyError, TypeError):
        entry = json.loads(claim)
        return str(entry["machine"]), int(entry["pid"])
    return "", 0


def _named(claim: bytes) -> str:
    machine, pid = _claimed_by(claim)
    return f"process {pid} on {printable(machine.split(' ')[0])}"


def _has_ended(claim: bytes) -> bool:
    machine, pid = _claimed_by(claim)
    if machine != _this_process()["machine"] or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, ProcessLookupError)
    except OverflowError:
        return True
    return False
