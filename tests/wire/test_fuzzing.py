"""Frames made wrong, for every API: a part of what ``make fuzz`` does, without its clock."""

from __future__ import annotations

import logging
import random
from uuid import UUID

import pytest

from fakebus.addresses import Address, KafkaAddress
from fakebus.app import BusThread, FakeBus
from fakebus.config import Settings
from fakebus.kafka.served import SERVED
from fakebus.protocol import codec
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import MetadataRequest
from fuzzing import largest
from fuzzing.bus import CONFIGS
from fuzzing.corpus import of_clients, of_every_api
from fuzzing.mutation import GROUPS, Mutator, group_of
from fuzzing.sending import Sender
from tests.wire.client import RawClient

FRAMES = 1_500


@pytest.mark.filterwarnings("ignore:.* is deprecated:DeprecationWarning")
@pytest.mark.parametrize("seed", [1, 2])
def test_mutated_frames_end_in_answers_or_closed_connections_and_nothing_else(
    seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(
        data=None,
        kafka=(Address("127.0.0.1", 0), KafkaAddress("127.0.0.1", 0, "SASL_PLAINTEXT")),
        http=(),
        set=CONFIGS,
    )
    choice = random.Random(seed)
    with caplog.at_level(logging.ERROR), BusThread(FakeBus(settings)) as running:
        ports = [address.port for address in running.bus.kafka_addresses]
        mutator = Mutator(of_clients(ports[0]), of_every_api(choice), choice)
        sender = Sender(ports, choice)
        for _ in range(FRAMES // 50):
            sender.converse(*mutator.conversation())
            for _ in range(20):
                sender.send(mutator.frame())
        sender.close()
        # On a busy machine many are given up.
        assert sender.answered > (sender.sent - sender.given_up) // 10
        assert sender.answered + sender.refused + sender.given_up > sender.sent * 9 // 10
        with RawClient(running.bus.bootstrap_servers) as client:
            assert client.call(ApiKey.METADATA, 12, MetadataRequest(topics=[])).brokers
    assert errors(caplog) == []


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what the bus has logged of what it did not expect."""
    ours = [each for each in caplog.records if each.name.startswith(("fakebus", "asyncio"))]
    return [logging.Formatter().format(each) for each in ours]


def test_what_is_kept_of_clients_has_frames_of_every_group_of_apis_a_login_and_its_topics_ids() -> (
    None
):
    settings = Settings(data=None, kafka=(Address("127.0.0.1", 0),), http=())
    with BusThread(FakeBus(settings)) as running:
        conversations = of_clients(running.bus.kafka_addresses[0].port)
        topic = running.bus.broker.topics.get("fuzz")
    frames = [frame for each in conversations for frame in each.frames]
    assert {group_of(frame) for frame in frames} == set(GROUPS)
    assert {each.is_login for each in conversations} == {True, False}
    assert any(topic.topic_id.bytes in frame for frame in frames)
    for frame in frames:
        header, offset = codec.decode_request_header(memoryview(frame))
        codec.decode_request(header.api_key, header.api_version, memoryview(frame), offset)


def test_the_largest_requests_of_every_api_are_legal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(largest, "MAX_ELEMENTS", 60)
    monkeypatch.setattr(largest, "LONG_BYTES", 80)
    apis = set()
    for _, frame in largest.largest(UUID(int=1)):
        header, offset = codec.decode_request_header(memoryview(frame))
        codec.decode_request(header.api_key, header.api_version, memoryview(frame), offset)
        apis.add(header.api_key)
    bring_no_arrays = {
        ApiKey.ADD_OFFSETS_TO_TXN,
        ApiKey.API_VERSIONS,
        ApiKey.DESCRIBE_ACLS,
        ApiKey.DESCRIBE_CLUSTER,
        ApiKey.END_TXN,
        ApiKey.EXPIRE_DELEGATION_TOKEN,
        ApiKey.HEARTBEAT,
        ApiKey.INIT_PRODUCER_ID,
        ApiKey.RENEW_DELEGATION_TOKEN,
        ApiKey.SASL_AUTHENTICATE,
        ApiKey.SASL_HANDSHAKE,
        ApiKey.UNREGISTER_BROKER,
    }
    assert set(SERVED) - apis <= bring_no_arrays
