"""Conversations of real clients, recorded once and kept: what fuzzing begins with.

    python -m fuzzing.recording [FILE]

Client libraries of Python and Java, Kafka's own tools and a Streams application use a bus through a
proxy that keeps their requests. The ids of topics are kept with them: a bus that is fuzzed has the
same topics, with other ids.
"""

from __future__ import annotations

import base64
import contextlib
import json
import lzma
import socket
import struct
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fuzzing.bus import FuzzedBus
from fuzzing.corpus import KEPT, Conversation, ids_of_topics, read_exactly

TOPIC = "fuzz"
LOGIN = {
    "security.protocol": "SASL_PLAINTEXT",
    "sasl.mechanism": "PLAIN",
    "sasl.username": "fuzz",
    "sasl.password": "secret",
}
JAVA_LOGIN = (
    "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\n"
    "sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required "
    'username="fuzz" password="secret";\n'
)
ALIKE = 3
"""So many requests of one API, version and length are kept of a conversation."""
Scenario = Callable[[str], None]


class Recorder:
    """Proxy that passes bytes on and keeps the requests of each connection.

    The bus tells a client to come to where it has connected to, which is behind the proxy. So
    that clients use the proxy for each of their connections, that port is rewritten in answers.

    Args:
        port: of the bus.
        is_login: whether its clients log in.
    """

    def __init__(self, port: int, is_login: bool) -> None:
        self.conversations: list[Conversation] = []
        self._is_login = is_login
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        own_port = self._listener.getsockname()[1]
        self._names = [b"127.0.0.1" + struct.pack(">i", each) for each in (port, own_port)]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                bus = socket.create_connection(self._target)
                conversation = Conversation([], self._is_login)
                self.conversations.append(conversation)
                for work in (
                    lambda c=client, b=bus, f=conversation.frames: self._requests(c, b, f),
                    lambda c=client, b=bus: self._answers(b, c),
                ):
                    threading.Thread(target=work, daemon=True).start()

    def _requests(self, client: socket.socket, bus: socket.socket, frames: list[bytes]) -> None:
        alike: Counter[tuple[bytes, int]] = Counter()
        with contextlib.suppress(OSError, EOFError):
            while True:
                frame = _read_frame(client)
                kind = frame[:4], len(frame)
                alike[kind] += 1
                if alike[kind] <= ALIKE:
                    frames.append(frame)
                bus.sendall(struct.pack(">i", len(frame)) + frame)
        _close(client, bus)

    def _answers(self, bus: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError):
            while True:
                frame = _read_frame(bus).replace(*self._names)
                client.sendall(struct.pack(">i", len(frame)) + frame)
        _close(client, bus)

    def close(self) -> None:
        self._listener.close()


def _close(*sockets: socket.socket) -> None:
    for each in sockets:
        with contextlib.suppress(OSError):
            each.close()


def _read_frame(connection: socket.socket) -> bytes:
    (length,) = struct.unpack(">i", read_exactly(connection, 4))
    return read_exactly(connection, length)


def _librdkafka(address: str) -> None:
    from confluent_kafka import Consumer, Producer, ShareConsumer, TopicPartition

    servers = {"bootstrap.servers": address}
    for kind in ("none", "gzip", "snappy", "lz4", "zstd"):
        producer = Producer(
            servers | {"compression.type": kind, "enable.idempotence": True, "linger.ms": 5}
        )
        for number in range(20):
            producer.produce(TOPIC, b"value %d" % number, b"key", headers={"h": b"x"})
        producer.flush(10)
    for protocol in ("classic", "consumer"):
        config = {"group.id": f"{TOPIC}-{protocol}", "group.protocol": protocol}
        config |= {"auto.offset.reset": "earliest", "group.instance.id": "one"}
        consumer = Consumer(servers | config)
        consumer.subscribe([TOPIC])
        assert consumer.poll(20) is not None
        consumer.commit(asynchronous=False)
        consumer.offsets_for_times([TopicPartition(TOPIC, 0, 5)], timeout=5)
        consumer.close()
    with ShareConsumer(servers | {"group.id": f"{TOPIC}-share"}) as sharing:
        sharing.subscribe([TOPIC])
        for _ in range(10):
            producer.produce(TOPIC, b"shared")
            producer.flush(10)
            sharing.poll(0.3)
            sharing.commit_sync(10)
    writer = Producer(servers | {"transactional.id": TOPIC, "linger.ms": 0})
    writer.init_transactions(10)
    for end in (writer.commit_transaction, writer.abort_transaction):
        writer.begin_transaction()
        writer.produce(TOPIC, b"in a transaction")
        writer.send_offsets_to_transaction(
            [TopicPartition(TOPIC, 0, 3)], _metadata(servers, Consumer), 10
        )
        end(10)


def _metadata(servers: dict[str, Any], consumer: Any) -> Any:
    return consumer(servers | {"group.id": f"{TOPIC}-transaction"}).consumer_group_metadata()


def _librdkafka_admin(address: str) -> None:
    from confluent_kafka import (
        ConsumerGroupTopicPartitions,
        ElectionType,
        TopicCollection,
        TopicPartition,
    )
    from confluent_kafka import admin as of

    admin = of.AdminClient({"bootstrap.servers": address} | LOGIN)
    binding = of.AclBinding(
        *(of.ResourceType.TOPIC, TOPIC, of.ResourcePatternType.LITERAL, "User:other", "*"),
        *(of.AclOperation.READ, of.AclPermissionType.ALLOW),
    )
    every = of.AclBindingFilter(
        *(of.ResourceType.ANY, None, of.ResourcePatternType.ANY, None, None),
        *(of.AclOperation.ANY, of.AclPermissionType.ANY),
    )
    topic = of.ConfigResource("topic", TOPIC)
    topic.add_incremental_config(
        of.ConfigEntry("retention.ms", "1000000000", incremental_operation=of.AlterConfigOpType.SET)
    )
    scram = of.ScramCredentialInfo(of.ScramMechanism.SCRAM_SHA_256, 4096)
    upsert = of.UserScramCredentialUpsertion("fuzz-user", scram, b"password")
    group = ConsumerGroupTopicPartitions(f"{TOPIC}-classic", [TopicPartition(TOPIC, 0)])
    moved = ConsumerGroupTopicPartitions(f"{TOPIC}-classic", [TopicPartition(TOPIC, 0, 2)])
    answers: list[Any] = [
        admin.create_topics([of.NewTopic(f"{TOPIC}-made", 3, 1)]),
        admin.create_partitions([of.NewPartitions(f"{TOPIC}-made", 4)]),
        admin.create_acls([binding]),
        admin.describe_acls(every),
        admin.delete_acls([every]),
        admin.describe_configs([topic]),
        admin.incremental_alter_configs([topic]),
        admin.alter_user_scram_credentials([upsert]),
        admin.describe_user_scram_credentials(["fuzz-user"]),
        admin.list_offsets({TopicPartition(TOPIC, 0): of.OffsetSpec.latest()}),
        admin.list_consumer_groups(),
        admin.describe_consumer_groups([f"{TOPIC}-classic"]),
        admin.list_consumer_group_offsets([group]),
        admin.alter_consumer_group_offsets([moved]),
        admin.delete_records([TopicPartition(TOPIC, 0, 1)]),
        admin.describe_topics(TopicCollection([TOPIC])),
        admin.describe_cluster(),
        admin.elect_leaders(ElectionType.PREFERRED),
        admin.delete_consumer_groups([f"{TOPIC}-classic"]),
        admin.delete_topics([f"{TOPIC}-made"]),
    ]
    for answer in answers:
        for future in answer.values() if isinstance(answer, dict) else [answer]:
            future.exception(10)


def _kafka_python(address: str) -> None:
    from kafka import KafkaConsumer, KafkaProducer
    from kafka.admin import KafkaAdminClient

    producer = KafkaProducer(bootstrap_servers=address, transactional_id=f"{TOPIC}-python")
    producer.init_transactions()
    producer.begin_transaction()
    producer.send(TOPIC, b"v", b"k").get(10)
    producer.commit_transaction()
    producer.close()
    consumer = KafkaConsumer(
        TOPIC, bootstrap_servers=address, group_id=f"{TOPIC}-python", auto_offset_reset="earliest"
    )
    consumer.poll(5000)
    consumer.commit()
    consumer.close()
    admin = KafkaAdminClient(bootstrap_servers=address)
    for ask in (
        admin.describe_log_dirs,
        admin.describe_user_scram_credentials,
        admin.list_transactions,
        admin.describe_features,
        admin.describe_metadata_quorum,
        admin.list_config_resources,
        admin.list_partition_reassignments,
        lambda: admin.describe_transactions([f"{TOPIC}-python"]),
        lambda: admin.describe_groups([f"{TOPIC}-python"]),
    ):
        ask()
    admin.close()


def _java(address: str, login: str, settings: str) -> None:
    """Kafka's own client, its tools, share consumers and a Streams application."""
    from tests.clients.build import java_command
    from tests.clients.programs import KafkaError, Program

    program = Program("java", java_command("Client"), address)
    share, streams = f"{TOPIC}-java-share", f"{TOPIC}-streams"
    rows = [{"value": value, "partition": 0} for value in ("one", "aborted", "two words")]

    def tool(main: str, *arguments: str) -> str:
        words = ["--bootstrap-server", login, "--command-config", settings, *arguments]
        done = program.call("tool", main=main, arguments=words, input="")
        return str(done["output"])

    program.call("share_configs", group=share, set={"share.auto.offset.reset": "earliest"})
    for command, arguments in (
        ("produce", {"topic": TOPIC, "codec": "zstd", "records": rows}),
        ("transact", {"topic": TOPIC, "group": f"{TOPIC}-java", "records": rows}),
        ("consume", {"topic": TOPIC, "group": f"{TOPIC}-java", "count": 3}),
        *(
            ("share", {"topic": TOPIC, "group": share, "count": 3, "acknowledge": [word]})
            for word in ("RELEASE", "ACCEPT", "REJECT")
        ),
        ("share", {"topic": TOPIC, "group": share, "count": 2, "acknowledge": ["RENEW", "ACCEPT"]}),
        ("describe_share_group", {"group": share}),
        ("share_offsets", {"group": share}),
        (
            "alter_share_offsets",
            {"group": share, "topic": TOPIC, "offsets": [{"partition": 0, "offset": 0}]},
        ),
        ("delete_share_offsets", {"group": share, "topic": TOPIC}),
        ("delete_share_group", {"group": share}),
    ):
        try:
            program.call(command, **arguments)
        except KafkaError as error:
            print(f"{command}: {error}")
    for guarantee in ("exactly_once_v2", "at_least_once"):
        program.call(
            *("count_words",),
            **{"topic": TOPIC, "to": f"{TOPIC}-counts", "group": streams, "count": 1},
            **{"guarantee": guarantee, "protocol": "streams"},
        )
    tools = "org.apache.kafka.tools"
    of_streams = ("--group", streams)
    for words in ("--members", "--state", "--offsets"):
        tool(f"{tools}.streams.StreamsGroupCommand", "--describe", *of_streams, words)
    made = tool(
        *(f"{tools}.DelegationTokenCommand", "--create", "--max-life-time-period", "-1"),
        *("--renewer-principal", "User:fuzz"),
    )
    [*_, row] = [line.split() for line in made.splitlines() if "User:fuzz" in line]
    tool(f"{tools}.DelegationTokenCommand", "--describe", "--owner-principal", "User:fuzz")
    for verb, period in (("--renew", "--renew-time-period"), ("--expire", "--expiry-time-period")):
        tool(f"{tools}.DelegationTokenCommand", verb, period, "-1", "--hmac", row[1])
    acl = ("--allow-principal", "User:x", "--operation", "Read", "--topic", "x")
    prefixed = ("--resource-pattern-type", "prefixed")
    for words in (
        ("--add", *acl, *prefixed),
        ("--list",),
        ("--remove", "--force", *acl, *prefixed),
    ):
        tool(f"{tools}.AclCommand", *words)
    quota = ("--entity-type", "users", "--entity-name", "x")
    for words in (("--alter", "--add-config", "consumer_byte_rate=1000"), ("--describe",)):
        tool("kafka.admin.ConfigCommand", *words, *quota)
    program.close()


def record() -> tuple[dict[str, str], list[Conversation]]:
    """Return the ids of the topics, and what clients have said."""
    sys.setswitchinterval(0.001)
    with tempfile.TemporaryDirectory() as name, FuzzedBus(Path(name)) as bus:
        recorders = [Recorder(port, bool(place)) for place, port in enumerate(bus.ports)]
        plain, login = (recorder.address for recorder in recorders)
        settings = Path(name, "client.properties")
        settings.write_text(JAVA_LOGIN)
        ids = ids_of_topics(bus.ports[0], [TOPIC, f"{TOPIC}-counts"])
        _librdkafka(plain)
        _kafka_python(plain)
        _java(plain, login, str(settings))
        _librdkafka_admin(login)
        for recorder in recorders:
            recorder.close()
    conversations = [each for recorder in recorders for each in recorder.conversations]
    return ids, list({tuple(each.frames): each for each in conversations if each.frames}.values())


def main() -> int:
    """Record, and keep it in a file."""
    ids, conversations = record()
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else KEPT
    kept = {
        "topics": ids,
        "conversations": [
            [each.is_login, [base64.b64encode(frame).decode() for frame in each.frames]]
            for each in conversations
        ],
    }
    path.write_bytes(lzma.compress(json.dumps(kept).encode(), preset=9))
    frames = sum(len(each.frames) for each in conversations)
    print(f"{path}: {frames} frames of {len(conversations)} connections")
    return 0


if __name__ == "__main__":
    sys.exit(main())
