from __future__ import annotations

import pytest

from fakebus.broker.broker import Broker
from fakebus.errors import ErrorCode, StorageError
from fakebus.kafka.handlers.find_coordinator import handle_find_coordinator
from fakebus.protocol.messages import FindCoordinatorRequest
from tests.unit.kafka.handlers.calling import call


@pytest.mark.parametrize("version", range(4))
async def test_old_versions_name_one_coordinator(broker: Broker, version: int) -> None:
    response = await call(
        handle_find_coordinator, FindCoordinatorRequest(key="g"), broker, version=version
    )
    assert (response.node_id, response.host, response.port) == (1, "kafka.test", 9092)
    assert response.error_code == 0


@pytest.mark.parametrize("version", [4, 5, 6])
@pytest.mark.parametrize("key_type", [0, 1])
async def test_new_versions_answer_several_keys(
    broker: Broker, version: int, key_type: int
) -> None:
    request = FindCoordinatorRequest(key_type=key_type, coordinator_keys=["g", "", "h"])
    response = await call(handle_find_coordinator, request, broker, version=version)
    assert [c.key for c in response.coordinators] == ["g", "", "h"]
    assert {(c.node_id, c.host, c.port) for c in response.coordinators} == {(1, "kafka.test", 9092)}
    assert {c.error_code for c in response.coordinators} == {0}


async def test_transactional_ids_have_a_coordinator_too(broker: Broker) -> None:
    request = FindCoordinatorRequest(key="tx", key_type=1)
    response = await call(handle_find_coordinator, request, broker, version=1)
    assert (response.error_code, response.node_id) == (0, 1)


async def test_other_key_types_are_refused(broker: Broker) -> None:
    request = FindCoordinatorRequest(key="k", key_type=2, coordinator_keys=["k"])
    old = await call(handle_find_coordinator, request, broker, version=3)
    assert (old.error_code, old.node_id, old.host, old.port) == (42, -1, "", -1)
    (new,) = (await call(handle_find_coordinator, request, broker, version=6)).coordinators
    assert (new.error_code, new.node_id, new.key) == (ErrorCode.INVALID_REQUEST.code, -1, "k")


async def test_asking_for_a_group_creates_the_internal_topic(broker: Broker) -> None:
    await call(handle_find_coordinator, FindCoordinatorRequest(coordinator_keys=["g"]), broker)
    topic = broker.topics.get("__consumer_offsets")
    assert topic is not None
    assert topic.is_internal


async def test_clients_ask_again_when_the_internal_topic_cannot_be_stored(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(name: str) -> None:
        raise StorageError("the disk is full")

    monkeypatch.setattr(broker, "ensure_internal_topic", fail)
    request = FindCoordinatorRequest(key="g")
    response = await call(handle_find_coordinator, request, broker, version=3)
    assert response.error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE.code
