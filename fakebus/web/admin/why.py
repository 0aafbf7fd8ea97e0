"""Why a consumer group is stuck, and what an open transaction holds back."""

from __future__ import annotations

from collections.abc import Iterator

from fakebus.broker.broker import Broker
from fakebus.lineage.why.broker_view import astray_clients, explain_group
from fakebus.lineage.why.transaction_view import explain_transaction
from fakebus.web.admin.call import AdminCall
from fakebus.web.errors import RequestError
from fakebus.wording import counted, nearest

_MOST_LACKING = 3


async def why(call: AdminCall) -> object:
    """Tell why a consumer group, or the readers behind a transactional id, are stuck."""
    broker, name = call.bus.broker, call.path("group")
    found = await explain_group(broker, call.bus.lineage, name)
    if found is None:
        found = await explain_transaction(broker, call.bus.lineage, name)
    if found is None:
        ids = (each.transactional_id for each in broker.transactions)
        names = [*broker.group_coordinator.names(), *ids]
        told = f"there is no group {name!r}; {nearest(name, names)}"
        for each in astray_clients(broker)[:1]:
            told += (
                f"; {each.client_id!r} has asked {counted(each.times, 'time')} where the brokers "
                f"are, was told {each.address} and has not come there: if that is its consumer, "
                "advertise an address that it can reach: fakebus up --advertise HOST:PORT"
            )
        told += "".join(_waiting_for_topics(broker))
        raise RequestError(404, told)
    return found


def _waiting_for_topics(broker: Broker) -> Iterator[str]:
    """Yield which clients may not have come to their groups for want of their topics.

    Some libraries join only when a topic is there (franz-go), others end (kafkajs).
    """
    names = [topic.name for topic in broker.topics if not topic.is_internal]
    asked = {each.topic: each for each in broker.activity.missing_topics()}
    lacking = [each for topic, each in asked.items() if broker.topics.get(topic) is None]
    for each in lacking[-_MOST_LACKING:]:
        yield (
            f"; {each.origin.client_id!r} has asked for topic {each.topic!r}, which is not there "
            f"({nearest(each.topic, names)}): its consumer may join its group only when it is"
        )
