"""Real clients on a bus with an authorizer: what ACLs let them do, and what they are told."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest
import requests
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from fakebus.addresses import Address, KafkaAddress
from fakebus.app import BusThread, FakeBus
from fakebus.config import Settings
from fakebus.errors import ConfigError

pytestmark = pytest.mark.clients

AUTHORIZER = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
EVERY_ACL = AclBindingFilter(
    ResourceType.ANY,
    None,
    ResourcePatternType.ANY,
    None,
    None,
    AclOperation.ANY,
    AclPermissionType.ANY,
)


def settings(data: Path | None = None, **configs: str) -> Settings:
    chosen = {
        "fakebus.sasl.users": "admin:a,alice:secret,bob:pw",
        "authorizer.class.name": AUTHORIZER,
        "super.users": "User:admin",
        **configs,
    }
    address = KafkaAddress("127.0.0.1", 0, "SASL_PLAINTEXT")
    http = (Address("127.0.0.1", 0),)
    return Settings(data=data, http=http, kafka=(address,), set=chosen)


@contextmanager
def running(chosen: Settings) -> Iterator[FakeBus]:
    with BusThread(FakeBus(chosen)) as thread:
        yield thread.bus
        admin.cache_clear()


@pytest.fixture(scope="module")
def bus() -> Iterator[FakeBus]:
    with running(settings()) as started:
        yield started


PASSWORDS = {"admin": "a", "alice": "secret", "bob": "pw"}


def config(bus: FakeBus, user: str, **more: Any) -> dict[str, Any]:
    return {
        "bootstrap.servers": bus.bootstrap_servers,
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": user,
        "sasl.password": PASSWORDS[user],
        **more,
    }


@cache
def admin(bus: FakeBus, user: str = "admin") -> AdminClient:
    # A client that nobody holds is destroyed, with what was asked of it.
    return AdminClient(config(bus, user))


def results(futures: dict[Any, Any]) -> list[Any]:
    return [future.result(60) for future in futures.values()]


def acl(
    user: str,
    operation: AclOperation,
    name: str,
    kind: ResourceType = ResourceType.TOPIC,
    *,
    deny: bool = False,
    prefixed: bool = False,
) -> AclBinding:
    return AclBinding(
        kind,
        name,
        ResourcePatternType.PREFIXED if prefixed else ResourcePatternType.LITERAL,
        f"User:{user}",
        "*",
        operation,
        AclPermissionType.DENY if deny else AclPermissionType.ALLOW,
    )


def produced(bus: FakeBus, user: str, topic: str) -> str:
    """Return the name of the error that a producer is told; empty if it may write."""
    told: list[Any] = []
    producer = confluent_kafka.Producer(config(bus, user))
    producer.produce(topic, b"x", on_delivery=lambda error, _: told.append(error))
    producer.flush(60)
    return "" if told[0] is None else str(told[0].name())


def test_a_producer_may_write_as_soon_as_an_acl_allows_it(bus: FakeBus) -> None:
    results(admin(bus).create_topics([NewTopic("orders", 1, 1)]))
    assert produced(bus, "alice", "orders") == "TOPIC_AUTHORIZATION_FAILED"
    wanted = acl("alice", AclOperation.WRITE, "orders")
    results(admin(bus).create_acls([wanted]))
    assert produced(bus, "alice", "orders") == ""
    assert wanted in admin(bus).describe_acls(EVERY_ACL).result(60)
    results(admin(bus).create_acls([acl("alice", AclOperation.ALL, "orders", deny=True)]))
    assert produced(bus, "alice", "orders") == "TOPIC_AUTHORIZATION_FAILED"


def test_topics_that_a_client_may_not_describe_are_hidden_from_it(bus: FakeBus) -> None:
    results(admin(bus).create_topics([NewTopic("seen.1", 1, 1), NewTopic("unseen", 1, 1)]))
    results(admin(bus).create_acls([acl("bob", AclOperation.READ, "seen.", prefixed=True)]))
    seen = admin(bus, "bob").list_topics(timeout=60).topics
    assert "seen.1" in seen
    assert "unseen" not in seen


def test_a_consumer_needs_its_group_and_its_topic(bus: FakeBus) -> None:
    results(admin(bus).create_topics([NewTopic("letters", 1, 1)]))
    assert produced(bus, "admin", "letters") == ""

    def consumed(group: str) -> str:
        consumer = confluent_kafka.Consumer(
            config(bus, "bob", **{"group.id": group, "auto.offset.reset": "earliest"})
        )
        try:
            consumer.subscribe(["letters"])
            message = consumer.poll(60)
            assert message is not None
            error = message.error()
            return "" if error is None else str(error.name())
        finally:
            consumer.close()

    assert consumed("readers") == "GROUP_AUTHORIZATION_FAILED"
    results(admin(bus).create_acls([acl("bob", AclOperation.READ, "readers", ResourceType.GROUP)]))
    assert consumed("readers") == "TOPIC_AUTHORIZATION_FAILED"
    results(admin(bus).create_acls([acl("bob", AclOperation.READ, "letters")]))
    assert consumed("readers") == ""


def test_only_those_who_may_alter_the_cluster_create_acls(bus: FakeBus) -> None:
    futures = admin(bus, "alice").create_acls([acl("alice", AclOperation.ALL, "*")])
    with pytest.raises(confluent_kafka.KafkaException) as refused:
        results(futures)
    assert refused.value.args[0].name() == "CLUSTER_AUTHORIZATION_FAILED"


def test_acls_outlast_a_restart_and_are_deleted_by_filters(tmp_path: Path) -> None:
    chosen = settings(tmp_path / "bus.db")
    kept, deleted = (acl("alice", AclOperation.READ, name) for name in ("kept", "deleted"))
    with running(chosen) as bus:
        results(admin(bus).create_acls([kept, deleted]))
    with running(chosen) as bus:
        wanted = AclBindingFilter(
            ResourceType.TOPIC,
            "deleted",
            ResourcePatternType.MATCH,
            None,
            None,
            AclOperation.ANY,
            AclPermissionType.ANY,
        )
        assert results(admin(bus).delete_acls([wanted])) == [[deleted]]
    with running(chosen) as bus:
        assert admin(bus).describe_acls(EVERY_ACL).result(60) == [kept]


@pytest.mark.parametrize(
    ("configs", "problem"),
    [
        ({"authorizer.class.name": "com.example.Mine"}, "com.example.Mine cannot be loaded"),
        ({"super.users": "admin"}, "'admin' is no principal"),
    ],
)
def test_an_authorizer_that_cannot_be_had_is_refused_at_start(
    configs: dict[str, str], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem), running(settings(**configs)):
        pass


def scram(bus: FakeBus, user: str, password: str, mechanism: str) -> str:
    """Return the topics that a user sees who logs in by SCRAM, or what it is told instead."""
    told: list[str] = []
    client = AdminClient(
        {
            "bootstrap.servers": bus.bootstrap_servers,
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": mechanism,
            "sasl.username": user,
            "sasl.password": password,
            "error_cb": lambda error: told.append(error.name()),
        }
    )
    try:
        return ",".join(client.list_topics(timeout=2).topics)
    except confluent_kafka.KafkaException:
        client.poll(0)
        return told[0]


def test_users_that_a_client_makes_log_in_at_once_and_after_a_restart(tmp_path: Path) -> None:
    chosen = settings(tmp_path / "bus.db")
    new = UserScramCredentialUpsertion(
        "carol,=", ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 5000), b"changeme"
    )
    password = UserScramCredentialUpsertion(
        "alice", ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), b"other"
    )
    with running(chosen) as bus:
        assert scram(bus, "carol,=", "changeme", "SCRAM-SHA-512") == "_AUTHENTICATION"
        results(admin(bus).create_topics([NewTopic("t", 1, 1)]))
        results(admin(bus).create_acls([acl("carol,=", AclOperation.READ, "t")]))
        results(admin(bus).alter_user_scram_credentials([new, password]))
        assert scram(bus, "carol,=", "changeme", "SCRAM-SHA-512") == "t"
        assert scram(bus, "alice", "secret", "SCRAM-SHA-256") == "_AUTHENTICATION"
        assert scram(bus, "alice", "other", "SCRAM-SHA-256") == ""
    with running(chosen) as bus:
        assert scram(bus, "carol,=", "changeme", "SCRAM-SHA-512") == "t"
        [described] = results(admin(bus).describe_user_scram_credentials(["carol,="]))
        [info] = described.scram_credential_infos
        assert (info.mechanism, info.iterations) == (ScramMechanism.SCRAM_SHA_512, 5000)
        everybody = admin(bus).describe_user_scram_credentials().result(60)
        assert everybody.keys() == {"carol,=", "alice"}
        gone = [
            UserScramCredentialDeletion("carol,=", ScramMechanism.SCRAM_SHA_512),
            UserScramCredentialDeletion("alice", ScramMechanism.SCRAM_SHA_256),
        ]
        results(admin(bus).alter_user_scram_credentials(gone))
        assert scram(bus, "carol,=", "changeme", "SCRAM-SHA-512") == "_AUTHENTICATION"
        assert scram(bus, "alice", "secret", "SCRAM-SHA-256") == ""


def test_a_snapshot_takes_acls_and_credentials_along() -> None:
    wanted = acl("bob", AclOperation.READ, "t")
    made = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096)
    with BusThread(FakeBus(settings())) as thread:
        bus, snapshots = thread.bus, thread.bus.broker.snapshots

        def run(work: Coroutine[Any, Any, Any]) -> Any:
            return asyncio.run_coroutine_threadsafe(work, thread.loop).result(60)

        results(admin(bus).create_topics([NewTopic("t", 1, 1)]))
        results(admin(bus).create_acls([wanted]))
        snapshot = run(snapshots.take())
        results(admin(bus).delete_acls([EVERY_ACL]))
        results(admin(bus).create_acls([acl("bob", AclOperation.WRITE, "t")]))
        new = UserScramCredentialUpsertion("dave", made, b"pw")
        results(admin(bus).alter_user_scram_credentials([new]))
        run(snapshots.roll_back(snapshot))
        assert admin(bus).describe_acls(EVERY_ACL).result(60) == [wanted]
        assert admin(bus, "bob").list_topics(timeout=60).topics.keys() == {"t"}
        assert admin(bus).describe_user_scram_credentials().result(60) == {}
        admin.cache_clear()


def test_the_console_tells_what_a_client_was_refused(bus: FakeBus) -> None:
    future = admin(bus, "bob").create_topics([NewTopic("bobs-own", 1)])["bobs-own"]
    with pytest.raises(confluent_kafka.KafkaException, match="AUTHORIZATION_FAILED"):
        future.result(60)
    page = requests.get(f"{bus.http_url}/ui/access", timeout=60).text
    told = page[page.index('id="refused"') :]
    assert told.index("User:bob") < told.index("create") < told.index("bobs-own")
