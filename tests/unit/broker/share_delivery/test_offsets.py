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
