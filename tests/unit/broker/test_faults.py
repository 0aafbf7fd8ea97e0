"""Rules of faults: which requests they are for, how often, and what is refused."""

from __future__ import annotations

import math
import re

import pytest

from fakebus.broker import fault as rules
from fakebus.broker.fault import (
    Api,
    Corrupt,
    Delay,
    Disconnect,
    Effect,
    Fail,
    StorageFull,
    Throttle,
)
from fakebus.broker.fault_choices import switch_on
from fakebus.broker.faults import Faults
from fakebus.errors import ErrorCode
from tests.manual_clock import ManualClock

PRODUCE, FETCH, XADD = Api("kafka", "Produce"), Api("kafka", "Fetch"), Api("redis", "XADD")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_700_000_000_000)


@pytest.fixture
def noted() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def faults(clock: ManualClock, noted: list[tuple[str, str]]) -> Faults:
    made = Faults(lambda group: group == "g", clock)
    made.on_fired = lambda client_id, fault: noted.append((client_id, fault))
    made.serve("kafka", ["Produce", "Fetch", "ApiVersions"])
    made.serve("redis", ["XADD"])
    made.serve("http", ["POST /subjects/{subject}/versions"])
    return made


def find(
    faults: Faults, api: Api = PRODUCE, *, client: str = "", topic: str = "", group: str = ""
) -> Effect | None:
    return faults.find(api, client, lambda: {topic}, lambda: {group})


def test_a_fault_is_for_the_requests_that_it_names(faults: Faults) -> None:
    fault = faults.fail(
        api="PRODUCE", error="UNKNOWN_SERVER_ERROR", topic="t", group="g", client_id="c", count=None
    )
    right = {"client": "c", "topic": "t", "group": "g"}
    assert find(faults, **right) == Fail(ErrorCode.UNKNOWN_SERVER_ERROR)
    assert find(faults, FETCH, **right) is None
    for name in right:
        assert find(faults, **{**right, name: "another"}) is None
    assert fault.fired == 1


def test_names_of_a_request_are_asked_for_only_by_faults_that_want_them(faults: Faults) -> None:
    def asked() -> set[str]:
        raise AssertionError("a request's names are not free")

    faults.fail(api="Fetch", error="UNKNOWN_SERVER_ERROR", topic="t")
    faults.disconnect(api="Produce", after=True)
    assert faults.find(PRODUCE, "", asked, asked) == Disconnect(before=False)


def test_a_fault_happens_as_often_as_it_says(faults: Faults) -> None:
    fault = faults.delay(seconds=2, api="Produce", count=2)
    assert [find(faults) for _ in range(3)] == [Delay(2), Delay(2), None]
    assert fault.fired == 2


def test_a_fault_happens_with_its_probability(
    faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = iter([0.2, 0.3, 0.1])
    monkeypatch.setattr(rules, "random", lambda: next(drawn))
    fault = faults.fail(api="Produce", error="UNKNOWN_SERVER_ERROR", probability=0.25, count=None)
    assert [find(faults) is not None for _ in range(3)] == [True, False, True]
    assert fault.fired == 2


def test_the_first_fault_that_fits_is_the_one_that_happens(faults: Faults) -> None:
    faults.delay(seconds=1, api="Fetch")
    faults.delay(seconds=2, api="Produce")
    faults.delay(seconds=3, api="Produce")
    assert [find(faults) for _ in range(3)] == [Delay(2), Delay(3), None]


def test_any_request_is_any_of_kafkas_but_a_handshake(faults: Faults) -> None:
    faults.disconnect(before=True)
    assert find(faults, Api("kafka", "ApiVersions")) is None
    assert find(faults, XADD) is None
    assert find(faults, FETCH) == Disconnect(before=True)
    faults.disconnect(api="ApiVersions", before=True)
    assert find(faults, Api("kafka", "ApiVersions")) == Disconnect(before=True)


def test_a_fault_that_is_removed_happens_no_more(faults: Faults) -> None:
    with faults.delay(seconds=1, api="Produce", count=None) as fault:
        assert find(faults) == Delay(1)
    assert find(faults) is None
    fault.remove()
    faults.delay(seconds=1, api="Produce")
    faults.clear()
    assert find(faults) is None
    assert faults.never_fired == []


def test_every_front_end_has_its_requests(faults: Faults) -> None:
    faults.fail(api="xadd", error="UNKNOWN_SERVER_ERROR")
    assert find(faults, PRODUCE) is None
    assert find(faults, XADD) == Fail(ErrorCode.UNKNOWN_SERVER_ERROR)
    faults.delay(api="POST /subjects/{subject}/versions", seconds=1)
    assert find(faults, Api("http", "POST /subjects/{subject}/versions")) == Delay(1)


def test_what_cannot_happen_is_refused(faults: Faults) -> None:
    with pytest.raises(LookupError, match="does not serve the API Heartbeat"):
        faults.delay(api="Heartbeat", seconds=1)
    with pytest.raises(
        LookupError, match="no request is called 'Prodoose' here; did you mean 'Produce'"
    ):
        faults.delay(api="Prodoose", seconds=1)
    with pytest.raises(LookupError, match="no error 'NONE'"):
        faults.fail(api="Produce", error="NONE")
    with pytest.raises(ValueError, match="from 1 on how often"):
        faults.delay(seconds=1, count=0)
    for probability in (0, 1.5):
        with pytest.raises(ValueError, match="probability"):
            faults.delay(seconds=1, probability=probability)
    for seconds in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="in force for more than 0"):
            faults.delay(seconds=1, for_s=seconds)
    with pytest.raises(ValueError, match="a delay is 0 to"):
        faults.delay(seconds=-1)
    with pytest.raises(ValueError, match="either before"):
        faults.disconnect(before=True, after=True)
    with pytest.raises(LookupError, match="no group nobody"):
        faults.rebalance("nobody")
    faults.rebalance("g")


def test_a_fault_ends_by_itself_when_its_time_is_over(faults: Faults, clock: ManualClock) -> None:
    fault = faults.delay(seconds=1, count=None, for_s=30)
    lasting = faults.delay(seconds=2, count=None)
    clock.advance(29.9)
    assert find(faults) == Delay(1)
    assert faults.in_force() == [fault, lasting]
    clock.advance(0.2)
    assert find(faults) == Delay(2)
    assert faults.in_force() == [lasting]


def test_a_fault_that_has_happened_as_often_as_it_may_is_not_in_force(faults: Faults) -> None:
    fault = faults.delay(seconds=1, count=2)
    assert (fault.left, faults.in_force()) == (2, [fault])
    find(faults)
    assert (fault.left, faults.in_force()) == (1, [fault])
    find(faults)
    assert (fault.left, faults.active) == (0, [])


def test_each_time_that_a_fault_happens_is_told_with_the_client(
    faults: Faults, noted: list[tuple[str, str]]
) -> None:
    faults.fail(api="Produce", error="UNKNOWN_SERVER_ERROR", client_id="shop")
    find(faults, client="billing")
    find(faults, client="shop")
    find(faults, client="shop")
    text = "fail Produce with UNKNOWN_SERVER_ERROR, client_id shop"
    assert noted == [("shop", text)]


def test_a_part_of_a_request_fails_for_a_topic_of_kafka_alone(faults: Faults) -> None:
    error = "NOT_LEADER_OR_FOLLOWER"
    fault = faults.fail(api="Produce", error=error, topic="t", partition=2)
    assert fault.effect == Fail(ErrorCode.NOT_LEADER_OR_FOLLOWER, partial=True, partition=2)
    assert fault.description == f"fail Produce with {error} for partition 2, topic t"
    for api, topic in (("Produce", None), ("XADD", "t")):
        with pytest.raises(ValueError, match="fails partly is a request of Kafka, for a topic"):
            faults.fail(api=api, error=error, partial=True, topic=topic)


def test_a_route_fails_with_a_status_of_http(faults: Faults) -> None:
    route = "POST /subjects/{subject}/versions"
    assert faults.fail(api=route, error="503").effect == Fail(ErrorCode.UNKNOWN_SERVER_ERROR, 503)
    for wrong in ("200", "600", "5030", "99"):
        with pytest.raises(LookupError, match="HTTP has no status"):
            faults.fail(api=route, error=wrong)
    with pytest.raises(LookupError, match="Kafka has no error '503'"):
        faults.fail(api="Produce", error="503")


def test_what_goes_wrong_without_further_words(faults: Faults) -> None:
    assert switch_on(faults, corrupt=True, topic="t").effect == Corrupt()
    assert switch_on(faults, duplicate=True, api="produce", times=2).count == 2
    assert switch_on(faults, storage_full=True, for_s=1).effect == StorageFull()
    assert switch_on(faults, throttle_s=1.5, client_id="c").effect == Throttle(1.5)
    assert switch_on(faults, throttle_s=1, api="Fetch").effect == Throttle(1)
    for wanted, words in (
        ({"corrupt": True, "api": "Produce"}, "corrupt is for Fetch alone"),
        ({"storage_full": True, "topic": "t"}, "a full disk is everybody's"),
        ({"storage_full": True, "error": "NOT_CONTROLLER"}, "say what happens by one of error"),
        ({"corrupt": True, "partial": True}, "only an error can be for a part"),
        ({"throttle_s": 1, "api": "XADD"}, "XADD has no throttling"),
        ({"throttle_s": -1}, "a client waits for 0 to"),
        ({"throttle_s": math.nan}, "a client waits for 0 to"),
        ({"delay_s": math.nan}, "a delay is 0 to"),
        ({"delay_s": math.inf}, "a delay is 0 to"),
        (
            {"error": "NOT_CONTROLLER", "api": "Produce", "topic": "t", "partition": -1},
            "no partition -1",
        ),
        ({}, "say what happens by one of error, delay_s, throttle_s, disconnect, corrupt"),
    ):
        with pytest.raises(ValueError, match=words):
            switch_on(faults, **wanted)  # type: ignore[arg-type]  # what people may write


def test_the_disk_is_full_as_often_as_wanted_and_no_request_is_asked(faults: Faults) -> None:
    assert faults.storage_failure() is None
    fault = faults.fill_storage(count=1)
    assert find(faults) is None
    assert "the disk is full" in str(faults.storage_failure())
    assert faults.storage_failure() is None
    assert fault.fired == 1


def test_what_goes_wrong_on_purpose_is_logged(
    faults: Faults, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "fakebus.broker")
    fault = faults.delay(seconds=1, topic="t", for_s=90)
    find(faults)
    fault.remove()
    fault.remove()
    faults.fill_storage()
    faults.clear()
    assert [re.sub(r"fault \d+", "fault N", each.message) for each in caplog.records] == [
        "fault N is on: delay any request by 1 s, topic t, for 90.0 s",
        "fault N is over (delay any request by 1 s, topic t); it happened 0 times",
        "fault N is on: let the disk be full",
        "fault N is over (let the disk be full); it happened 0 times",
    ]
