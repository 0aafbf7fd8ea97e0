"""edx-event-bus-redis as it is, and the two buses together."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable

import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from redis import Redis, ResponseError

from tests.openedx.conftest import Service, Site, catalogue, wait_until

pytestmark = [
    pytest.mark.clients,
    pytest.mark.timeout(200),
]

MakeSite = Callable[..., Site]
TOPIC = "dev-user-login"
LOGIN = "org.openedx.learning.auth.session.login.completed.v1"


def consume(site: Site, name: str, received: str, **extra: object) -> Service:
    options = json.dumps({"consumer_name": name, **extra})
    return site.start(
        *("consume_events", "-t", "user-login", "-g", "g", "--extra", options), received=received
    )


def wait_for_group(site: Site, consumer: str) -> None:
    def is_there() -> bool:
        with Redis.from_url(site.bus.redis_urls[0]) as client:
            try:
                consumers = client.xinfo_consumers(TOPIC, "g")
            except ResponseError:
                return False
        return consumer.encode() in {each["name"] for each in consumers}

    wait_until(is_there, f"{consumer} in the group")


def test_every_signal_arrives_as_it_was_sent(make_site: MakeSite) -> None:
    site = make_site("redis")
    # This consumer works in the main thread of a process only, so all events take one topic.
    config = json.loads(site.environment["PRODUCER_CONFIG"])
    site.environment["PRODUCER_CONFIG"] = json.dumps(
        {name: {"user-login": next(iter(topics.values()))} for name, topics in config.items()}
    )
    consume(site, "all", "all")
    wait_for_group(site, "all")
    sent = json.loads(site.start("send-all").output())
    received = site.wait_received("all", len(sent))
    for each in received:
        del each["pid"]
    assert {each["event_type"] for each in sent} == {each.event_type for each in catalogue()}
    assert received == sent


def test_a_consumer_goes_on_where_it_was_killed(make_site: MakeSite) -> None:
    site = make_site("redis")
    first = consume(site, "first", "r")
    wait_for_group(site, "first")
    site.produce(username="one")
    site.wait_received("r", 1)
    first.stop(signal.SIGKILL)
    site.produce(username="two")
    # Only with check_backlog does the consumer read what came while it was away.
    consume(site, "first", "r", check_backlog=True)
    site.wait_received("r", 2)
    assert site.users("r") == ["one", "two"]


def test_what_one_bus_sends_the_other_one_receives(make_site: MakeSite) -> None:
    redis = make_site("redis")
    kafka = Site(redis.bus, "kafka", redis.directory, redis._stack)
    admin = AdminClient({"bootstrap.servers": redis.bus.bootstrap_servers})
    admin.create_topics([NewTopic(TOPIC, 1, 1)])[TOPIC].result(60)
    # The schema is there, as in a seeded bus, so that Kafka's consumers can read events of Redis.
    schema = next(each.schema for each in catalogue() if each.event_type == LOGIN)
    registry = SchemaRegistryClient({"url": redis.bus.http_url})
    registry.register_schema(f"{TOPIC}-{LOGIN}.CloudEvent", Schema(json.dumps(schema), "AVRO"))

    kafka.start("consume_events", "-t", "user-login", "-g", "k", received="by-kafka")
    consume(redis, "r", "by-redis")
    kafka.wait_members("k", 1)
    wait_for_group(redis, "r")
    redis.produce(username="sent-by-redis")
    kafka.produce(username="sent-by-kafka")
    for name in ("by-kafka", "by-redis"):
        received = redis.wait_received(name, 2)
        assert redis.users(name) == ["sent-by-redis", "sent-by-kafka"]
        assert all("Ämara" in each["data"]["user"] for each in received)
    # The metadata of an event is the same, whichever bus it came by.
    for one, other in zip(redis.received("by-kafka"), redis.received("by-redis"), strict=True):
        assert one["metadata"] == other["metadata"]
