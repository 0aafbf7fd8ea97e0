from __future__ import annotations

import pytest

from fakebus.broker.broker import Broker
from fakebus.broker.security import quotas
from fakebus.broker.security.quotas import ClientQuotaAlteration
from fakebus.kafka.api import ClientConnection, RequestContext
from fakebus.protocol.api_keys import ApiKey
from fakebus.storage.sqlite import SqliteStorage


async def test_what_a_client_has_to_come_back_for_is_not_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quotas, "monotonic", lambda: 1000.0)
    storage = await SqliteStorage.open(None)
    broker = Broker(storage)
    await broker.start()
    connection = ClientConnection(1, "PLAINTEXT", "/127.0.0.1")
    context = RequestContext(
        broker=broker,
        node_id=1,
        connection=connection,
        api_key=int(ApiKey.FETCH),
        api_version=12,
        correlation_id=1,
        client_id="reader",
        origin=connection.origin("reader"),
        advertised=lambda _: [],
    )
    assert not context.must_come_back(10**9)
    limit = ClientQuotaAlteration((("client-id", "reader"),), [("consumer_byte_rate", 100.0)])
    await broker.security.quotas.alter([limit], validate_only=False)
    # A hundred bytes a second are a thousand in the ten seconds that count.
    assert not context.must_come_back(900)
    assert context.must_come_back(600)
    assert context.throttle_ms == 5000
    assert not context.must_come_back(100)
    assert context.throttle_ms == 0
    await broker.close()
    await storage.close()
