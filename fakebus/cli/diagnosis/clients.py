"""What a fakebus, and no Kafka, tells of its clients: what they asked for, and why groups stand."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fakebus.cli.diagnosis.finding import Finding, note, problem
from fakebus.types import TopicPartition
from fakebus.wording import nearest

if TYPE_CHECKING:
    from fakebus.client.registry import RegistryClient

_OURS = "fakebus-cli"


def ask_bus(registry: RegistryClient | None, path: str) -> Any:
    """Return what the bus with this registry answers; ``None`` if it is none, or knows nothing.

    Raises:
        RegistryClientError: it does not answer.
    """
    from fakebus.client.registry import RegistryRefusalError

    if registry is None:
        return None
    try:
        return registry.request("GET", f"/_fakebus/v1/{path}")
    except RegistryRefusalError:
        return None


def ask_why(registry: RegistryClient | None, group: str) -> Any:
    """Return why a group of a bus is stuck; ``None`` if there is no such group."""
    return ask_bus(registry, f"why/{quote(group, safe='')}")


def ask_transaction(registry: RegistryClient | None, place: TopicPartition, offset: int) -> str:
    """Return the transactional id that a record was written under, as far as a bus tells."""
    record = quote(f"{place.topic}[{place.partition}]@{offset}", safe="")
    found = ask_bus(registry, f"flow?depth=0&record={record}")
    told = found["records"][0]["transaction"] if found and found["records"] else None
    return told["transactional_id"] if told else ""


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
    clients: Collection[dict[str, Any]], topics: Collection[str], looked_at: Collection[str]
) -> Iterator[Finding]:
    """Yield which clients have asked for topics that are not there, and what they meant.

    Args:
        clients: all that the bus has met, as ``fakebus clients --json`` prints them.
        topics: all that there are.
        looked_at: those that the doctor was asked about; what was meant for another one is only
            worth knowing then. All when empty.
    """
    for client in clients:
        for topic in client["asked_for_unknown"]:
            if topic in topics or client["client_id"] == _OURS:
                continue
            meant = get_close_matches(topic, looked_at, n=1)
            say = problem if meant or not looked_at else note
            yield say(
                f"client {client['client_id'] or client['service']} has asked for topic {topic!r}, "
                f"which is not there; {nearest(topic, topics)}",
                "compare the name in the client: it must be exactly the topic's, with its prefix",
                f"or make the topic:  fakebus topics --create {topic}",
            )
