"""Requests whose beginning is known are answered as those that are decoded are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from fakebus.broker.broker import Broker
from fakebus.errors import ErrorCode, StorageError
from fakebus.kafka import dispatch
from fakebus.kafka.api import AdvertisedBroker, ClientConnection, PendingResponse
from fakebus.kafka.dispatch import Dispatcher
from fakebus.kafka.known_produce import KnownProduce
from fakebus.protocol import codec
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import ProduceRequest
from fakebus.records.batch import write_crc
from fakebus.storage.sqlite import SqliteStorage
from fakebus.types import ZERO_UUID
from tests.manual_clock import ManualClock
from tests.unit.broker.batches import T0, batch, read
from tests.wire.client import frame
from tests.wire.test_produce_and_fetch import produce_request

PRODUCE = int(ApiKey.PRODUCE)


class Side:
    """Broker behind a dispatcher, and what was decoded there.

    Args:
        broker: the broker.
        decodes: whether each request is decoded.
    """

    def __init__(self, broker: Broker, *, decodes: bool) -> None:
        self.broker = broker
        self.decodes = decodes
        self.client = ClientConnection(1, "PLAINTEXT", "/127.0.0.1")
        node = broker.nodes[0]
        self.dispatcher = Dispatcher(
            broker, node, lambda _: [AdvertisedBroker(node.node_id, "kafka.test", 9092, None)]
        )

    def frame(self, request: ProduceRequest, version: int, client_id: str = "c") -> bytes:
        topic = self.broker.topics.get("t")
        for each in request.topic_data:
            if version >= 13 and topic is not None:
                each.topic_id = topic.topic_id
        body = b"".join(codec.encode_request(PRODUCE, version, request))
        return frame(PRODUCE, version, 7, client_id, body)[4:]

    async def ask(self, data: bytes, version: int) -> Any:
        """Return the decoded answer without ids, which differ from broker to broker."""
        if self.decodes:
            self.dispatcher._known = None
        context, result = self.dispatcher.begin(self.client, memoryview(bytearray(data)))
        assert isinstance(result, PendingResponse)
        context.response = await result.response()
        encoded = dispatch.encode(context) if context.encoded is None else context.encoded
        answer = b"".join(encoded)
        assert int.from_bytes(answer[:4], "big") == len(answer) - 4
        header = 4 + len(codec.encode_response_header(PRODUCE, version, 7))
        response = codec.decode_response(PRODUCE, version, memoryview(answer), header)
        for topic in response.responses:
            topic.topic_id = ZERO_UUID
        return response


@pytest.fixture
async def sides() -> AsyncIterator[list[Side]]:
    found = []
    for decodes in (False, True):
        storage = await SqliteStorage.open(None)
        broker = Broker(storage, clock=ManualClock())
        await broker.start()
        await broker.topics.create("t", 2, {})
        found.append(Side(broker, decodes=decodes))
    yield found
    for side in found:
        await side.broker.close()
        await side.broker._storage.close()


def usual(**options: Any) -> ProduceRequest:
    request: ProduceRequest = produce_request("t", batch(b"v", **options))
    return request


def with_records(records: bytes | None) -> ProduceRequest:
    request: ProduceRequest = produce_request("t", records)
    return request


def changed(at: int, value: int, *, renewed: bool = True) -> ProduceRequest:
    data = batch(b"v")
    data[at] = value
    if renewed:
        write_crc(data)
    return with_records(bytes(data))


def with_acks(acks: int) -> ProduceRequest:
    request = usual()
    request.acks = acks
    return request


def of_partition(index: int) -> ProduceRequest:
    request = usual()
    request.topic_data[0].partition_data[0].index = index
    return request


def in_transaction(name: str | None, attributes: int = 0x10) -> ProduceRequest:
    data = batch(b"v", producer_id=5, producer_epoch=0, base_sequence=0)
    data[22] = attributes
    write_crc(data)
    request = with_records(bytes(data))
    request.transactional_id = name
    return request


REQUESTS: dict[str, Callable[[], ProduceRequest]] = {
    "usual": usual,
    "acks of the leader": lambda: with_acks(1),
    "impossible acks": lambda: with_acks(3),
    "idempotent": lambda: usual(producer_id=3, producer_epoch=0, base_sequence=0),
    "out of order": lambda: usual(producer_id=3, producer_epoch=0, base_sequence=9),
    "another sum": lambda: changed(65, 9, renewed=False),
    "an older format": lambda: changed(16, 1),
    "an impossible length": lambda: changed(8, 255),
    "a control batch": lambda: changed(22, 0x20),
    "a transactional batch without an id": lambda: in_transaction(None),
    "of an unknown transaction": lambda: in_transaction("x"),
    "an id without a transaction": lambda: in_transaction("x", 0),
    "no records": lambda: with_records(None),
    "empty records": lambda: with_records(b""),
    "two batches": lambda: with_records(bytes(batch(b"v") * 2)),
    "bytes behind the batch": lambda: with_records(bytes(batch(b"v")) + b"\0"),
    "too large": lambda: with_records(bytes(batch(b"v" * 1_100_000))),
    "a batch of some kilobytes": lambda: with_records(bytes(batch(b"v" * 20_000))),
    "another partition": lambda: of_partition(1),
    "no such partition": lambda: of_partition(7),
    "two partitions": lambda: produce_request("t", batch(b"v"), batch(b"w")),
}


@pytest.mark.parametrize("version", [9, 11, 12, 13])
@pytest.mark.parametrize("name", REQUESTS)
async def test_what_is_known_is_answered_as_what_is_decoded(
    sides: list[Side], name: str, version: int
) -> None:
    answers = []
    for side in sides:
        # In this order the second and the last one begin as one before did.
        asked = [usual(), usual(), REQUESTS[name](), REQUESTS[name](), usual()]
        answers.append([await side.ask(side.frame(each, version), version) for each in asked])
    assert answers[0] == answers[1]
    assert answers[0][1].responses[0].partition_responses[0].base_offset == 1
    contents = [await read(side.broker) for side in sides]
    assert contents[0] == contents[1]


@pytest.mark.parametrize("tail", [b"\0x", b"\x01\x63\x01\x00", b"\x01"])
@pytest.mark.parametrize("version", [9, 13])
async def test_what_ends_otherwise_is_decoded(sides: list[Side], tail: bytes, version: int) -> None:
    for side in sides:
        await side.ask(side.frame(usual(), version), version)
        data = side.frame(usual(), version)[:-1] + tail
        if tail == b"\x01":
            with pytest.raises(Exception, match="ends too early"):
                await side.ask(data, version)
        else:
            answer = await side.ask(data, version)
            assert answer.responses[0].partition_responses[0].base_offset == 1


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The APIs of the requests that were decoded."""
    found: list[int] = []
    decode = codec.decode_request

    def note(api_key: int, *arguments: Any) -> Any:
        found.append(api_key)
        return decode(api_key, *arguments)

    monkeypatch.setattr(codec, "decode_request", note)
    return found


@pytest.mark.parametrize("version", range(9, 14))
async def test_a_beginning_is_decoded_once(
    sides: list[Side], decoded: list[int], version: int
) -> None:
    side = sides[0]
    for client_id in ("c", "another", "c", "another", "c"):
        await side.ask(side.frame(usual(), version, client_id), version)
    assert len(decoded) == 2
    assert sorted(map(str, side.client.origins)) == ["another", "c"]
    assert side.broker.requests[PRODUCE] == 5


async def test_those_that_are_to_be_looked_at_are_decoded(
    sides: list[Side], decoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    side = sides[0]
    for _ in range(2):
        await side.ask(side.frame(usual(), 9), 9)
    assert len(decoded) == 1
    begin = side.dispatcher._begin_known
    known = side.dispatcher._known
    assert known is not None
    data = memoryview(side.frame(usual(), 9))
    for place, name in (
        (side.broker.faults, "active"),
        (side.broker.security, "limiting"),
        (side.broker.security, "authorizer"),
        (side.client, "sasl"),
    ):
        with monkeypatch.context() as changed_now:
            changed_now.setattr(place, name, [object()])
            assert begin(known, side.client, data) is None, name
    assert side.broker.partition_log(T0).log_end_offset == 2


async def test_batches_of_a_transaction_are_part_of_it(
    sides: list[Side], decoded: list[int]
) -> None:
    answers = []
    for side in sides:
        producer = await side.broker.transactions.init_producer_id("x", 60_000, None)
        answers.append([])
        for sequence in range(3):
            data = batch(
                b"v",
                producer_id=producer.producer_id,
                producer_epoch=producer.epoch,
                base_sequence=sequence,
            )
            data[22] = 0x10
            write_crc(data)
            request = with_records(bytes(data))
            request.transactional_id = "x"
            answers[-1].append(await side.ask(side.frame(request, 12), 12))
        state = side.broker.transactions.get("x")
        assert state is not None
        assert state.is_ongoing
        assert side.broker.partition_log(T0).last_stable_offset == 0
    assert answers[0] == answers[1]
    assert answers[0][2].responses[0].partition_responses[0].base_offset == 2
    assert len(decoded) == 1 + 3


@pytest.mark.parametrize("version", [12, 13])
async def test_a_topic_that_is_gone_is_not_known_by_its_old_beginning(
    sides: list[Side], version: int
) -> None:
    answers = []
    for side in sides:
        data = side.frame(usual(), version)
        answers.append([await side.ask(data, version) for _ in range(2)])
        topic = side.broker.topics.get("t")
        assert topic is not None
        await side.broker.topics.delete(topic)
        answers[-1].append(await side.ask(data, version))
        await side.broker.topics.create("t", 1, {})
        answers[-1].append(await side.ask(data, version))
    assert answers[0] == answers[1]
    last = answers[0][3].responses[0].partition_responses[0]
    wanted = ErrorCode.NONE if version < 13 else ErrorCode.UNKNOWN_TOPIC_ID
    assert last.error_code == wanted.code


async def test_a_batch_that_cannot_be_stored_is_told(sides: list[Side]) -> None:
    answers = []
    for side in sides:
        await side.ask(side.frame(usual(), 9), 9)
        side.broker._storage.writes.refusal = lambda: StorageError("there is no room")
        answers.append(await side.ask(side.frame(usual(), 9), 9))
    assert answers[0] == answers[1]
    [answer] = answers[0].responses[0].partition_responses
    assert answer.error_code == ErrorCode.KAFKA_STORAGE_ERROR.code
    assert answer.error_message


async def test_so_many_beginnings_are_remembered(
    sides: list[Side], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fakebus.kafka.known_produce._MOST_KNOWN", 3)
    side = sides[0]
    for number in range(8):
        await side.ask(side.frame(usual(), 9, f"c{number}"), 9)
    known = side.dispatcher._known
    assert isinstance(known, KnownProduce)
    assert 0 < len(known._known) <= 3


async def test_long_names_of_clients_are_not_remembered(sides: list[Side]) -> None:
    side = sides[0]
    for client_id in ("c", "n" * 30_000):
        await side.ask(side.frame(usual(), 9, client_id), 9)
    known = side.dispatcher._known
    assert isinstance(known, KnownProduce)
    assert [each.client_id for each in known._known.values()] == ["c"]
