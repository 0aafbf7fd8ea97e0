"""A write that the disk refuses leaves no trace for any client, whatever it was asked by."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import redis

from fakebus.errors import StorageError
from fakebus.records.builder import build_batch
from fakebus.records.record import NewRecord
from tests.wire.failing_bus import FAILURE, FailingBus, differences, failing_bus, seen_again

FIRST = "(the id of the stream's first entry)"
CONCURRENT_TRANSACTIONS = 51
UNSEEN = frozenset(
    {
        "add offsets to a transaction",
        "commit offsets in a transaction",
        "add partitions to a transaction",
        "come back to a classic group",
    }
)
"""What no client sees before the transaction has ended, or but by the member's id."""
FINE = 200
"""The error code of what REST has produced."""
AT = 1_700_000_000_000
Write = Callable[[FailingBus], Any]
Prepare = Callable[[FailingBus], Callable[[], Any]]


def records(*values: bytes, **options: Any) -> bytes:
    return bytes(build_batch([NewRecord(b"k", value, (), AT) for value in values], **options))


def produce(
    topic: str, *values: bytes, transactional_id: str | None = None, **options: Any
) -> Write:
    def write(bus: FailingBus) -> Any:
        partition = {"index": 0, "records": records(*values, **options)}
        fields = {"acks": -1, "timeout_ms": 10_000, "transactional_id": transactional_id}
        return bus.ask(
            "PRODUCE", 9, fields | {"topic_data": [{"name": topic, "partition_data": [partition]}]}
        )

    return write


def asking(api: str, version: int, *, as_alice: bool = False, **fields: Any) -> Write:
    return lambda bus: bus.ask(api, version, fields, bus.alice if as_alice else None)


def by_http(method: str, path: str, body: Any = None) -> Write:
    return lambda bus: bus.http(method, path, body)


def by_rest(method: str, path: str, body: Any = None) -> Write:
    return lambda bus: bus.http(method, f"/v3/clusters/{bus.bus.broker.cluster_id}{path}", body)


def by_console(path: str, **form: str) -> Write:
    return lambda bus: bus.console(path, form)


def by_redis(*words: str) -> Write:
    def write(bus: FailingBus) -> Any:
        first = bus.redis.xrange("stream", count=1) if FIRST in words else []
        asked = [first[0][0] if word == FIRST else word for word in words]
        try:
            return bus.redis.execute_command(*asked)
        except redis.ResponseError as error:
            return {"error_code": str(error)}

    return write


def topic_id(bus: FailingBus, name: str) -> UUID:
    found = bus.ask("METADATA", 12, {"topics": [{"name": name}]})["topics"][0]["topic_id"]
    assert isinstance(found, UUID)
    return found


def started(bus: FailingBus, name: str) -> tuple[int, int]:
    """Return the id and epoch of a transactional producer."""
    fields = {"transactional_id": name, "transaction_timeout_ms": 900_000}
    made = bus.ask("INIT_PRODUCER_ID", 4, fields)
    assert made["error_code"] == 0, made
    return made["producer_id"], made["producer_epoch"]


class Transaction:
    """A transaction that is begun: it has a record of the topic t."""

    def __init__(self, bus: FailingBus, name: str) -> None:
        self.bus = bus
        self.who = dict(zip(("producer_id", "producer_epoch"), started(bus, name), strict=True))
        self.name = name
        assert not refused(self.add("t"))
        assert not refused(self.write())

    def add(self, topic: str) -> Any:
        who = {f"v3_and_below_{key}": value for key, value in self.who.items()}
        topics = [{"name": topic, "partitions": [0]}]
        fields = {"v3_and_below_transactional_id": self.name, "v3_and_below_topics": topics}
        return self.bus.ask("ADD_PARTITIONS_TO_TXN", 3, who | fields)

    def write(self, sequence: int = 0) -> Any:
        options = {"transactional": True, "base_sequence": sequence, **self.who}
        return produce("t", b"in it", transactional_id=self.name, **options)(self.bus)

    def add_offsets(self, group: str = "g") -> Any:
        return self.ask("ADD_OFFSETS_TO_TXN", 3, group_id=group)

    def commit_offsets(self, group: str) -> Any:
        partition = {"partition_index": 0, "committed_offset": 2, "committed_metadata": ""}
        topics = [{"name": "t", "partitions": [partition]}]
        return self.ask("TXN_OFFSET_COMMIT", 3, group_id=group, topics=topics)

    def end(self, *, commit: bool) -> Any:
        return self.ask("END_TXN", 3, committed=commit)

    def ask(self, api: str, version: int, **fields: Any) -> Any:
        return self.bus.ask(api, version, {"transactional_id": self.name} | self.who | fields)


def commit(group: str, offset: int = 1, member: str = "", epoch: int = -1) -> Write:
    partition = {"partition_index": 0, "committed_offset": offset, "committed_metadata": "m"}
    return asking(
        "OFFSET_COMMIT",
        9,
        group_id=group,
        member_id=member,
        generation_id_or_member_epoch=epoch,
        topics=[{"name": "t", "partitions": [partition]}],
    )


def join(group: str, member: str, epoch: int = 0) -> Write:
    return asking(
        "CONSUMER_GROUP_HEARTBEAT",
        0,
        group_id=group,
        member_id=member,
        member_epoch=epoch,
        rebalance_timeout_ms=60_000 if epoch == 0 else -1,
        subscribed_topic_names=["t"] if epoch == 0 else None,
        topic_partitions=[] if epoch == 0 else None,
    )


def join_share(group: str, member: str, epoch: int = 0) -> Write:
    return asking(
        "SHARE_GROUP_HEARTBEAT",
        1,
        group_id=group,
        member_id=member,
        member_epoch=epoch,
        subscribed_topic_names=["t"] if epoch == 0 else None,
    )


def join_streams(group: str, member: str, epoch: int = 0) -> Write:
    topology = {"epoch": 1, "subtopologies": [{"subtopology_id": "0", "source_topics": ["t"]}]}
    return asking(
        "STREAMS_GROUP_HEARTBEAT",
        0,
        group_id=group,
        member_id=member,
        member_epoch=epoch,
        rebalance_timeout_ms=60_000 if epoch == 0 else -1,
        topology=topology if epoch == 0 else None,
        active_tasks=[] if epoch == 0 else None,
        standby_tasks=[] if epoch == 0 else None,
        warmup_tasks=[] if epoch == 0 else None,
        process_id="p" if epoch == 0 else None,
        client_tags=[] if epoch == 0 else None,
    )


class Classic:
    """The only member of a group of the classic protocol."""

    def __init__(self, bus: FailingBus, group: str) -> None:
        self.bus = bus
        self.group = group
        self.member = ""
        self.generation = -1

    def join(self, version: int = 2, **who: Any) -> Any:
        fields = {
            "group_id": self.group,
            "session_timeout_ms": 60_000,
            "rebalance_timeout_ms": 60_000,
            "member_id": self.member,
            "protocol_type": "consumer",
            "protocols": [{"name": "range", "metadata": b""}],
        }
        answer = self.bus.ask("JOIN_GROUP", version, fields | who)
        if not refused(answer):
            self.member, self.generation = answer["member_id"], answer["generation_id"]
        return answer

    def join_for_good(self) -> Any:
        return self.join(5, group_instance_id="i")

    def come_back(self) -> Any:
        return self.join(5, group_instance_id="i", member_id="")

    def sync(self) -> Any:
        assignments = [{"member_id": self.member, "assignment": b"all"}]
        return self._ask("SYNC_GROUP", 2, generation_id=self.generation, assignments=assignments)

    def commit(self) -> Any:
        return commit(self.group, 3, self.member, self.generation)(self.bus)

    def leave(self) -> Any:
        return self._ask("LEAVE_GROUP", 1)

    def _ask(self, api: str, version: int, **fields: Any) -> Any:
        who = {"group_id": self.group, "member_id": self.member}
        return self.bus.ask(api, version, who | fields)


class Sharing:
    """A member of a share group that has fetched the records of t."""

    def __init__(self, bus: FailingBus) -> None:
        self.bus = bus
        self.topic_id = topic_id(bus, "t")
        self.epoch = 0
        config = {"name": "share.auto.offset.reset", "config_operation": 0, "value": "earliest"}
        alter(32, "sharing", config)(bus)
        assert not refused(join_share("sharing", MEMBER)(bus))
        found: Any = {}
        while not found.get("acquired_records"):
            answer = self.fetch()
            assert not refused(answer), answer
            for topic in answer["responses"]:
                (found,) = topic["partitions"]

    def fetch(self) -> Any:
        topics = [{"topic_id": self.topic_id, "partitions": [{"partition_index": 0}]}]
        answer = self.bus.ask(
            "SHARE_FETCH",
            1,
            {
                "group_id": "sharing",
                "member_id": MEMBER,
                "share_session_epoch": self.epoch,
                "max_wait_ms": 100,
                "max_records": 100,
                "batch_size": 100,
                "topics": topics if self.epoch == 0 else [],
            },
        )
        self.epoch += 1
        return answer

    def acknowledge(self, first: int, last: int, kind: int) -> Any:
        batches = [{"first_offset": first, "last_offset": last, "acknowledge_types": [kind]}]
        partitions = [{"partition_index": 0, "acknowledgement_batches": batches}]
        answer = self.bus.ask(
            "SHARE_ACKNOWLEDGE",
            1,
            {
                "group_id": "sharing",
                "member_id": MEMBER,
                "share_session_epoch": self.epoch,
                "topics": [{"topic_id": self.topic_id, "partitions": partitions}],
            },
        )
        self.epoch += 1
        return answer


MEMBER = "7vB6pVYnQsmxkYwBMHm3Hw"


def place(**fields: Any) -> list[dict[str, Any]]:
    """Return the first partition of t, as requests about share groups name it."""
    return [{"topic_name": "t", "partitions": [{"partition_index": 0} | fields]}]


def alter(kind: int, name: str, *configs: dict[str, Any]) -> Write:
    resource = {"resource_type": kind, "resource_name": name, "configs": list(configs)}
    return asking("INCREMENTAL_ALTER_CONFIGS", 1, resources=[resource])


def setting(name: str, value: str | None) -> dict[str, Any]:
    return {"name": name, "config_operation": 0 if value is not None else 1, "value": value}


def acl(principal: str) -> dict[str, Any]:
    return {
        "resource_type": 2,
        "resource_name": "t",
        "principal": f"User:{principal}",
        "host": "*",
        "operation": 3,
        "permission_type": 3,
    }


def quota(name: str, *, remove: bool = False) -> Write:
    entity = [{"entity_type": "client-id", "entity_name": name}]
    ops = [{"key": "producer_byte_rate", "value": 0.0 if remove else 1e9, "remove": remove}]
    return asking("ALTER_CLIENT_QUOTAS", 1, entries=[{"entity": entity, "ops": ops}])


def scram(name: str) -> dict[str, Any]:
    salted = {"salt": b"s" * 16, "salted_password": b"p" * 32}
    return {"name": name, "mechanism": 1, "iterations": 4096, **salted}


def new_token(bus: FailingBus) -> Any:
    return bus.ask("CREATE_DELEGATION_TOKEN", 2, {"max_lifetime_ms": -1}, bus.alice)


def with_token(api: str, **fields: Any) -> Write:
    def write(bus: FailingBus) -> Any:
        found = bus.ask("DESCRIBE_DELEGATION_TOKEN", 2, {"owners": None}, bus.alice)
        return bus.ask(api, 2, {"hmac": found["tokens"][0]["hmac"]} | fields, bus.alice)

    return write


def schema(symbol: str) -> dict[str, str]:
    fields = f'{{"name":"{symbol}","type":"int","default":0}}'
    return {"schema": f'{{"type":"record","name":"R","fields":[{fields}]}}'}


def seeded(text: str) -> Any:
    return base64.b64encode(text.encode()).decode()


def fill(bus: FailingBus) -> None:
    """Give the bus something of everything that is stored."""
    topics = [
        {"name": name, "num_partitions": 2, "replication_factor": 1, "configs": []} for name in "tu"
    ]
    idempotent = {"producer_id": 0, "producer_epoch": 0, "base_sequence": 0}

    for write in (
        asking("CREATE_TOPICS", 7, topics=topics, timeout_ms=60_000),
        produce("t", b"1", b"2"),
        produce("t", b"3"),
        asking("INIT_PRODUCER_ID", 4, transactional_id=None, transaction_timeout_ms=1000),
        produce("u", b"1", **idempotent),
        commit("g"),
        commit("h", 2),
        join("consumers", "m1"),
        join("consumers", "m1", -1),
        commit("consumers"),
        join_share("shared", MEMBER),
        join_share("shared", MEMBER, -1),
        asking(
            "ALTER_SHARE_GROUP_OFFSETS",
            0,
            group_id="shared",
            topics=place(start_offset=2),
        ),
        join_streams("streams", "m1"),
        join_streams("streams", "m1", -1),
        alter(2, "u", setting("retention.ms", "500000000")),
        alter(4, "", setting("message.max.bytes", "2000000")),
        alter(32, "g", setting("consumer.session.timeout.ms", "50000")),
        alter(16, "metrics", setting("interval.ms", "5000")),
        asking("CREATE_ACLS", 3, creations=[acl("bob")]),
        asking("ALTER_USER_SCRAM_CREDENTIALS", 0, deletions=[], upsertions=[scram("bob")]),
        quota("bob"),
        new_token,
        by_http("POST", "/subjects/s/versions", schema("a")),
        by_http("POST", "/subjects/s/versions", schema("b")),
        by_http("POST", "/subjects/gone/versions", schema("a")),
        by_http("DELETE", "/subjects/gone"),
        by_http("PUT", "/config/s", {"compatibility": "FULL"}),
        by_http("PUT", "/mode/s", {"mode": "READWRITE"}),
        by_http("PUT", "/_fakebus/v1/snapshots/first", {}),
        by_http("PUT", "/_fakebus/v1/services/lms", {"client_ids": ["lms-*"]}),
        by_redis("XADD", "stream", "*", "f", "v"),
        by_redis("XADD", "stream", "*", "f", "w"),
        by_redis("XGROUP", "CREATE", "stream", "workers", "0"),
        by_redis("XREADGROUP", "GROUP", "workers", "w1", "COUNT", "1", "STREAMS", "stream", ">"),
    ):
        answer = write(bus)
        assert not refused(answer), answer


def refused(answer: Any) -> bool:
    """Whether an answer says that something went wrong."""
    if isinstance(answer, dict):
        codes = (code for name, code in answer.items() if name.endswith("error_code"))
        if any(code not in (0, None, FINE) for code in codes) or answer.get("problem"):
            return True
        return any(refused(each) for each in answer.values())
    if isinstance(answer, tuple):
        return len(answer) == 2 and isinstance(answer[0], int) and answer[0] >= 400
    return isinstance(answer, list) and any(map(refused, answer))


def once(write: Write) -> Prepare:
    """Return a write that needs nothing before it."""
    return lambda bus: lambda: write(bus)


def in_transaction(
    write: Callable[[Transaction], Any],
) -> Prepare:
    def prepare(bus: FailingBus) -> Callable[[], Any]:
        transaction = Transaction(bus, "txn")
        return lambda: write(transaction)

    return prepare


def in_classic_group(step: str, *before: str, group: str = "classic") -> Prepare:
    def prepare(bus: FailingBus) -> Callable[[], Any]:
        member = Classic(bus, group)
        for each in before:
            assert not refused(answer := getattr(member, each)()), answer
        return lambda: getattr(member, step)()

    return prepare


def acknowledging(kind: int) -> Prepare:
    def prepare(bus: FailingBus) -> Callable[[], Any]:
        sharing = Sharing(bus)
        return lambda: sharing.acknowledge(0, 1, kind)

    return prepare


def _offsets_in_transaction(group: str) -> Prepare:
    def prepare(bus: FailingBus) -> Callable[[], Any]:
        transaction = Transaction(bus, "txn")
        assert not refused(transaction.add_offsets(group))
        return lambda: transaction.commit_offsets(group)

    return prepare


def _first_registration(bus: FailingBus) -> Callable[[], Any]:
    return lambda: bus.http("POST", "/subjects/fresh/versions", schema("c"))


def _commit_by_rest(bus: FailingBus) -> Callable[[], Any]:
    made = bus.http("POST", "/consumers/resting", {"name": "c", "auto.commit.enable": "false"})
    assert made["instance_id"] == "c"
    place = {"topic": "t", "partition": 0}
    assert not bus.http(
        "POST", "/consumers/resting/instances/c/assignments", {"partitions": [place]}
    )
    offsets = {"offsets": [place | {"offset": 1}]}
    return lambda: bus.http("POST", "/consumers/resting/instances/c/offsets", offsets)


def _version_for_ever(bus: FailingBus) -> Callable[[], Any]:
    assert bus.http("DELETE", "/subjects/s/versions/1") == 1
    return lambda: bus.http("DELETE", "/subjects/s/versions/1?permanent=true")


REST_RECORD = {"value": {"type": "STRING", "data": "x"}}
REST_ACL = {
    "resource_type": "TOPIC",
    "resource_name": "t",
    "pattern_type": "LITERAL",
    "principal": "User:eve",
    "host": "*",
    "operation": "READ",
    "permission": "DENY",
}
NEW_TOPIC = {"name": "new", "num_partitions": 3, "replication_factor": 1}
WRITES: dict[str, Prepare] = {
    "create topic": once(asking("CREATE_TOPICS", 7, topics=[NEW_TOPIC], timeout_ms=1000)),
    "create topic with configs": once(
        asking(
            "CREATE_TOPICS",
            7,
            topics=[NEW_TOPIC | {"configs": [{"name": "cleanup.policy", "value": "compact"}]}],
            timeout_ms=1000,
        )
    ),
    "create topic by metadata": once(
        asking("METADATA", 12, topics=[{"name": "auto"}], allow_auto_topic_creation=True)
    ),
    "delete topic": once(asking("DELETE_TOPICS", 5, topic_names=["t"], timeout_ms=1000)),
    "create partitions": once(
        asking(
            "CREATE_PARTITIONS",
            3,
            topics=[{"name": "t", "count": 4, "assignments": None}],
            timeout_ms=1000,
        )
    ),
    "delete records": once(
        asking(
            "DELETE_RECORDS",
            2,
            topics=[{"name": "t", "partitions": [{"partition_index": 0, "offset": 2}]}],
            timeout_ms=1000,
        )
    ),
    "set topic config": once(alter(2, "t", setting("retention.ms", "1000000000"))),
    "unset topic config": once(alter(2, "u", setting("retention.ms", None))),
    "replace topic configs": once(
        asking(
            "ALTER_CONFIGS",
            2,
            resources=[
                {
                    "resource_type": 2,
                    "resource_name": "u",
                    "configs": [{"name": "segment.ms", "value": "1000000"}],
                }
            ],
        )
    ),
    "set broker config": once(alter(4, "1", setting("message.max.bytes", "3000000"))),
    "unset cluster config": once(alter(4, "", setting("message.max.bytes", None))),
    "set group config": once(alter(32, "h", setting("consumer.session.timeout.ms", "51000"))),
    "unset group config": once(alter(32, "g", setting("consumer.session.timeout.ms", None))),
    "set client metrics": once(alter(16, "more", setting("interval.ms", "6000"))),
    "unset client metrics": once(alter(16, "metrics", setting("interval.ms", None))),
    "produce": once(produce("t", b"new")),
    "produce by an idempotent producer": once(
        produce("u", b"2", producer_id=0, producer_epoch=0, base_sequence=1)
    ),
    "produce by a new idempotent producer": once(
        produce("u", b"2", producer_id=77, producer_epoch=0, base_sequence=0)
    ),
    "produce by HTTP v2": once(by_http("POST", "/topics/t", {"records": [{"value": seeded("x")}]})),
    "produce by HTTP": once(by_http("POST", "/_fakebus/v1/topics/t/records", {"value": "x"})),
    "produce by the console's door": once(
        by_http("POST", "/_fakebus/v1/records", {"topic": "t", "value": "x"})
    ),
    "commit offsets": once(commit("g", 3)),
    "commit offsets of a new group": once(commit("fresh", 3)),
    "delete offsets": once(
        asking(
            "OFFSET_DELETE",
            0,
            group_id="g",
            topics=[{"name": "t", "partitions": [{"partition_index": 0}]}],
        )
    ),
    **{
        f"delete group {name}": once(asking("DELETE_GROUPS", 2, groups_names=[name]))
        for name in ("g", "consumers", "shared", "streams")
    },
    "commit as a member of a classic group": in_classic_group("commit", "join", "sync"),
    "join a classic group": in_classic_group("join", group="h"),
    "join a new classic group": in_classic_group("join"),
    "leave a classic group": in_classic_group("leave", "join", "sync"),
    "come back to a classic group": in_classic_group("come_back", "join_for_good", "sync"),
    "join a consumer group": once(join("consumers", "m2")),
    "join a new consumer group": once(join("fresh", "m2")),
    "upgrade a classic group": once(join("h", "m2")),
    "join a share group": once(join_share("shared", MEMBER)),
    "join a new share group": once(join_share("fresh", MEMBER)),
    "join a streams group": once(join_streams("streams", "m2")),
    "join a new streams group": once(join_streams("fresh", "m2")),
    "move a share group": once(
        asking(
            "ALTER_SHARE_GROUP_OFFSETS",
            0,
            group_id="shared",
            topics=place(start_offset=1),
        )
    ),
    "let a share group begin anew": once(
        asking(
            "ALTER_SHARE_GROUP_OFFSETS",
            0,
            group_id="shared",
            topics=[
                {"topic_name": "t", "partitions": [{"partition_index": 0, "start_offset": -1}]}
            ],
        )
    ),
    "delete offsets of a share group": once(
        asking("DELETE_SHARE_GROUP_OFFSETS", 0, group_id="shared", topics=[{"topic_name": "t"}])
    ),
    "accept shared records": acknowledging(1),
    "release shared records": acknowledging(2),
    "reject shared records": acknowledging(3),
    "begin a transaction": once(
        asking("INIT_PRODUCER_ID", 4, transactional_id="new", transaction_timeout_ms=900_000)
    ),
    "fence a transaction": in_transaction(lambda transaction: _again(transaction)),
    "add partitions to a transaction": in_transaction(lambda transaction: transaction.add("u")),
    "produce in a transaction": in_transaction(lambda transaction: transaction.write(1)),
    "add offsets to a transaction": in_transaction(lambda transaction: transaction.add_offsets()),
    "commit offsets in a transaction": _offsets_in_transaction("g"),
    "commit offsets of a new group in a transaction": _offsets_in_transaction("fresh"),
    "commit a transaction": in_transaction(lambda transaction: transaction.end(commit=True)),
    "abort a transaction": in_transaction(lambda transaction: transaction.end(commit=False)),
    "create ACL": once(asking("CREATE_ACLS", 3, creations=[acl("eve")])),
    "delete ACL": once(
        asking(
            "DELETE_ACLS",
            3,
            filters=[
                {
                    **{f"{name}_filter": None for name in ("resource_name", "principal", "host")},
                    "resource_type_filter": 1,
                    "pattern_type_filter": 1,
                    "operation": 1,
                    "permission_type": 1,
                }
            ],
        )
    ),
    "create user": once(
        asking("ALTER_USER_SCRAM_CREDENTIALS", 0, deletions=[], upsertions=[scram("eve")])
    ),
    "delete user": once(
        asking(
            "ALTER_USER_SCRAM_CREDENTIALS",
            0,
            deletions=[{"name": "bob", "mechanism": 1}],
            upsertions=[],
        )
    ),
    "set quota": once(quota("eve")),
    "unset quota": once(quota("bob", remove=True)),
    "create token": once(new_token),
    "renew token": once(with_token("RENEW_DELEGATION_TOKEN", renew_period_ms=3_600_000)),
    "expire token": once(with_token("EXPIRE_DELEGATION_TOKEN", expiry_time_period_ms=-1)),
    "register": once(by_http("POST", "/subjects/s/versions", schema("c"))),
    "register a first version": _first_registration,
    "register what was deleted": once(by_http("POST", "/subjects/gone/versions", schema("a"))),
    "delete a version": once(by_http("DELETE", "/subjects/s/versions/1")),
    "delete a subject": once(by_http("DELETE", "/subjects/s")),
    "delete a subject for ever": once(by_http("DELETE", "/subjects/gone?permanent=true")),
    "set compatibility": once(by_http("PUT", "/config", {"compatibility": "NONE"})),
    "set compatibility of a subject": once(
        by_http("PUT", "/config/s", {"compatibility": "FORWARD"})
    ),
    "unset compatibility": once(by_http("DELETE", "/config/s")),
    "set mode": once(by_http("PUT", "/mode", {"mode": "READONLY"})),
    "unset mode": once(by_http("DELETE", "/mode/s")),
    "set mode of a subject": once(by_http("PUT", "/mode/s", {"mode": "READONLY"})),
    "save snapshot": once(by_http("PUT", "/_fakebus/v1/snapshots/second", {})),
    "restore snapshot": once(by_http("POST", "/_fakebus/v1/snapshots/first/restore", {})),
    "delete snapshot": once(by_http("DELETE", "/_fakebus/v1/snapshots/first")),
    "name a service": once(by_http("PUT", "/_fakebus/v1/services/cms", {"client_ids": ["cms-*"]})),
    "XADD": once(by_redis("XADD", "stream", "*", "f", "x")),
    "XADD to a new stream": once(by_redis("XADD", "other", "*", "f", "x")),
    "XADD and trim": once(by_redis("XADD", "stream", "MAXLEN", "1", "*", "f", "x")),
    "XGROUP CREATE": once(by_redis("XGROUP", "CREATE", "stream", "more", "0")),
    "XGROUP CREATE MKSTREAM": once(by_redis("XGROUP", "CREATE", "other", "more", "0", "MKSTREAM")),
    "XGROUP SETID": once(by_redis("XGROUP", "SETID", "stream", "workers", "0")),
    "XGROUP DESTROY": once(by_redis("XGROUP", "DESTROY", "stream", "workers")),
    "XGROUP CREATECONSUMER": once(by_redis("XGROUP", "CREATECONSUMER", "stream", "workers", "w2")),
    "XGROUP DELCONSUMER": once(by_redis("XGROUP", "DELCONSUMER", "stream", "workers", "w1")),
    "XREADGROUP": once(by_redis("XREADGROUP", "GROUP", "workers", "w2", "STREAMS", "stream", ">")),
    "XACK": once(by_redis("XACK", "stream", "workers", FIRST)),
    "XCLAIM": once(by_redis("XCLAIM", "stream", "workers", "w2", "0", FIRST)),
    "XAUTOCLAIM": once(by_redis("XAUTOCLAIM", "stream", "workers", "w2", "0", "0")),
    "XTRIM": once(by_redis("XTRIM", "stream", "MAXLEN", "1")),
    "DEL": once(by_redis("DEL", "stream")),
}

OTHER_DOORS: dict[str, Prepare] = {
    "produce in a batch by REST": once(
        by_rest("POST", "/topics/t/records:batch", {"entries": [{"id": "1", **REST_RECORD}]})
    ),
    "produce by REST": once(by_rest("POST", "/topics/t/records", REST_RECORD)),
    "create topic by REST": once(by_rest("POST", "/topics", {"topic_name": "new"})),
    "create partitions by REST": once(by_rest("PATCH", "/topics/t", {"partitions_count": 4})),
    "delete topic by REST": once(by_rest("DELETE", "/topics/t")),
    "set topic config by REST": once(
        by_rest("PUT", "/topics/t/configs/retention.ms", {"value": "1000000000"})
    ),
    "unset topic config by REST": once(by_rest("DELETE", "/topics/u/configs/retention.ms")),
    "set topic configs by REST": once(
        by_rest(
            "POST",
            "/topics/u/configs:alter",
            {"data": [{"name": "segment.ms", "value": "1000000"}]},
        )
    ),
    "set broker config by REST": once(
        by_rest("PUT", "/brokers/1/configs/message.max.bytes", {"value": "3000000"})
    ),
    "unset cluster config by REST": once(by_rest("DELETE", "/broker-configs/message.max.bytes")),
    "create ACL by REST": once(by_rest("POST", "/acls", REST_ACL)),
    "create ACLs by REST": once(by_rest("POST", "/acls:batch", {"data": [REST_ACL]})),
    "delete ACLs by REST": once(by_rest("DELETE", "/acls?resource_type=TOPIC")),
    "commit by REST": _commit_by_rest,
    "set mode of a subject to import": once(
        by_http("PUT", "/mode/s?force=true", {"mode": "IMPORT"})
    ),
    "delete a version for ever": _version_for_ever,
    "replay": once(by_http("POST", "/_fakebus/v1/replay", {"ranges": ["t[0]@0"], "to": "u"})),
    "save snapshot anew": once(by_http("PUT", "/_fakebus/v1/snapshots/first", {})),
    "forget a service": once(
        by_http(
            "PUT",
            "/_fakebus/v1/services/lms",
            {"client_ids": []},
        )
    ),
    "create topic by the console": once(by_console("/topics", name="new", partitions="2")),
    "produce by the console": once(
        by_console("/topics/t/produce", value="x", value_kind="text", do="produce")
    ),
    "set configs by the console": once(
        by_console("/topics/u/configs", configs="segment.ms=1000000", remove="retention.ms")
    ),
    "create partitions by the console": once(by_console("/topics/t/partitions", partitions="4")),
    "empty topic by the console": once(by_console("/topics/t/empty", confirm="t")),
    "delete topic by the console": once(by_console("/topics/t/delete", confirm="t")),
    "reset group by the console": once(by_console("/group/reset", name="g", move="t-0@2")),
    "delete group by the console": once(by_console("/group/delete", name="g", confirm="g")),
    "name a service by the console": once(
        by_console("/clients", service="cms", client_ids="cms-*")
    ),
    "register by the console": once(
        by_console(
            "/schema", name="s", text=schema("c")["schema"], schema_type="AVRO", do="register"
        )
    ),
    "set compatibility by the console": once(
        by_console("/schema/level", name="s", level="FORWARD")
    ),
    "delete a subject by the console": once(by_console("/schema/delete", name="s", confirm="s")),
    "save snapshot by the console": once(by_console("/snapshots", name="second")),
    "restore snapshot by the console": once(
        by_console("/snapshots/restore", name="first", confirm="first")
    ),
    "delete snapshot by the console": once(
        by_console("/snapshots/delete", name="first", confirm="first")
    ),
    "create ACL by the console": once(
        by_console(
            "/access",
            kind="TOPIC",
            name="t",
            pattern="LITERAL",
            principal="User:eve",
            operation="READ",
            permission="DENY",
        )
    ),
}
"""Writes of which each does the same as one above, by another door."""


def _again(transaction: Transaction) -> Any:
    fields = {"transactional_id": transaction.name, "transaction_timeout_ms": 900_000}
    for _ in range(10_000):
        answer = transaction.bus.ask("INIT_PRODUCER_ID", 4, fields)
        if answer["error_code"] != CONCURRENT_TRANSACTIONS:
            return answer
    raise AssertionError(answer)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("filled") / "bus.db"
    with failing_bus(path) as bus:
        fill(bus)
    return path


@pytest.fixture
def bus(filled: Path, tmp_path: Path) -> Iterator[FailingBus]:
    path = tmp_path / "bus.db"
    path.write_bytes(filled.read_bytes())
    with failing_bus(path) as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITES)
def test_what_is_refused_is_as_if_it_had_never_been_asked(
    bus: FailingBus, tmp_path: Path, name: str
) -> None:
    write = WRITES[name](bus)
    before, rows = bus.seen(), bus.stored()
    with bus.full_disk():
        assert refused(answer := write()), answer
    assert list(differences(before, bus.seen())) == []
    if bus.stored() != rows:
        # Something else was noted; else a restart finds what it would have found before.
        stored = seen_again(bus.copied(tmp_path / "after.db"), tmp_path / "again.db")
        assert list(differences(before, stored)) == []
    answer = write()
    assert not refused(answer), answer
    after = bus.seen()
    assert (after != before) == (name not in UNSEEN)
    stored = seen_again(bus.copied(tmp_path / "done.db"), tmp_path / "again.db")
    assert list(differences(after, stored)) == []


@pytest.mark.slow
def test_what_is_refused_by_other_doors_is_as_if_it_had_never_been_asked(
    bus: FailingBus, tmp_path: Path
) -> None:
    writes = {name: prepare(bus) for name, prepare in OTHER_DOORS.items()}
    before = bus.seen()
    with bus.full_disk():
        assert [name for name, write in writes.items() if not refused(write())] == []
    assert list(differences(before, bus.seen())) == []
    stored = seen_again(bus.copied(tmp_path / "after.db"), tmp_path / "again.db")
    assert list(differences(before, stored)) == []


@pytest.mark.slow
def test_other_doors_are_open_where_the_disk_is_not_full(filled: Path, tmp_path: Path) -> None:
    path = tmp_path / "bus.db"
    for name, prepare in OTHER_DOORS.items():
        path.write_bytes(filled.read_bytes())
        with failing_bus(path) as bus:
            assert not refused(answer := prepare(bus)()), (name, answer)


OF_SEVERAL = (
    *("let a share group begin anew", "begin a transaction", "register", "XADD to a new stream"),
    *("XGROUP CREATE MKSTREAM", "XADD and trim", "XREADGROUP", "delete records", "delete topic"),
)
"""Writes that are committed one after the other, or were. What a snapshot has not taken back yet is
another matter: the next start does."""


@pytest.mark.slow
@pytest.mark.parametrize("fails_at", [1, 2])
def test_where_one_of_several_writes_fails_memory_is_what_a_restart_finds(
    bus: FailingBus, tmp_path: Path, fails_at: int
) -> None:
    writes: Any = bus.bus.broker._storage.writes
    for name in OF_SEVERAL:
        write = WRITES[name](bus)
        failures = iter([None] * (fails_at - 1) + [StorageError(FAILURE)])
        writes.refusal = partial(next, failures, None)
        write()
        writes.refusal = None
    seen = bus.seen()
    stored = seen_again(bus.copied(tmp_path / "after.db"), tmp_path / "again.db")
    # Topics that were put back are told behind the others.
    for each in (seen, stored):
        each["configs"].sort()
        each["resources"]["config_resources"].sort(key=str)
    assert list(differences(seen, stored)) == []
