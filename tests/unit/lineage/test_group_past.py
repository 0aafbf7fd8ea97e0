"""Groups as they were at a time."""

from __future__ import annotations

from fakebus.app import FakeBus
from fakebus.broker.activity import Origin
from fakebus.lineage.group_past import group_past
from fakebus.types import TopicPartition
from tests.manual_clock import ManualClock
from tests.unit.lineage.test_flow import settings

PLACE = TopicPartition("orders", 0)


async def test_a_share_group_had_done_what_comes_before_the_first_record_not_acknowledged() -> None:
    clock = ManualClock()
    origin = Origin(front_end="kafka", client_id="worker")
    async with FakeBus(settings(), clock=clock) as bus:
        ends = []
        for first, last in ((0, 1), (4, 4), (2, 3)):
            bus.broker.activity.note("acknowledged", origin, PLACE, (first, last), "g")
            past = await group_past(bus.lineage, "g", [PLACE], clock.now_ms())
            ends.append(past.committed[PLACE].offset)
            clock.advance(1)
        assert ends == [2, 2, 5]
        past = await group_past(bus.lineage, "g", [PLACE], clock.now_ms() - 1500)
        assert past.committed[PLACE].offset == 2
        assert not (await group_past(bus.lineage, "g", [PLACE], 0)).committed
