"""Frames made wrong, for every API: a part of what ``make fuzz`` does, without its clock."""

from __future__ import annotations

import logging
import random
from uuid import UUID

import pytest

from fakebus.addresses import Address, KafkaAddress
from fakebus.app import BusThread, FakeBus
from fakebus.config import Settings
from fakebus.kafka.handlers import HANDLERS
from fakebus.protocol import codec
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import MetadataRequest
from fuzzing import largest
from fuzzing.corpus import from_clients, of_every_api
from fuzzing.mutation import Mutator
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
        set={"fakebus.sasl.users": "fuzz:secret", "group.min.session.timeout.ms": "10"},
    )
    choice = random.Random(seed)
    with caplog.at_level(logging.ERROR), BusThread(FakeBus(settings)) as running:
        ports = [address.port for address in running.bus.kafka_addresses]
        frames = of_every_api(choice)
        if seed == 1:
            frames += from_clients("127.0.0.1", ports[0]) * 3
        mutator = Mutator(frames, choice)
        sender = Sender(ports, choice)
        for _ in range(FRAMES):
            sender.send(mutator.frame())
        sender.close()
        assert sender.answered > FRAMES // 10
        assert sender.answered + sender.refused + sender.given_up > FRAMES * 9 // 10
        with RawClient(running.bus.bootstrap_servers) as client:
            assert client.call(ApiKey.METADATA, 12, MetadataRequest(topics=[])).brokers
    ours = [each for each in caplog.records if each.name.startswith(("fakebus", "asyncio"))]
    assert [logging.Formatter().format(each) for each in ours] == []


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
    assert {handler.api_key for handler in HANDLERS} - apis <= bring_no_arrays
