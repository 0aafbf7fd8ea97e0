"""What a transactional id holds back, for whom and since when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from fakebus.broker.broker import Broker
from fakebus.broker.transactions.state import TransactionState
from fakebus.broker.turns import in_turns
from fakebus.lineage.lineage import Lineage
from fakebus.lineage.transactions import open_transaction
from fakebus.lineage.why.cause import MOST_LISTED, Cause, ago, place_name, some
from fakebus.lineage.why.given_records import given_from
from fakebus.types import TopicPartition
from fakebus.wording import counted


class _Held(NamedTuple):
    """Partition whose records a transaction holds back."""

    place: TopicPartition
    begin: int
    """Where its first record there is."""
    end: int


async def explain_transaction(
    broker: Broker, lineage: Lineage, transactional_id: str
) -> dict[str, Any] | None:
    """Return what is the matter with a transactional id; ``None`` if there is none of that name."""
    await lineage.settle()
    state = broker.transactions.get(transactional_id)
    if state is None:
        return None
    causes = [await _open(broker, lineage, state)] if state.is_ongoing else []
    return {
        "group": "",
        "transactional_id": transactional_id,
        "state": str(state.status),
        "lag": None,
        "well": not causes,
        "causes": [cause.told() for cause in causes],
    }


async def _open(broker: Broker, lineage: Lineage, state: TransactionState) -> Cause:
    which = open_transaction(broker.transactions, state, lineage.service_of)
    now_ms = broker.clock.now_ms()
    held = list(_held(broker, state))
    waiting = await _waiting_groups(broker, held)
    text = f"{which} has been open for {ago(now_ms - state.start_ms)}"
    if held:
        places = some(f"{place_name(each.place)} from offset {each.begin} on" for each in held)
        text += f" and holds back {places}: readers of committed records do not see what is there"
    else:
        text += " and has written nothing yet"
    if waiting:
        text += f"; {counted(len(waiting), 'group')} can read no further: {some(waiting)}"
    if state.offsets:
        text += f"; it is to commit offsets of {some(sorted(state.offsets))}"
    left_ms = max(0, state.start_ms + state.timeout_ms - now_ms)
    return Cause(
        "open_transaction",
        text,
        (
            "let its producer commit or abort it",
            f"if that has died, the transaction is aborted in {ago(left_ms)}, when its "
            "transaction.timeout.ms is over",
        ),
        {
            "transaction": which._asdict(),
            "partitions": [
                {
                    "topic": each.place.topic,
                    "partition": each.place.partition,
                    "first_offset": each.begin,
                    "end_offset": each.end,
                }
                for each in held[:MOST_LISTED]
            ],
            "waiting_groups": waiting[:MOST_LISTED],
            "commits_for": sorted(state.offsets)[:MOST_LISTED],
        },
    )


def _held(broker: Broker, state: TransactionState) -> Sequence[_Held]:
    found = []
    for place in sorted(state.partitions):
        log = broker.topics.logs.get(place)
        transactions = None if log is None else log.producers.transactions
        for first, producer_id in () if transactions is None else transactions.open.items():
            if log is not None and producer_id == state.producer_id:
                found.append(_Held(place, first, log.high_watermark))
    return found


async def _waiting_groups(broker: Broker, held: Sequence[_Held]) -> list[str]:
    """Return the groups that have read up to the transaction and cannot go on."""
    coordinator, waiting = broker.group_coordinator, set[str]()
    for place, _, _ in held[:MOST_LISTED]:
        log = broker.topics.logs[place]
        stable_end = log.last_stable_offset
        streams = broker.activity.positions.at(place)
        # Who reads uncommitted is sent more.
        beyond = {stream.group for stream in streams if stream.sent_to > stable_end}
        async for group in in_turns(coordinator.names()):
            committed = coordinator.committed_offset(group, place)
            if committed is None or committed > stable_end or group in beyond:
                continue
            if await given_from(log, committed, reads_committed=True) == stable_end:
                waiting.add(group)
    return sorted(waiting)
