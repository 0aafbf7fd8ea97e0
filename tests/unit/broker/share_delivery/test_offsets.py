from __future__ import annotations

import pytest

from fakebus.broker.broker import Broker
from fakebus.errors import BrokerError, ErrorCode
from tests.unit.broker.batches import T0


async def test_a_share_group_without_a_name_has_no_offsets_to_administer(broker: Broker) -> None:
    await broker.topics.create("t", 1, {})
    for administer in (
        broker.shares.offsets.alter("", {T0: 0}),
        broker.shares.offsets.delete("", []),
    ):
        with pytest.raises(BrokerError) as raised:
            await administer
        assert raised.value.error_code is ErrorCode.INVALID_GROUP_ID
    assert broker.group_coordinator.get("") is None


async def test_a_group_that_is_not_there_yet_may_be_told_where_to_begin(broker: Broker) -> None:
    await broker.topics.create("t", 1, {})
    assert await broker.shares.offsets.alter("new", {T0: 0}) == {T0: ErrorCode.NONE}
    group = broker.group_coordinator.get("new")
    assert group is not None
    assert group.group_type == "share"
