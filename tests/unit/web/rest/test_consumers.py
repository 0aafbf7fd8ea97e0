"""Consumers of the REST Proxy's version 2, which are real members of their groups."""

from __future__ import annotations

import base64

import pytest

from fakebus.app import FakeBus
from fakebus.broker.tail_cache import LogTail
from fakebus.web.rest import consumers
from tests.unit.web.rest.proxy import Consumer, Proxy, error_of, new_name


def groups_of(bus: FakeBus) -> dict[str, int]:
    """Return how many members groups have."""
    return {each.group_id: len(each.members) for each in bus.broker.group_coordinator.list_groups()}


def committed(consumer: Consumer, topic: str) -> list[int]:
    asked = {"partitions": [{"topic": topic, "partition": 0}]}
    offsets = consumer.ask("GET", "/offsets", asked).json()["offsets"]
    return [each["offset"] for each in offsets]


@pytest.fixture
def name(proxy: Proxy) -> str:
    """A topic with three records, and the name of a group."""
    name = new_name("read")
    proxy.produce(name, *({"value": number} for number in range(3)))
    return name


def test_a_consumer_is_a_member_of_its_group_until_it_is_deleted(
    proxy: Proxy, bus: FakeBus, name: str
) -> None:
    consumer = proxy.consumer(name)
    assert consumer.ask("GET", "/subscription").json() == {"topics": []}
    consumer.do("POST", "/subscription", {"topics": [name]})
    assert groups_of(bus)[name] == 1
    assert consumer.ask("GET", "/subscription").json() == {"topics": [name]}
    assert consumer.values() == [0, 1, 2]
    place = {"topic": name, "partition": 0}
    assert consumer.ask("GET", "/assignments").json() == {"partitions": [place]}
    consumer.do("DELETE", "")
    assert groups_of(bus)[name] == 0
    assert error_of(consumer.ask("DELETE", "")) == (404, 40403)
    assert error_of(consumer.ask("GET", "/records")) == (404, 40403)


def test_two_consumers_share_the_partitions_and_go_on_from_what_is_committed(
    proxy: Proxy, name: str
) -> None:
    first = proxy.consumer(name, **{"auto.commit.enable": "false"})
    first.do("POST", "/subscription", {"topics": [name]})
    assert first.values() == [0, 1, 2]
    # The client names the record that it has handled.
    first.do("POST", "/offsets", {"offsets": [{"topic": name, "partition": 0, "offset": 1}]})
    assert committed(first, name) == [2]
    second = proxy.consumer(name)
    second.do("POST", "/subscription", {"topics": [name]})
    assert second.values(100) == []
    first.do("DELETE", "")
    assert second.values() == [2]
    second.do("DELETE", "")


def test_what_was_read_is_committed_by_itself_unless_it_is_switched_off(
    proxy: Proxy, name: str
) -> None:
    for commits, offsets in (("true", [3]), ("false", [])):
        group = f"{name}-{commits}"
        consumer = proxy.consumer(group, **{"auto.commit.enable": commits})
        consumer.do("POST", "/subscription", {"topics": [name]})
        assert consumer.values() == [0, 1, 2]
        consumer.do("DELETE", "/subscription")
        assert committed(consumer, name) == offsets
        consumer.do("DELETE", "")


def test_a_commit_without_offsets_is_of_all_that_was_read(proxy: Proxy, name: str) -> None:
    consumer = proxy.consumer(name, **{"auto.commit.enable": False})
    consumer.do("POST", "/assignments", {"partitions": [{"topic": name, "partition": 0}]})
    consumer.do("POST", "/offsets", {})
    assert committed(consumer, name) == []
    assert consumer.values() == [0, 1, 2]
    consumer.do("POST", "/offsets")
    assert committed(consumer, name) == [3]


def test_a_consumer_goes_on_from_where_it_is_told(proxy: Proxy, name: str) -> None:
    consumer = proxy.consumer(name)
    place = {"topic": name, "partition": 0}
    consumer.do("POST", "/assignments", {"partitions": [place]})
    consumer.do("POST", "/positions", {"offsets": [{**place, "offset": 1}]})
    assert consumer.values() == [1, 2]
    consumer.do("POST", "/positions/beginning", {"partitions": [place]})
    assert consumer.values() == [0, 1, 2]
    consumer.do("POST", "/positions/beginning", {"partitions": [place]})
    consumer.do("POST", "/positions/end", {"partitions": [place]})
    assert consumer.values(0) == []
    consumer.do("POST", "/positions", {"timestamps": [{**place, "timestamp": 1}]})
    assert consumer.values() == [0, 1, 2]
    moment = {**place, "timestamp": "2200-01-01T00:00:00Z"}
    consumer.do("POST", "/positions", {"timestamps": [moment]})
    assert consumer.values(0) == []
    elsewhere = {"offsets": [{"topic": "elsewhere", "partition": 0, "offset": 0}]}
    assert error_of(consumer.ask("POST", "/positions", elsewhere)) == (409, 40903)


def test_a_pattern_is_subscribed_to(proxy: Proxy, name: str) -> None:
    consumer = proxy.consumer(name)
    consumer.do("POST", "/subscription", {"topic_pattern": f"{name}-.*"})
    proxy.produce(f"{name}-a", {"value": "a"})
    proxy.produce(f"{name}-b", {"value": "b"})
    found = consumer.values()
    while len(found) < 2:
        found += consumer.values()
    assert sorted(map(str, found)) == ["a", "b"]
    assert consumer.ask("GET", "/subscription").json() == {"topics": [f"{name}-a", f"{name}-b"]}


def test_a_consumer_reads_by_name_by_pattern_or_what_it_is_assigned(
    proxy: Proxy, name: str
) -> None:
    consumer = proxy.consumer(name)
    place = {"partitions": [{"topic": name, "partition": 0}]}
    both = {"topics": [name], "topic_pattern": "x"}
    assert error_of(consumer.ask("POST", "/subscription", both)) == (409, 40903)
    consumer.do("POST", "/subscription", {"topics": [name]})
    assert error_of(consumer.ask("POST", "/assignments", place)) == (409, 40903)
    pattern = {"topic_pattern": "x"}
    assert error_of(consumer.ask("POST", "/subscription", pattern)) == (409, 40903)
    consumer.do("DELETE", "/subscription")
    consumer.do("POST", "/assignments", place)
    assert error_of(consumer.ask("POST", "/subscription", {"topics": [name]})) == (409, 40903)


@pytest.mark.parametrize(
    ("path", "body", "error"),
    [
        ("/subscription", {"topics": "t"}, (422, 422)),
        ("/subscription", {"topics": [1]}, (422, 422)),
        ("/subscription", {"topic_pattern": ["t"]}, (422, 422)),
        ("/subscription", {"topic_pattern": "("}, (400, 40002)),
        ("/assignments", {"partitions": [{"topic": "no-such", "partition": 0}]}, (404, 40401)),
        ("/assignments", {"partitions": [{"topic": "_schemas", "partition": 9}]}, (404, 40402)),
        ("/assignments", {"partitions": ["t"]}, (422, 422)),
        ("/positions", {"offsets": [{"topic": "t", "partition": 0}]}, (422, 422)),
        (
            "/positions",
            {"timestamps": [{"topic": "t", "partition": 0, "timestamp": "x"}]},
            (422, 422),
        ),
        (
            "/offsets",
            {"offsets": [{"topic": "no-such", "partition": 0, "offset": 1}]},
            (404, 40401),
        ),
        (
            "/offsets",
            {"offsets": [{"topic": "_schemas", "partition": 0, "offset": -1}]},
            (422, 422),
        ),
    ],
)
def test_what_a_consumer_cannot_be_told_is_refused(
    proxy: Proxy, path: str, body: object, error: tuple[int, int]
) -> None:
    consumer = proxy.consumer(new_name("refused"))
    assert error_of(consumer.ask("POST", path, body)) == error
    consumer.do("DELETE", "")


@pytest.mark.parametrize(
    "options",
    [
        {"format": "xml"},
        {"auto.offset.reset": "middle"},
        {"fetch.min.bytes": -10},
        {"consumer.request.timeout.ms": "soon"},
        {"auto.commit.enable": "maybe"},
        {"name": "n" * 300},
    ],
)
def test_an_option_that_is_none_is_refused(proxy: Proxy, options: dict[str, object]) -> None:
    assert error_of(proxy.ask("POST", "/consumers/rest-options", options)) == (422, 42204)


def test_a_name_is_taken_once_in_a_group(proxy: Proxy) -> None:
    group = new_name("twice")
    assert proxy.ask("POST", f"/consumers/{group}", {"name": "me"}).status_code == 200
    assert error_of(proxy.ask("POST", f"/consumers/{group}", {"name": "me"})) == (409, 40902)
    assert proxy.ask("POST", f"/consumers/{group}-2", {"name": "me"}).status_code == 200


def test_records_come_in_the_format_of_the_consumer_only(proxy: Proxy, name: str) -> None:
    consumer = proxy.consumer(name, "json")
    path = f"{consumer.path}/records?timeout=0"
    headers = {"Accept": "application/vnd.kafka.avro.v2+json"}
    assert error_of(proxy.ask("GET", path, headers=headers)) == (406, 40601)
    answer = proxy.ask("GET", path)
    assert answer.headers["Content-Type"].startswith("application/vnd.kafka.json.v2+json")


@pytest.mark.parametrize("poison", [b"\xff", b'{"a": NaN}', b"[-Infinity, 1]", b"1e999"])
def test_a_record_of_another_format_is_told_and_what_came_before_it_is_answered(
    proxy: Proxy, poison: bytes
) -> None:
    name = new_name("poison")
    proxy.produce(name, {"value": 1})
    value = base64.b64encode(poison).decode()
    proxy.produce(name, {"value": value}, {"value": "Mg=="}, form="binary")
    consumer = proxy.consumer(name)
    consumer.do("POST", "/subscription", {"topics": [name]})
    assert consumer.values() == [1]
    for _ in range(2):
        assert error_of(consumer.ask("GET", "/records?timeout=100")) == (422, 42203)
    after = {"offsets": [{"topic": name, "partition": 0, "offset": 2}]}
    consumer.do("POST", "/positions", after)
    assert consumer.values() == [2]


def test_an_answer_is_bounded_and_the_next_one_goes_on(proxy: Proxy) -> None:
    name = new_name("large")
    proxy.produce(name, *({"value": str(number) * 1000} for number in range(10)))
    consumer = proxy.consumer(name)
    consumer.do("POST", "/subscription", {"topics": [name]})
    sizes = []
    while sum(sizes) < 10:
        answer = consumer.ask("GET", "/records?timeout=5000&max_bytes=3500")
        sizes.append(len(answer.json()))
    assert sizes == [3, 3, 3, 1]
    assert len(consumer.ask("GET", "/records?timeout=0&max_bytes=1").json()) == 0


def test_there_are_so_many_consumers_at_most(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "MOST_CONSUMERS", 0)
    answer = proxy.ask("POST", "/consumers/rest-many", {})
    assert error_of(answer) == (429, 429)


def test_a_page_of_another_origin_does_not_move_a_consumer_on(proxy: Proxy, name: str) -> None:
    consumer = proxy.consumer(name)
    consumer.do("POST", "/subscription", {"topics": [name]})
    path = f"{consumer.path}/records"
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert proxy.ask("GET", path, headers=headers).status_code == 403
    assert consumer.values() == [0, 1, 2]


def test_records_of_single_batches_are_all_read_from_where_they_are_stored(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The newest ones are also in memory, where each batch is by itself.
    monkeypatch.setattr(LogTail, "read", lambda *_, **__: None)
    name = new_name("stored")
    for number in range(5):
        proxy.produce(name, {"value": number})
    consumer = proxy.consumer(name)
    consumer.do("POST", "/subscription", {"topics": [name]})
    assert consumer.values() == [0, 1, 2, 3, 4]
    consumer.do("DELETE", "")
