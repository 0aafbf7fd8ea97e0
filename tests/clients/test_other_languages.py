"""Clients in other languages do with the bus what they do with Kafka.

The programs only do and report (see README.md); what must come out stands here, once for all.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import confluent_kafka
import pytest

from tests.clients.build import CLIENTS
from tests.clients.cluster import Cluster
from tests.clients.programs import KafkaError, Member, Program, hear_until
from tests.clients.python.isolation import READ_UNCOMMITTED, read
from tests.clients.scenarios import (
    FIRST_TIME,
    TOOLS,
    UNKNOWN_TOPIC_OR_PARTITION,
    Row,
    assert_same,
    clients,
    error_code,
    eventually,
    has,
    in_log_order,
    numbered,
)

pytest_plugins = ["tests.clients.program_fixtures"]
pytestmark = pytest.mark.clients

Unique = Callable[[str], str]

SECURITY_DISABLED = 54
RESOURCE_NOT_FOUND = 91
SESSION_TIMEOUT_MS = 1500
FRAMED_SNAPPY = ("java", "sarama", "segmentio")
"""Clients that write snappy in the blocks of xerial's Java library, which not all can read."""


# --- records -------------------------------------------------------------------------------------


@pytest.mark.parametrize("writer", CLIENTS)
@pytest.mark.parametrize("reader", CLIENTS)
def test_a_client_reads_what_another_client_produced(
    writer: str,
    reader: str,
    program_of: Callable[[str], Program],
    library: Callable[[str, str], tuple[str, list[Row]]],
) -> None:
    codecs = [codec for codec in CLIENTS[writer].codecs if codec in CLIENTS[reader].codecs]
    if writer in FRAMED_SNAPPY and not has(reader, "framed_snappy"):
        codecs.remove("snappy")
    assert codecs
    for codec in codecs:
        topic, records = library(writer, codec)
        read = program_of(reader).call(
            "read", topic=topic, partitions=[0, 1], start="earliest", count=len(records)
        )
        for record in read:
            if not has(writer, "produce_timestamp"):
                assert abs(record.pop("timestamp") - time.time() * 1000) < 300_000
        assert_same(in_log_order(read), in_log_order(records))


@clients()
def test_a_record_may_be_as_large_as_the_topic_allows_and_no_larger(
    client: str, program: Program, unique: Unique, create_topic: Callable[..., str]
) -> None:
    topic = create_topic(unique("large"), 1, max_message_bytes="4000000")
    large = {"partition": 0, "key": "large", "value": "0123456789" * 390_000}
    larger = {"partition": 0, "key": "larger", "value": "0123456789" * 410_000}
    program.call("produce", topic=topic, codec="none", records=[large])

    refused = error_code(program, "produce", topic=topic, codec="none", records=[larger])

    message_too_large = 10
    assert refused == message_too_large
    (read,) = program.call("read", topic=topic, partitions=[0], start="earliest", count=1)
    assert (read["key"], len(read["value"])) == ("large", 3_900_000)


@clients()
def test_reading_starts_at_a_time_or_an_offset(
    client: str, program: Program, topic: str, produce: Callable[[str, list[Row]], None]
) -> None:
    times = [FIRST_TIME, FIRST_TIME + 1000, FIRST_TIME + 2000, FIRST_TIME + 3000]
    produce(
        topic,
        [
            {"partition": partition, "value": f"{partition}-{n}", "timestamp": timestamp}
            for partition in (0, 1)
            for n, timestamp in enumerate(times)
        ],
    )

    between = program.call(
        "read", topic=topic, partitions=[0, 1, 2], start={"timestamp": FIRST_TIME + 1500}, count=4
    )
    by_offset = program.call("read", topic=topic, partitions=[1], start={"offset": 3}, count=1)

    assert_same(
        [(row["value"], row["timestamp"]) for row in in_log_order(between)],
        [("0-2", times[2]), ("0-3", times[3]), ("1-2", times[2]), ("1-3", times[3])],
    )
    assert_same([row["value"] for row in by_offset], ["1-3"])


@clients()
def test_offsets_are_listed_by_place_and_time(
    client: str, program: Program, topic: str, produce: Callable[[str, list[Row]], None]
) -> None:
    newest = FIRST_TIME + 9000
    times = [FIRST_TIME, newest, FIRST_TIME + 2000]
    records = [{"partition": 0, "value": str(time), "timestamp": time} for time in times]
    produce(topic, records)

    def listed(at: str | int) -> list[int]:
        rows = program.call("offsets", topic=topic, partitions=[0, 1], at=at)
        assert [row["partition"] for row in rows] == [0, 1]
        return [row["offset"] for row in rows]

    assert listed("earliest") == [0, 0]
    assert listed("latest") == [3, 0]
    # Clients that are asked for a time after the last record differ in what they make of the
    # broker's answer of -1; where there is one, the first record at or after the time counts.
    assert listed(FIRST_TIME + 1)[0] == 1
    assert listed(newest)[0] == 1
    if has(client, "max_timestamp"):
        assert listed("max_timestamp") == [1, -1]


# --- groups --------------------------------------------------------------------------------------


@clients()
def test_a_group_goes_on_where_it_committed(
    client: str,
    start: Callable[[str], Program],
    program: Program,
    topic: str,
    unique: Unique,
    produce: Callable[[str, list[Row]], None],
) -> None:
    group = unique("group")
    produce(topic, numbered(20))

    first = program.call("consume", topic=topic, group=group, count=8, metadata="läuft 🚌")
    other = start(client)
    second = other.call("consume", topic=topic, group=group, count=12, metadata="fertig")

    other.close()
    assert len(first) == 8
    assert_same(
        sorted(row["value"] for row in first + second),
        sorted(row["value"] for row in numbered(20)),
    )
    if has(client, "committed"):
        committed = program.call("committed", topic=topic, group=group)
        assert sum(row["offset"] for row in committed) == 20
        if has(client, "commit_metadata"):
            assert {row["metadata"] for row in committed} <= {"läuft 🚌", "fertig"}
            assert "fertig" in {row["metadata"] for row in committed}


@clients()
def test_a_survivor_takes_over_from_a_killed_member(
    client: str,
    start: Callable[[str], Program],
    unique: Unique,
    create_topic: Callable[..., str],
    produce: Callable[[str, list[Row]], None],
) -> None:
    topic, group = create_topic(unique("topic"), 4), unique("group")
    produce(topic, numbered(40, partitions=4))
    arguments = {"topic": topic, "group": group, "session_timeout_ms": SESSION_TIMEOUT_MS}

    victim = Member(start(client), **arguments, client_id="victim")
    hear_until(lambda: victim.partitions == [0, 1, 2, 3], [victim], "the first owns all")
    survivor = Member(start(client), **arguments, client_id="survivor")
    both = [victim, survivor]
    hear_until(
        lambda: (
            len(victim.partitions) == len(survivor.partitions) == 2
            and sorted(victim.partitions + survivor.partitions) == [0, 1, 2, 3]
        ),
        both,
        "each owns two",
    )
    more = [{**row, "value": f"more-{row['value']}"} for row in numbered(40, partitions=4)]
    produce(topic, more)
    victim.kill()
    hear_until(lambda: survivor.partitions == [0, 1, 2, 3], [survivor], "the survivor owns all")
    last = [{**row, "value": f"last-{row['value']}"} for row in numbered(40, partitions=4)]
    produce(topic, last)

    produced = {row["value"] for row in numbered(40, partitions=4) + more + last}
    hear_until(
        lambda: set(victim.values) | set(survivor.values) == produced, [survivor], "all are read"
    )
    survivor.leave()
    assert len(produced) == 120
    assert {row["value"] for row in last} <= set(survivor.values)


@pytest.mark.parametrize("client", ["java", "franz"])
def test_members_of_the_new_protocol_share_partitions_and_take_over_from_each_other(
    client: str,
    tool: Callable[..., str],
    start: Callable[[str], Program],
    program: Program,
    unique: Unique,
    create_topic: Callable[..., str],
    produce: Callable[[str, list[Row]], None],
) -> None:
    topic, group = create_topic(unique("topic"), 4), unique("group")
    produce(topic, numbered(40, partitions=4))
    arguments = {"topic": topic, "group": group, "protocol": "consumer"}

    victim = Member(start(client), **arguments, client_id="victim")
    hear_until(lambda: victim.partitions == [0, 1, 2, 3], [victim], "the first owns all")
    survivor = Member(start(client), **arguments, client_id="survivor")
    hear_until(
        lambda: len(survivor.partitions) == 2, [victim, survivor], "the second has its share"
    )
    listed = {row["group"]: row for row in program.call("list_groups")}
    assert listed[group].get("type", "Consumer").upper() == "CONSUMER"
    if client == "java":
        described = program.call("describe_group", group=group, topic=topic)
        assert (described["state"].upper(), described["assignor"]) == ("STABLE", "uniform")
        owned = [partition for row in described["members"] for partition in row["partitions"]]
        assert_same(sorted(owned), [0, 1, 2, 3])
        groups = f"{TOOLS}.consumer.group.ConsumerGroupCommand"
        state = tool(groups, "--describe", "--state", "--verbose", "--group", group)
        assert {"uniform", "Stable"} <= set(state.split())
    victim.kill()
    hear_until(lambda: survivor.partitions == [0, 1, 2, 3], [survivor], "the survivor owns all")
    last = [{**row, "value": f"last-{row['value']}"} for row in numbered(40, partitions=4)]
    produce(topic, last)
    produced = {row["value"] for row in numbered(40, partitions=4) + last}
    hear_until(
        lambda: set(victim.values) | set(survivor.values) == produced, [survivor], "all are read"
    )
    survivor.leave()
    assert len(produced) == 80
    program.call("delete_group", group=group)


@clients("describe_group", "list_groups")
def test_groups_are_listed_described_and_deleted(
    client: str,
    start: Callable[[str], Program],
    program: Program,
    topic: str,
    unique: Unique,
    produce: Callable[[str, list[Row]], None],
) -> None:
    group = unique("group")
    produce(topic, numbered(3))
    member = Member(
        start(client), topic=topic, group=group, session_timeout_ms=6000, client_id="observed"
    )
    hear_until(lambda: len(member.values) == 3, [member], "the member reads")

    listed = {row["group"]: row for row in program.call("list_groups")}
    described = program.call("describe_group", group=group, topic=topic)
    non_empty_group = error_code(program, "delete_group", group=group)

    assert listed[group].get("state", "Stable").upper() == "STABLE"
    assert listed[group].get("type", "Classic").upper() == "CLASSIC"
    assert described["state"].upper() == "STABLE"
    assert described["assignor"]
    for row in described["members"]:
        row["partitions"].sort()
    assert_same(described["members"], [{"client_id": "observed", "partitions": [0, 1, 2]}])
    assert non_empty_group == 68
    if has(client, "delete_offsets"):
        group_subscribed_to_topic = 86
        refused = error_code(program, "delete_offsets", group=group, topic=topic, partitions=[0])
        assert refused == group_subscribed_to_topic

    member.leave()
    empty = program.call("describe_group", group=group, topic=topic)
    assert (empty["state"].upper(), empty["members"]) == ("EMPTY", [])
    program.call("delete_group", group=group)
    assert group not in {row["group"] for row in program.call("list_groups")}
    group_id_not_found = 69
    assert error_code(program, "delete_group", group=group) == group_id_not_found


@clients("alter_offsets", "committed")
def test_offsets_of_a_group_are_set_read_and_deleted(
    client: str,
    program: Program,
    topic: str,
    unique: Unique,
    produce: Callable[[str, list[Row]], None],
) -> None:
    group = unique("group")
    metadata = "von außen" if has(client, "alter_metadata") else ""
    rows = [
        {"partition": partition, "offset": offset, "metadata": metadata}
        for partition, offset in ((0, 2), (1, 1), (2, 0))
    ]
    produce(topic, numbered(9))

    program.call("alter_offsets", group=group, topic=topic, offsets=rows)
    committed = program.call("committed", group=group, topic=topic)
    read = program.call("consume", group=group, topic=topic, count=6)

    for row in committed:
        row["metadata"] = row["metadata"] or ""
    assert_same(sorted(committed, key=lambda row: row["partition"]), rows)
    assert_same(
        [row["value"] for row in in_log_order(read)],
        ["value-6", "value-4", "value-7", "value-2", "value-5", "value-8"],
    )
    if has(client, "delete_offsets"):
        program.call("delete_offsets", group=group, topic=topic, partitions=[0, 2])
        left = program.call("committed", group=group, topic=topic)
        assert_same([(row["partition"], row["offset"]) for row in left], [(1, 3)])


# --- topics and configs --------------------------------------------------------------------------


@clients("create_topic")
def test_topics_are_created_described_grown_and_deleted(
    client: str, program: Program, unique: Unique
) -> None:
    topic = unique("topic")
    configs = {"retention.ms": "3600000", "cleanup.policy": "compact"}

    def partitions() -> int:
        return int(program.call("describe_topic", topic=topic)["partitions"])

    def listed() -> bool:
        return topic in program.call("list_topics")

    created = program.call("create_topic", topic=topic, partitions=2, configs=configs)
    eventually(partitions, 2)
    described = program.call("describe_topic", topic=topic)

    if has(client, "topic_id"):
        topic_id = described["topic_id"]
        assert created.get("topic_id", topic_id) == topic_id
        assert set(topic_id) - set("0-"), topic_id
    if "configs" in created:
        answered = {name: created["configs"][name]["value"] for name in configs}
        assert answered == configs
        assert created["configs"]["segment.bytes"]["value"] == "1073741824"
        assert created["partitions"] == 2
    topic_already_exists, invalid_partitions, invalid_topic, invalid_config = 36, 37, 17, 40
    again = {"topic": topic, "partitions": 2}
    assert error_code(program, "create_topic", **again) == topic_already_exists
    assert error_code(program, "create_topic", topic="a/b", partitions=1) == invalid_topic
    wrong = {"topic": unique("wrong"), "partitions": 1, "configs": {"retention.ms": "soon"}}
    assert error_code(program, "create_topic", **wrong) == invalid_config
    assert listed()

    program.call("create_partitions", topic=topic, count=5)
    eventually(partitions, 5)
    assert error_code(program, "create_partitions", topic=topic, count=3) == invalid_partitions

    program.call("delete_topic", topic=topic)
    eventually(listed, False)
    assert error_code(program, "delete_topic", topic=topic) == UNKNOWN_TOPIC_OR_PARTITION

    if has(client, "topic_id"):
        program.call("create_topic", topic=topic, partitions=1)
        eventually(partitions, 1)
        assert program.call("describe_topic", topic=topic)["topic_id"] != topic_id


@clients()
def test_a_topic_that_is_not_there_is_said_to_be_unknown(
    client: str, program: Program, unique: Unique
) -> None:
    assert (
        error_code(program, "describe_topic", topic=unique("missing")) == UNKNOWN_TOPIC_OR_PARTITION
    )


@clients("describe_configs", "alter_configs")
def test_configs_of_a_topic_are_described_and_changed(
    client: str, program: Program, unique: Unique, create_topic: Callable[..., str]
) -> None:
    topic = create_topic(unique("topic"), 1, retention_ms="7200000", segment_bytes="2097152")

    # A Kafka needs a moment to know what it has created.
    eventually(
        lambda: program.call("describe_configs", topic=topic)["retention.ms"]["value"], "7200000"
    )
    before = program.call("describe_configs", topic=topic)
    program.call(
        "alter_configs",
        topic=topic,
        set={"max.message.bytes": "2000", "min.insync.replicas": "1"},
        delete=["retention.ms"],
    )
    after = program.call("describe_configs", topic=topic)

    assert before["retention.ms"]["value"] == "7200000"
    assert not before["retention.ms"]["default"]
    assert before["max.message.bytes"]["value"] == "1048588"
    assert before["max.message.bytes"]["default"]
    assert set(before) == set(after)
    assert len(after) >= 25
    assert after["retention.ms"]["value"] == "604800000"
    assert after["retention.ms"]["default"]
    assert after["max.message.bytes"]["value"] == "2000"
    assert not after["max.message.bytes"]["default"]
    assert after["segment.bytes"]["value"] == "2097152"
    message_too_large, invalid_config = 10, 40
    large = [{"partition": 0, "key": "k", "value": "x" * 3000}]
    refused = error_code(program, "produce", topic=topic, codec="none", records=large)
    assert refused == message_too_large
    wrong = {"topic": topic, "set": {"retention.ms": "soon"}}
    assert error_code(program, "alter_configs", **wrong) == invalid_config


@clients("describe_configs")
def test_configs_of_the_broker_are_described(client: str, program: Program) -> None:
    cluster = program.call("describe_cluster")
    broker = str(cluster["brokers"][0]["id"])

    configs = program.call("describe_configs", broker=broker)

    assert len(configs) > 100
    assert configs["auto.create.topics.enable"]["value"] == "false"
    assert configs["group.min.session.timeout.ms"]["value"] == "500"
    assert configs["num.partitions"]["value"] == "1"
    assert configs["log.retention.hours"]["value"] == "168"
    assert configs["log.retention.hours"]["default"]
    if client == "java":
        assert configs["node.id"]["read_only"]


@pytest.mark.parametrize("client", ["sarama"])
def test_calls_for_acls_and_quotas_are_refused_and_leave_the_connection_alone(
    client: str, program: Program, unique: Unique
) -> None:
    topic = unique("acls")
    program.call("create_topic", topic=topic, partitions=1, configs={})

    said = program.call("unsecured", topic=topic)

    assert said == {
        "created": [SECURITY_DISABLED] * 2,
        "listed": SECURITY_DISABLED,
        "deleted": SECURITY_DISABLED,
        "quotas": 0,
        "quotas_error": 0,
        "user": RESOURCE_NOT_FOUND,
        "connected": True,
    }


@clients()
def test_the_cluster_is_described_with_the_address_that_clients_use(
    client: str, program: Program, cluster: Cluster
) -> None:
    found = program.call("describe_cluster")

    (broker,) = found["brokers"]
    assert broker["address"] == cluster.bootstrap_servers
    assert found["controller"] == broker["id"]
    assert len(found.get("cluster_id", "x" * 22)) == 22


@clients("delete_records")
def test_records_are_deleted_up_to_an_offset(
    client: str, program: Program, topic: str, produce: Callable[[str, list[Row]], None]
) -> None:
    produce(topic, [{"partition": 1, "value": str(n)} for n in range(10)])

    deleted = program.call("delete_records", topic=topic, partition=1, before=4)
    left = program.call("read", topic=topic, partitions=[1], start="earliest", count=6)
    earliest = program.call("offsets", topic=topic, partitions=[1], at="earliest")

    assert deleted.get("low_watermark", 4) == 4
    assert_same([row["value"] for row in left], ["4", "5", "6", "7", "8", "9"])
    assert earliest[0]["offset"] == 4
    offset_out_of_range = 1
    past_end = {"topic": topic, "partition": 1, "before": 11}
    assert error_code(program, "delete_records", **past_end) == offset_out_of_range
    program.call("delete_records", topic=topic, partition=1, before=-1)
    earliest = program.call("offsets", topic=topic, partitions=[1], at="earliest")
    assert earliest[0]["offset"] == 10


# --- a restart of the broker ---------------------------------------------------------------------


def once_the_epoch_is_known(read: Callable[[], list[Row]]) -> list[Row]:
    """Read as soon as a client does not name the leader's epoch of before the restart any more.

    A client may be told an old one with the first metadata after it, while Kafka still starts.
    """
    fenced_leader_epoch = 74
    for _ in range(20):
        try:
            return read()
        except KafkaError as error:
            if error.code != fenced_leader_epoch:
                raise
            time.sleep(0.5)
    return read()


@clients()
def test_a_restart_of_the_broker_loses_nothing(
    client: str, start: Callable[[str], Program], restarted: dict[str, Row]
) -> None:
    program = start(client)
    before = restarted[client]
    topic, group = before["topic"], before["group"]

    read = program.call("read", topic=topic, partitions=[0, 1], start="earliest", count=10)
    rest = program.call("consume", topic=topic, group=group, count=6)
    described = program.call("describe_topic", topic=topic)

    program.close()
    produced = [(row["key"], row["value"]) for row in numbered(10, partitions=2)]
    assert_same(sorted((row["key"], row["value"]) for row in read), sorted(produced))
    consumed = [row["value"] for row in before["first"] + rest]
    assert_same(sorted(consumed), sorted(value for _key, value in produced))
    assert described == before["described"]

    # The program that was there before the restart finds its way back.
    old = before["program"]
    record = {"partition": 1, "key": "after", "value": "after the restart"}
    old.call("produce", topic=topic, codec="none", records=[record])
    read = once_the_epoch_is_known(
        lambda: old.call("read", topic=topic, partitions=[1], start="earliest", count=6)
    )
    old.close()
    assert [row["offset"] for row in read] == [0, 1, 2, 3, 4, 5]
    assert read[-1]["value"] == "after the restart"


# --- Kafka's command line tools ------------------------------------------------------------------


def test_the_tools_create_describe_and_change_topics(
    tool: Callable[..., str], unique: Unique
) -> None:
    topic = unique("tools")
    topics, configs = f"{TOOLS}.TopicCommand", "kafka.admin.ConfigCommand"

    created = tool(
        topics, "--create", "--topic", topic, "--partitions", "2", "--config", "retention.ms=1000"
    )
    tool(topics, "--alter", "--topic", topic, "--partitions", "3")
    described = tool(topics, "--describe", "--topic", topic)
    entity = ["--entity-type", "topics", "--entity-name", topic]
    tool(configs, *entity, "--alter", "--add-config", "cleanup.policy=compact")
    shown = tool(configs, *entity, "--describe")
    tool(configs, *entity, "--alter", "--delete-config", "retention.ms")
    changed = tool(configs, *entity, "--describe")
    listed = tool(topics, "--list")
    tool(topics, "--delete", "--topic", topic)

    assert f"Created topic {topic}." in created
    assert "PartitionCount: 3" in described
    assert "retention.ms=1000" in described
    assert "cleanup.policy=compact" in shown
    assert "retention.ms=1000" in shown
    assert "retention.ms" not in changed
    assert topic in listed.split()
    eventually(lambda: topic in tool(topics, "--list").split(), False)


def test_the_tools_tell_of_log_directories_elect_leaders_and_move_replicas(
    tool: Callable[..., str], create_topic: Callable[..., str], tmp_path: Path
) -> None:
    topic = create_topic("placed", 1)

    described = tool(f"{TOOLS}.LogDirsCommand", "--describe", "--topic-list", topic)
    [broker] = json.loads(described.splitlines()[-1])["brokers"]
    [directory] = [each for each in broker["logDirs"] if each["partitions"]]
    one = ["--topic", topic, "--partition", "0", "--election-type", "preferred"]
    elected = tool(f"{TOOLS}.LeaderElectionCommand", *one)
    plan = tmp_path / "plan.json"
    wanted = {"replicas": [broker["broker"]], "log_dirs": [directory["logDir"]]}
    partition = {"topic": topic, "partition": 0, **wanted}
    plan.write_text(json.dumps({"version": 1, "partitions": [partition]}))
    reassign = f"{TOOLS}.reassign.ReassignPartitionsCommand"
    moved = tool(reassign, "--reassignment-json-file", str(plan), "--execute")

    assert [each["partition"] for each in directory["partitions"]] == [f"{topic}-0"]
    assert f"Valid replica already elected for partitions {topic}-0" in elected
    assert f"Successfully started partition reassignment for {topic}-0" in moved
    assert f"for replica {topic}-0 with broker {broker['broker']}" in moved


def test_a_tool_aborts_the_transaction_of_a_producer_that_is_gone(
    cluster: Cluster, tool: Callable[..., str], create_topic: Callable[..., str], unique: Unique
) -> None:
    topic = create_topic("hanging", 1)
    broker = {"bootstrap.servers": cluster.bootstrap_servers, "log_level": 0}
    producer = confluent_kafka.Producer({**broker, "transactional.id": unique("id")})
    producer.init_transactions(60)
    producer.begin_transaction()
    producer.produce(topic, b"never committed", partition=0)
    producer.flush(60)

    one = ["--topic", topic, "--partition", "0"]
    shown = tool(f"{TOOLS}.TransactionsCommand", "describe-producers", *one)
    tool(f"{TOOLS}.TransactionsCommand", "abort", *one, "--start-offset", "0")
    closed = tool(f"{TOOLS}.TransactionsCommand", "describe-producers", *one)
    producer.abort_transaction(60)

    assert shown.splitlines()[-1].split()[-1] == "0"
    assert closed.splitlines()[-1].split()[-1] == "None"
    assert read(cluster, topic) == []


def test_a_tool_asks_for_features_as_they_are(tool: Callable[..., str]) -> None:
    described = tool(f"{TOOLS}.FeatureCommand", "describe")
    [line] = [each for each in described.splitlines() if "transaction.version" in each]
    level = line.split("FinalizedVersionLevel:")[1].split()[0]

    kept = tool(f"{TOOLS}.FeatureCommand", "upgrade", "--feature", f"transaction.version={level}")

    assert "transaction.version" in kept


def test_a_tool_lists_what_has_configs(tool: Callable[..., str]) -> None:
    # Subscriptions of metrics, which nobody has made.
    assert "Error" not in tool(f"{TOOLS}.ClientMetricsCommand", "--list")


def test_the_tools_set_describe_and_delete_quotas(tool: Callable[..., str], unique: Unique) -> None:
    configs, user = "kafka.admin.ConfigCommand", unique("user")
    entity = ["--entity-type", "users", "--entity-name", user]
    client = [*entity, "--entity-type", "clients", "--entity-default"]

    tool(configs, "--alter", *entity, "--add-config", "producer_byte_rate=1024")
    tool(configs, "--alter", *client, "--add-config", "request_percentage=12.5")
    shown = tool(configs, "--describe", *entity)
    default = tool(configs, "--describe", *client)
    tool(configs, "--alter", *entity, "--delete-config", "producer_byte_rate")
    tool(configs, "--alter", *client, "--delete-config", "request_percentage")

    assert f"'{user}' are producer_byte_rate=1024.0" in shown
    assert "default client-id are request_percentage=12.5" in default
    eventually(lambda: "byte_rate" in tool(configs, "--describe", *entity), False)


def test_the_tools_produce_consume_and_show_groups(
    tool: Callable[..., str], topic: str, unique: Unique
) -> None:
    group = unique("tools")
    groups = f"{TOOLS}.consumer.group.ConsumerGroupCommand"
    lines = [f"key-{n}:Zeile {n} 🚌" for n in range(30)]

    tool(
        f"{TOOLS}.ConsoleProducer",
        *("--topic", topic, "--compression-codec", "zstd"),
        *("--reader-property", "parse.key=true", "--reader-property", "key.separator=:"),
        text="\n".join(lines),
    )
    consumed = tool(
        f"{TOOLS}.consumer.ConsoleConsumer",
        *("--topic", topic, "--group", group, "--from-beginning", "--max-messages", "30"),
        *("--timeout-ms", "15000", "--formatter-property", "print.key=true"),
        *("--formatter-property", "key.separator=:"),
    )
    ends = tool(f"{TOOLS}.GetOffsetShell", "--topic", topic)
    described = tool(groups, "--describe", "--group", group)
    state = tool(groups, "--describe", "--state", "--group", group)
    reset = tool(
        groups,
        *("--reset-offsets", "--group", group, "--topic", topic, "--to-earliest", "--execute"),
    )
    listed = tool(groups, "--list")
    deleted = tool(groups, "--delete", "--group", group)

    read = [line for line in consumed.splitlines() if line.startswith("key-")]
    assert_same(sorted(read), sorted(lines))
    assert sum(int(line.rsplit(":", 1)[1]) for line in ends.split()) == 30
    lags = [row.split()[5] for row in described.splitlines() if row.startswith(group)]
    assert_same(lags, ["0", "0", "0"])
    assert "Empty" in state
    assert sum(row.startswith(group) for row in reset.splitlines()) == 3
    assert group in listed.split()
    assert "successful" in deleted


# --- Transactions --------------------------------------------------------------------------------


@pytest.mark.parametrize("client", ["java", "franz", "sarama", "kafkajs"])
def test_each_transaction_counts_as_a_whole_or_not_at_all(
    client: str,
    program_of: Callable[[str], Program],
    unique: Unique,
    create_topic: Callable[..., str],
    cluster: Cluster,
) -> None:
    program, topic, group = program_of(client), create_topic(unique("topic"), 1), unique("txn")
    values = ["a", "aborted 1", "b", "c", "aborted 2"]
    for _ in range(2):
        # The second producer of that name takes over from the first.
        program.call("transact", topic=topic, group=group, records=[{"value": v} for v in values])
    assert read(cluster, topic) == [b"a", b"b", b"c"] * 2
    assert len(read(cluster, topic, READ_UNCOMMITTED)) == 2 * len(values)
    if client != "franz":
        [committed] = program.call("committed", group=group, topic=topic, partitions=[0])
        assert committed["offset"] == 4


# --- Kafka Streams -------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["classic", "streams"])
@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once_v2"])
def test_kafka_streams_counts_words_and_goes_on_with_its_state(
    guarantee: str,
    protocol: str,
    program_of: Callable[[str], Program],
    tool: Callable[..., str],
    unique: Unique,
    create_topic: Callable[..., str],
) -> None:
    program = program_of("java")
    lines, counts, application = create_topic(unique("lines"), 3), unique("counts"), unique("count")
    create_topic(counts, 3)

    def produce(*texts: str) -> None:
        records = [
            {"partition": n % 3, "key": str(n), "value": text} for n, text in enumerate(texts)
        ]
        program.call("produce", topic=lines, codec="none", records=records)

    def counted(words: int) -> dict[str, int]:
        found = program.call(
            "count_words",
            topic=lines,
            to=counts,
            group=application,
            count=words,
            guarantee=guarantee,
            protocol=protocol,
        )
        return dict(found)

    produce("der Bus kommt", "the bus comes", "the bus goes")
    first = counted(9)
    produce("the end")
    # A new process without files: what was counted before comes from the changelog.
    second = counted(11)

    assert first == {"der": 1, "Bus": 1, "kommt": 1, "the": 2, "bus": 2, "comes": 1, "goes": 1}
    assert second == first | {"the": 3, "end": 1}
    topics = program.call("list_topics")
    assert {f"{application}-counts-changelog", f"{application}-counts-repartition"} <= set(topics)
    written = program.call("read", topic=counts, partitions=[0, 1, 2], start="earliest", count=11)
    newest = {row["key"]: int(row["value"]) for row in in_log_order(written)}
    assert newest == second
    listed = {row["group"]: row for row in program.call("list_groups")}
    assert listed[application]["type"].lower() == protocol
    if protocol == "streams":
        groups = f"{TOOLS}.streams.StreamsGroupCommand"
        state = tool(groups, "--describe", "--state", "--group", application)
        assert application in state
