"""What a fakebus, and no Kafka, tells of its clients: what they asked for and where they read."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple

from fakebus.cli.diagnosis.finding import Finding, note, problem
from fakebus.fixture_files.times import to_datetime
from fakebus.types import TopicPartition
from fakebus.wording import nearest

if TYPE_CHECKING:
    from fakebus.broker.activity import Activity
    from fakebus.client.registry import RegistryClient
    from fakebus.testing.groups import Start

_OURS = "fakebus-cli"


class ClientView(NamedTuple):
    """Clients of a fakebus at one moment."""

    missing: tuple[Activity, ...]
    """Who asked for topics that were not there."""
    starts: dict[tuple[str, str, TopicPartition], Start]
    """Where members began last, by client id, group and partition."""
    positions: dict[tuple[str, TopicPartition], int]
    """Up to where clients have fetched, by client id and partition."""


def view_clients(registry: RegistryClient | None) -> ClientView | None:
    """Return what the bus with this registry tells; ``None`` if it is none.

    Raises:
        RegistryClientError: it does not answer.
    """
    # The broker comes with these; most of what the doctor asks needs none of it.
    from fakebus.broker.activity import Activity, Origin
    from fakebus.client.registry import RegistryRefusalError
    from fakebus.testing.groups import starts

    if registry is None:
        return None
    try:
        told = registry.request("GET", "/_fakebus/v1/activities")
    except RegistryRefusalError:
        return None
    activities = [
        Activity(**{**each, "origin": Origin(front_end="kafka", **each["origin"])})
        for each in told["activities"]
    ]
    began = {}
    for start in starts(activities):
        place = TopicPartition(start.at.topic, start.at.partition)
        began[start.at.origin.client_id, start.group, place] = start
    positions = {
        (each["client_id"], TopicPartition(each["topic"], each["partition"])): each["offset"]
        for each in told["positions"]
    }
    missing = tuple(each for each in activities if each.verb == "asked for")
    return ClientView(missing, began, positions)


def check_faults(registry: RegistryClient) -> Iterator[Finding]:
    """Yield what goes wrong on purpose, of a fakebus.

    Raises:
        RegistryClientError: it does not answer.
    """
    for fault in registry.request("GET", "/_fakebus/v1/faults"):
        yield note(
            f"a fault is switched on: {fault['description']} (happened {fault['fired']} times)",
            f"if nobody needs it, end it:  fakebus faults remove {fault['fault']}",
        )


def check_missing_topics(
    view: ClientView, topics: Collection[str], looked_at: Collection[str]
) -> Iterator[Finding]:
    """Yield which clients have asked for topics that are not there, and what they meant.

    Args:
        view: the clients.
        topics: all that there are.
        looked_at: those that the doctor was asked about; what was meant for another one is only
            worth knowing then. All when empty.
    """
    for asked in view.missing:
        if asked.topic in topics or asked.origin.client_id == _OURS:
            continue
        at = to_datetime(asked.at_ms).astimezone().strftime("%H:%M:%S")
        meant = get_close_matches(asked.topic, looked_at, n=1)
        say = problem if meant or not looked_at else note
        yield say(
            f"client {asked.origin} has asked for topic {asked.topic!r} (first at {at}), which is "
            f"not there; {nearest(asked.topic, topics)}",
            "compare the name in the client: it must be exactly the topic's, with its prefix",
            f"or make the topic:  fakebus topics --create {asked.topic}",
        )
