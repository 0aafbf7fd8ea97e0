"""Random operations beside a real Kafka: logs with transactions, classic groups, topics, ACLs.

Each machine plays the same operations on both sides and compares every answer.
"""

from __future__ import annotations

import select
from typing import Any

import pytest
from hypothesis import example
from hypothesis import strategies as st

from fakebus.kafka.served import SERVED
from fakebus.protocol import messages as m
from fakebus.protocol.api_keys import ApiKey
from tests.differential.fetch_cases import fetch
from tests.differential.group_cases import Member, commit, fetch_offsets, new_group, plain_join
from tests.differential.machines import TIMEOUT, Operations, compare, machine, op
from tests.differential.offset_cases import delete_records, list_offsets
from tests.differential.produce_cases import batch, produce
from tests.differential.sides import Side, Sides, attempts
from tests.differential.test_wire_acls import (
    ALLOW,
    DENY,
    EVERY_ACL,
    LITERAL,
    PREFIXED,
    REQUESTS,
    acl,
    guarded,  # noqa: F401 - a fixture
    sorted_lists,
)
from tests.differential.transaction_cases import TransactionalProducer

pytestmark = [pytest.mark.kafka, TIMEOUT]

# --- logs and transactions -----------------------------------------------------------------------


class Log:
    """One partition, two transactional producers, another one, and a group that commits."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.topic = side.new_topic()
        self.group = new_group(side)
        self.producers = [TransactionalProducer(side, version) for version in (1, 2)]

    def play(self, name: str, *arguments: Any) -> Any:
        return getattr(self, name)(*arguments)

    def init(self, number: int) -> Any:
        return self.producers[number].init()

    def begin(self, number: int) -> Any:
        return self.producers[number].add(self.topic, 0)

    def write(self, number: int, count: int) -> Any:
        return self.producers[number].produce(self.topic, *(b"v" for _ in range(count)))

    def end(self, number: int, commits: bool) -> Any:
        ended = self.producers[number].end(commit=commits)
        return ended, self.producers[number].describe()

    def offsets(self, number: int, offset: int) -> Any:
        producer = self.producers[number]
        return (
            producer.add_offsets(self.group),
            producer.commit_offset(self.group, self.topic, offset),
        )

    def plain(self, count: int) -> Any:
        return produce(self.side, self.topic, batch(*(b"p" for _ in range(count))))

    def delete(self, before: int) -> Any:
        return delete_records(self.side, self.topic, before)

    def read(self, offset: int, isolation: int) -> Any:
        answer = fetch(self.side, self.topic, offset, isolation_level=isolation)
        for topic in answer["responses"]:
            for partition in topic["partitions"]:
                partition["last_stable_offset"] = self._stable(partition["last_stable_offset"])
                partition["records"] = [
                    tuple(
                        header[field]
                        for field in (
                            *("base_offset", "attributes", "last_offset_delta"),
                            *("producer_id", "producer_epoch", "base_sequence", "record_count"),
                        )
                    )
                    for header, _ in partition["records"]
                ]
        return answer

    def list(self, timestamp: int, isolation: int) -> Any:
        answers = []
        for replica in (-1, 0):
            [answer] = list_offsets(
                self.side, self.topic, timestamp, isolation_level=isolation, replica_id=replica
            )
            [[found]] = [topic["partitions"] for topic in answer["topics"]]
            found["offset"] = self._stable(found["offset"])
            answers.append(answer)
        return answers

    def _stable(self, offset: int) -> int:
        """Return an offset that Kafka may name before the start of the log, without that."""
        [answer] = list_offsets(self.side, self.topic, -2)
        start: int = answer["topics"][0]["partitions"][0]["offset"]
        return max(offset, start) if offset >= 0 else offset

    def commit(self, offset: int) -> Any:
        return commit(self.side, self.group, 8, (self.topic, {0: (offset, -1, "m")}))

    def committed(self, stable: bool) -> Any:
        return fetch_offsets(self.side, self.group, 8, [(self.topic, [0])], require_stable=stable)


PRODUCER, SOME = (0, 1), (0, 1, 2, 3, 5, 8)


@example(
    operations=[
        *(("write", 1, 2), ("plain", 1), ("delete", 1), ("read", 1, 1), ("list", -1, 1)),
        *(("delete", -1), ("read", 3, 0), ("end", 1, False), ("read", 3, 1)),
    ]
)
@machine(
    op("init", PRODUCER),
    op("begin", PRODUCER),
    op("write", PRODUCER, (1, 2)),
    op("write", PRODUCER, (1, 2)),
    op("end", PRODUCER, (True, False)),
    op("offsets", PRODUCER, SOME),
    op("plain", (1, 2)),
    op("delete", (-1, *SOME)),
    op("read", SOME, (0, 1)),
    op("read", SOME, (0, 1)),
    op("list", (-1, -2), (0, 1)),
    op("commit", SOME),
    op("committed", (False, True)),
)
def test_logs_and_transactions(sides: Sides, operations: Operations) -> None:
    def scenario(side: Side) -> Any:
        log = Log(side)
        return [(each, log.play(*each)) for each in (("init", 0), ("init", 1), *operations)]

    sides.compare(scenario)


# --- classic groups ------------------------------------------------------------------------------


class Classic:
    """Group with up to three members, the last of them static."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.group = new_group(side)
        self.topic = side.new_topic()
        fields = ({}, {}, {"group_instance_id": "static"})
        # Longer than a machine that does ten other things takes for all operations.
        timeouts = {"session_timeout_ms": 45_000, "rebalance_timeout_ms": 60_000}
        self.members = [Member(side, self.group, 5, **timeouts, **each) for each in fields]
        self.joined: list[int] = []
        """The numbers of those in the group, the leader first."""

    def play(self, name: str, *arguments: Any) -> Any:
        return getattr(self, name)(*arguments)

    def enter(self, number: int) -> Any:
        """Let a member join, and all others with it."""
        member, heard = self.members[number], []
        others = [each for each in self.joined if each != number]
        member.send_join()
        if not member.member_id and number != len(self.members) - 1:
            heard.append(plain_join(self.side, member.receive_join()))
            member.send_join()
        waits = self._rebalances(member, others)
        if waits:
            for each in others:
                self.members[each].send_join()
        everybody = [*others, number] if waits else [number]
        answers = {each: self.members[each].receive_join() for each in sorted(everybody)}
        heard += [plain_join(self.side, each) for each in answers.values()]
        if answers[number].error_code:
            member.member_id = ""  # It has left; next time it joins as a new one.
            return heard
        if number not in self.joined:
            self.joined.append(number)
        if others and not waits:
            # A follower with nothing new to say is told what there is, without the others.
            return [*heard, member.sync()]
        return heard + self._sync(answers)

    def _rebalances(self, member: Member, others: list[int]) -> bool:
        """Wait until the others are told to join anew, or the member is answered without them."""
        for each in others:
            for _ in attempts():
                if select.select([member.client.socket], [], [], 0)[0]:
                    return False
                if self.members[each].heartbeat()["error_code"]:
                    break
        return bool(others)

    def _sync(self, answers: dict[int, Any]) -> list[Any]:
        leader = next(
            (each for each, answer in answers.items() if answer.leader == answer.member_id), None
        )
        if leader is None:
            return []
        names = {self.members[each].member_id: b"%d" % each for each in answers}
        order = [leader, *(each for each in answers if each != leader)]
        self.joined.sort(key=lambda each: each != leader)
        return [self.members[each].sync(names if each == leader else None) for each in order]

    def leave(self, number: int) -> Any:
        left = self.members[number].leave()
        if number in self.joined:
            self.joined.remove(number)
            if self.joined:
                return left, self.enter(self.joined[0])
        return left

    def beat(self, number: int) -> Any:
        return self.members[number].heartbeat()

    def commit(self, number: int, offset: int) -> Any:
        return self.members[number].commit(self.topic, offset)

    def outside(self, offset: int) -> Any:
        return commit(self.side, self.group, 8, (self.topic, {0: (offset, -1, "")}))

    def committed(self) -> Any:
        return fetch_offsets(self.side, self.group, 8, [(self.topic, [0])])

    def described(self) -> Any:
        asked = m.DescribeGroupsRequest(groups=[self.group])
        answer = self.side.ask(ApiKey.DESCRIBE_GROUPS, 5, asked)
        for found in answer["groups"]:
            found["members"].sort(key=lambda each: each["member_id"])
            for each in found["members"]:
                del each["client_host"]
        return answer

    def delete(self) -> Any:
        asked = m.DeleteGroupsRequest(groups_names=[self.group])
        return self.side.ask(ApiKey.DELETE_GROUPS, 2, asked)

    def close(self) -> None:
        for each in self.members:
            each.close()


ANY_MEMBER = (0, 1, 2)


@machine(
    op("enter", ANY_MEMBER),
    op("enter", ANY_MEMBER),
    op("leave", ANY_MEMBER),
    op("beat", ANY_MEMBER),
    op("commit", ANY_MEMBER, SOME),
    op("outside", SOME),
    op("committed"),
    op("described"),
    op("delete"),
)
def test_classic_groups(sides: Sides, operations: Operations) -> None:
    def scenario(side: Side) -> Any:
        group = Classic(side)
        try:
            return [(each, group.play(*each)) for each in operations]
        finally:
            group.close()

    # Both take away groups without members and offsets every ten minutes, each in its own. When the
    # leader leaves, the member follows whose id comes first in Kafka's hash map: it has made it up.
    compare(sides, scenario, times=8)


# --- administration ------------------------------------------------------------------------------


class Admin:
    """Three names of topics, and a user's quota."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.names = [side.new_name() for _ in range(3)]
        self.changes = 0

    def play(self, name: str, *arguments: Any) -> Any:
        answer = getattr(self, name)(*arguments)
        if not name.startswith("show"):
            self._settle()
        return answer

    def _settle(self) -> None:
        """Wait until a broker knows all changes so far, by one more that can be seen."""
        self.changes += 1
        user = self.names[0]
        value = 1000.0 + self.changes
        self._quota(user, m.OpData(key="request_percentage", value=value))
        self._await_quotas(user, [value])

    def close(self) -> None:
        """Leave nothing behind that others would be shown."""
        for number in range(len(self.names)):
            self.delete(number)
        user = self.names[0]
        self._quota(user, m.OpData(key="request_percentage", remove=True))
        self._await_quotas(user, [])

    def _await_quotas(self, user: str, values: list[float]) -> None:
        component = m.ComponentData(entity_type="user", match_type=0, match=user)
        asked = m.DescribeClientQuotasRequest(components=[component], strict=True)
        for _ in attempts():
            found = self.side.call(ApiKey.DESCRIBE_CLIENT_QUOTAS, 1, asked)
            if [value.value for each in found.entries for value in each.values] == values:
                return
        raise AssertionError(found)

    def _quota(self, user: str, op_data: m.OpData) -> Any:
        entity = [m.EntityData(entity_type="user", entity_name=user)]
        change = m.AlterClientQuotasRequestEntryData(entity=entity, ops=[op_data])
        asked = m.AlterClientQuotasRequest(entries=[change])
        return self.side.ask(ApiKey.ALTER_CLIENT_QUOTAS, 1, asked)

    def create(self, number: int, partitions: int, retention: str) -> Any:
        topic = m.CreatableTopic(
            name=self.names[number],
            num_partitions=partitions,
            replication_factor=1,
            configs=[m.CreatableTopicConfig(name="retention.ms", value=retention)],
        )
        asked = m.CreateTopicsRequest(topics=[topic], timeout_ms=9000)
        answer = self.side.ask(ApiKey.CREATE_TOPICS, 7, asked)
        for each in answer["topics"]:
            del each["topic_id"]
            for config in each["configs"] or ():
                # What the brokers were started with differs on purpose.
                config.pop("config_source"), config.pop("value")
            (each["configs"] or []).sort(key=lambda config: config["name"])
        if answer["topics"][0]["error_code"] == 0:
            self.side.await_leaders(self.names[number], partitions)
        return answer

    def delete(self, number: int) -> Any:
        asked = m.DeleteTopicsRequest(topic_names=[self.names[number]], timeout_ms=9000)
        answer = self.side.ask(ApiKey.DELETE_TOPICS, 5, asked)
        return [(each["name"], each["error_code"]) for each in answer["responses"]]

    def grow(self, number: int, count: int) -> Any:
        topic = m.CreatePartitionsTopic(name=self.names[number], count=count, assignments=None)
        asked = m.CreatePartitionsRequest(topics=[topic], timeout_ms=9000)
        return self.side.ask(ApiKey.CREATE_PARTITIONS, 3, asked)

    def configure(self, number: int, key: str, value: str, operation: int) -> Any:
        config = m.IncrementalAlterConfigsRequestAlterableConfig(
            name=key, config_operation=operation, value=value
        )
        resource = m.IncrementalAlterConfigsRequestAlterConfigsResource(
            resource_type=2, resource_name=self.names[number], configs=[config]
        )
        asked = m.IncrementalAlterConfigsRequest(resources=[resource])
        return self.side.ask(ApiKey.INCREMENTAL_ALTER_CONFIGS, 1, asked)

    def show_configs(self, number: int) -> Any:
        keys = ["cleanup.policy", "retention.ms", "max.message.bytes"]
        resource = m.DescribeConfigsResource(
            resource_type=2, resource_name=self.names[number], configuration_keys=keys
        )
        asked = m.DescribeConfigsRequest(resources=[resource], include_synonyms=True)
        answer = self.side.ask(ApiKey.DESCRIBE_CONFIGS, 4, asked)
        for each in answer["results"]:
            each["configs"].sort(key=lambda config: config["name"])
        return answer

    def show_topic(self, number: int) -> Any:
        topic = m.MetadataRequestTopic(name=self.names[number])
        asked = m.MetadataRequest(topics=[topic], allow_auto_topic_creation=False)
        answer = self.side.ask(ApiKey.METADATA, 9, asked)
        for each in answer["topics"]:
            each["partitions"].sort(key=lambda partition: partition["partition_index"])
        return answer["topics"]


VALUES = (
    ("cleanup.policy", "compact"),
    ("cleanup.policy", "delete"),
    ("retention.ms", "1000"),
    ("retention.ms", "-2"),
    ("max.message.bytes", "5000"),
    ("no.such.config", "1"),
)


@machine(
    op("create", (0, 1, 2), (1, 2, 3), ("60000", "-1", "never")),
    op("delete", (0, 1, 2)),
    op("grow", (0, 1, 2), (0, 1, 2, 4)),
    st.tuples(
        st.just("configure"),
        st.sampled_from((0, 1, 2)),
        st.sampled_from(VALUES),
        st.sampled_from((0, 1, 2, 3)),
    ).map(lambda each: (each[0], each[1], *each[2], each[3])),
    op("show_configs", (0, 1, 2)),
    op("show_topic", (0, 1, 2)),
)
def test_administration(sides: Sides, operations: Operations) -> None:
    def scenario(side: Side) -> Any:
        admin = Admin(side)
        try:
            return [(each, admin.play(*each)) for each in operations]
        finally:
            admin.close()

    sides.compare(scenario)


# --- ACLs ----------------------------------------------------------------------------------------

ASKED = (
    *(ApiKey.METADATA, ApiKey.FETCH, ApiKey.PRODUCE, ApiKey.LIST_OFFSETS, ApiKey.OFFSET_FETCH),
    *(ApiKey.FIND_COORDINATOR, ApiKey.DESCRIBE_GROUPS, ApiKey.DESCRIBE_CONFIGS),
    *(ApiKey.DESCRIBE_TOPIC_PARTITIONS, ApiKey.LIST_CONFIG_RESOURCES, ApiKey.DESCRIBE_CLUSTER),
)
NAMES = ("open", "shut", "s", "*", "missing")


@pytest.fixture(scope="module")
def authorized(guarded: dict[str, Sides]) -> dict[str, Sides]:  # noqa: F811
    return guarded


@machine(
    op("create", range(2, 13), (2, 3, 4, 5), NAMES, (LITERAL, PREFIXED), (ALLOW, ALLOW, DENY)),
    op("create", (2, 3, 4, 8), (2,), NAMES, (LITERAL, PREFIXED), (ALLOW, ALLOW, DENY)),
    op("delete", (1, 2, 3, 8), NAMES),
    op("ask", ASKED),
    op("ask", ASKED),
)
def test_acls(authorized: dict[str, Sides], operations: Operations) -> None:
    def scenario(number: int) -> Any:
        admin = (authorized["super"].kafka, authorized["super"].bus)[number]
        eve: Any = (authorized["eve"].kafka, authorized["eve"].bus)[number]
        eve.clean_up()
        for name, topic_id in eve.topics.items():
            eve.name(topic_id, f"id of {name}")
        heard: list[Any] = []
        try:
            for name, *arguments in operations:
                if name == "ask":
                    [api] = arguments
                    request = REQUESTS[api](eve)
                    if api is ApiKey.METADATA:
                        # A topic that is made so is there a little later on Kafka.
                        request.allow_auto_topic_creation = False
                    version = SERVED[api].max_version
                    heard.append((api.name, sorted_lists(eve.ask(api, version, request))))
                else:
                    heard.append((name, arguments, _change(admin, name, arguments)))
        finally:
            _change(admin, "delete", [1, None])
            eve.disconnect()
        return heard

    played = [scenario(number) for number in range(2)]
    assert played[1] == played[0]


def _change(admin: Side, name: str, arguments: list[Any]) -> Any:
    before = _acls(admin)
    if name == "create":
        operation, kind, resource, pattern, permission = arguments
        resource = "kafka-cluster" if kind == 4 else resource
        wanted = acl(
            operation,
            resource,
            kind,
            principal="User:eve",
            resource_pattern_type=pattern,
            permission_type=permission,
        )
        asked: Any = m.CreateAclsRequest(creations=[wanted])
        answer = admin.ask(ApiKey.CREATE_ACLS, 3, asked)
        if answer["results"][0]["error_code"] == 0:
            _await(admin, before | {_key(wanted)})
        return answer
    operation, resource = arguments
    wanted = m.DeleteAclsFilter(
        resource_type_filter=1,
        resource_name_filter=resource,
        pattern_type_filter=1,
        principal_filter="User:eve",
        host_filter=None,
        operation=operation,
        permission_type=1,
    )
    answer = admin.call(ApiKey.DELETE_ACLS, 3, m.DeleteAclsRequest(filters=[wanted]))
    gone = {_key(each) for found in answer.filter_results for each in found.matching_acls}
    _await(admin, before - gone)
    return sorted(gone)


def _key(each: Any) -> tuple[Any, ...]:
    pattern = getattr(each, "resource_pattern_type", None) or each.pattern_type
    names = each.resource_type, each.resource_name, pattern, each.principal
    return *names, each.operation, each.permission_type


def _acls(admin: Side) -> set[tuple[Any, ...]]:
    answer = admin.call(ApiKey.DESCRIBE_ACLS, 3, EVERY_ACL)
    return {
        (
            *(found.resource_type, found.resource_name, found.pattern_type, each.principal),
            *(each.operation, each.permission_type),
        )
        for found in answer.resources
        for each in found.acls
    }


def _await(admin: Side, wanted: set[tuple[Any, ...]]) -> None:
    """Wait until the broker decides by the ACLs that its controller has taken."""
    for _ in attempts():
        if (found := _acls(admin)) == wanted:
            return
    raise AssertionError(found ^ wanted)
