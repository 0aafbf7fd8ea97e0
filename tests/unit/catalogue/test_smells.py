from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from fakebus.catalogue.smells import _QUERIES, smell_table, smells_of
from fakebus.catalogue.subjects import Landscape, LiveConsumer
from fakebus.cli.main import run

Smelling = Callable[..., list[dict[str, Any]]]
ONE = {"name": "orders.placed", "owner": "shop", "consumers": ["mail"]}


@pytest.fixture
def smells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Smelling:
    """Return what smells of a set with these topics and files."""
    monkeypatch.chdir(tmp_path)

    def found(*topics: dict[str, Any], subjects: Any = (), **files: str) -> list[dict[str, Any]]:
        whole = {"version": 1, "subjects": list(subjects), "topics": list(topics)}
        Path("fakebus.yaml").write_text(yaml.safe_dump(whole, sort_keys=False))
        for name, text in files.items():
            Path(name.replace("__", ".")).write_text(text)
        assert run(["catalogue", "--fixtures", ".", "--smells", "--json"]) == 0
        told: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
        return told

    return found


def names(found: list[dict[str, Any]]) -> set[str]:
    return {each["smell"] for each in found}


def lines(*events: dict[str, Any]) -> str:
    return "".join(f"{json.dumps(each)}\n" for each in events)


def test_every_smell_has_a_query_and_says_why_and_what_to_consider() -> None:
    assert set(smell_table()) == set(_QUERIES)
    assert all(entry["why"] and entry["consider"] for entry in smell_table().values())


def test_nothing_smells_of_a_plain_event(smells: Smelling) -> None:
    config = {"retention.ms": 86400000}
    events = lines({"key": "1", "value": {"order": 1, "email": "a@b.example"}})
    assert smells({**ONE, "config": config, "load": "e.ndjson"}, e__ndjson=events) == []


@pytest.mark.parametrize(
    ("topic", "smell", "evidence"),
    [
        (
            {"consumers": []},
            "nobody_listens",
            "no consumer of orders.placed is declared or was seen",
        ),
        ({"producers": ["import"]}, "several_writers", "import writes it"),
        ({"owner": None}, "ownerless", "no owner is declared"),
        ({"name": "send-mail"}, "command_as_event", "only mail reads it"),
        ({"name": "shop.SendMail.v1"}, "command_as_event", "shop.SendMail.v1 tells somebody"),
    ],
)
def test_what_is_declared_smells(
    smells: Smelling, topic: dict[str, Any], smell: str, evidence: str
) -> None:
    whole = {name: each for name, each in {**ONE, **topic}.items() if each is not None}
    (found,) = smells(whole)
    assert found["smell"] == smell
    assert any(text.startswith(evidence) for text in found["evidence"])
    assert found["where"] == "fakebus.yaml:4"
    assert found["why"]
    assert found["consider"]


@pytest.mark.parametrize("name", ["orders.updated", "address", "released-orders", "order"])
def test_a_fact_or_a_thing_is_no_command(smells: Smelling, name: str) -> None:
    assert "command_as_event" not in names(smells({**ONE, "name": name}))


def test_a_command_for_several_is_an_event(smells: Smelling) -> None:
    topic = {**ONE, "name": "send-mail", "consumers": ["mail", "audit"]}
    assert "command_as_event" not in names(smells(topic))


def test_personal_data_smell_where_they_are_kept_for_ever(smells: Smelling) -> None:
    events = lines({"key": "1", "value": {"email": "a@b.example", "total": 3}})
    topic = {**ONE, "load": "e.ndjson"}
    (found,) = smells(topic, e__ndjson=events)
    assert found["evidence"] == [
        '"email" (e-mail address)',
        "orders.placed has retention.ms = -1",
    ]
    short = {**topic, "config": {"retention.ms": 1000}}
    assert smells(short, e__ndjson=events) == []
    compacted = {**topic, "config": {"retention.ms": 1000, "cleanup.policy": "compact"}}
    assert names(smells(compacted, e__ndjson=events)) == {"personal_data_kept_for_ever"}


def test_topics_without_a_word_on_retention_are_one_finding(smells: Smelling) -> None:
    events = lines({"key": "1", "value": {"email": "a@b.example"}})
    said = {"config": {"retention.ms": -1}}
    topics = [{**ONE, "name": f"{each}.placed", "load": f"{each}.ndjson"} for each in "abc"]
    topics[2] |= said
    one, together = smells(*topics, a__ndjson=events, b__ndjson=events, c__ndjson=events)
    assert (one["about"], one["evidence"][1]) == ("c.placed", "c.placed has retention.ms = -1")
    assert together["about"] == "2 topics without a declared retention"
    assert together["evidence"][1:] == [
        'a.placed: "email" (e-mail address)',
        'b.placed: "email" (e-mail address)',
    ]


def test_what_holds_for_a_topic_is_not_told_for_each_of_its_types(smells: Smelling) -> None:
    subjects = [
        {"subject": f"orders-{name}", "schema": f"{name}.avsc", "owner": "shop"}
        for name in ("Placed", "Paid")
    ]
    files = {
        f"{name}__avsc": json.dumps({"type": "record", "name": name, "fields": []})
        for name in ("Placed", "Paid")
    }
    loads = [
        {"file": f"{each}.ndjson", "value": {"subject": f"orders-{each}"}}
        for each in ("Placed", "Paid")
    ]
    topic = {"name": "orders", "owner": "shop", "load": loads}
    events = {f"{name}__ndjson": lines({"key": "1", "value": {}}) for name in ("Placed", "Paid")}
    (found,) = smells(topic, subjects=subjects, **files, **events)
    assert (found["smell"], found["about"]) == ("nobody_listens", "orders")
    assert found["evidence"][-1] == "its event types: Paid, Placed"


def test_things_without_keys_or_compaction_smell(smells: Smelling) -> None:
    topic = {**ONE, "name": "customer", "load": "e.ndjson"}
    keyless = lines({"value": {"customer_id": 1}}, {"key": "2", "value": {"customer_id": 2}})
    (found,) = smells(topic, e__ndjson=keyless)
    assert (found["smell"], found["evidence"][0]) == (
        "entity_without_key",
        "1 of 2 records that were looked at have no key",
    )
    repeated = lines(*({"key": "1", "value": {"id": 1, "n": each}} for each in range(2)))
    assert names(smells(topic, e__ndjson=repeated)) == {"entity_without_compaction"}
    compacted = {**topic, "config": {"cleanup.policy": "compact"}}
    assert smells(compacted, e__ndjson=repeated) == []
    assert smells({**topic, "name": "customer-moved"}, e__ndjson=repeated) == []


def test_fat_events_smell_by_size_and_by_fields_that_no_reader_has(smells: Smelling) -> None:
    fat = lines({"key": "1", "value": {"text": "x" * 70_000}})
    (found,) = smells({**ONE, "load": "e.ndjson"}, e__ndjson=fat)
    assert found["smell"] == "fat_event"
    wide = [{"name": f"f{number}", "type": "string"} for number in range(6)]
    record = {"type": "record", "name": "Placed", "fields": wide}
    narrow = {**record, "fields": wide[:1]}
    subject = {"subject": "orders.placed-value", "schema": "o.avsc", "readers": {"mail": "r.avsc"}}
    topic = {**ONE, "value": {"subject": "orders.placed-value"}}
    files = {"o__avsc": json.dumps(record), "r__avsc": json.dumps(narrow)}
    (found,) = smells(topic, subjects=[subject], **files)
    assert found["evidence"] == ['5 of 6 fields no reader has: "f1", "f2", "f3", "f4", "f5"']
    unknown = {**topic, "consumers": ["mail", "audit"]}
    assert smells(unknown, subjects=[subject], **files) == []


def test_services_in_a_circle_smell_once(smells: Smelling) -> None:
    chain = [("a.done", "a", "b"), ("b.done", "b", "c"), ("c.done", "c", "a")]
    topics = [{"name": name, "owner": one, "consumers": [other]} for name, one, other in chain]
    (found,) = smells(*topics)
    assert (found["smell"], found["about"]) == ("service_cycle", "a -> b -> c -> a")
    assert found["evidence"][0] == "a writes a.done, which b reads"
    assert smells(*topics[:2]) == []


def record(name: str, service: str, at_ms: int, committed_at_ms: int | None = None) -> Any:
    topic, _, offset = name.partition("@")
    groups = [] if committed_at_ms is None else [{"committed_at_ms": committed_at_ms}]
    return {
        "record": name,
        "topic": topic,
        "offset": int(offset),
        "service": service,
        "timestamp_ms": at_ms,
        "groups": groups,
    }


def edge(cause: str, effect: str, delay_ms: int = 5, rivals: int = 0) -> dict[str, Any]:
    return {"from": cause, "to": effect, "delay_ms": delay_ms, "rivals": rivals}


def landscape(tmp_path: Path, *topics: tuple[str, str, str]) -> Landscape:
    from fakebus.catalogue.subjects import of_set
    from fakebus.fixture_files.loader import load_fixtures

    (tmp_path / "fakebus.yaml").write_text(
        yaml.safe_dump(
            {
                "version": 1,
                "topics": [
                    {"name": name, "owner": one, "consumers": [other]}
                    for name, one, other in topics
                ],
            }
        )
    )
    return of_set(load_fixtures(tmp_path, now_ms=0))


def test_a_question_and_its_answer_between_two_services_smell(tmp_path: Path) -> None:
    there = landscape(tmp_path, ("asked", "shop", "price"), ("told", "price", "shop"))
    records = [record(f"asked@{each}", "shop", each) for each in range(2)]
    records += [record(f"told@{each}", "price", each + 5) for each in range(2)]
    edges = [edge(f"asked@{each}", f"told@{each}") for each in range(2)]
    found = {each.smell: each for each in smells_of(there, {"records": records, "edges": edges})}
    assert found["request_and_reply"].about == "asked and told"
    assert found["request_and_reply"].records == ["asked@0", "asked@1"]
    # Where others may be the cause, nothing is claimed.
    unsure = [{**each, "rivals": 1} for each in edges]
    again = smells_of(there, {"records": records, "edges": unsure})
    assert "request_and_reply" not in {each.smell for each in again}


def test_long_chains_and_many_events_for_one_cause_smell(tmp_path: Path) -> None:
    chain = [record(f"t{each}@0", f"s{each}", each * 10) for each in range(4)]
    steps = [edge(f"t{each}@0", f"t{each + 1}@0") for each in range(3)]
    there = landscape(tmp_path)
    (found,) = smells_of(there, {"records": chain, "edges": steps})
    assert (found.smell, found.about) == ("waiting_chain", "s0 -> s1 -> s2 -> s3")
    slow = [{**each, "timestamp_ms": each["timestamp_ms"] * 1000} for each in chain]
    assert smells_of(there, {"records": slow, "edges": steps}) == []
    many = [record(f"many@{each}", "s1", 10) for each in range(10)]
    edges = [edge("t0@0", each["record"]) for each in many]
    (found,) = smells_of(there, {"records": [chain[0], *many], "edges": edges})
    assert (found.smell, found.about) == ("chatty", "s1 on many")
    assert smells_of(there, {"records": [chain[0], *many], "edges": edges[:9]}) == []


def test_one_slow_group_among_others_smells() -> None:
    def consumer(group: str, lag: int) -> LiveConsumer:
        return LiveConsumer(group=group, topic="t", where="t[0]@0", lag=lag)

    slow, current = consumer("slow", 500), consumer("current", 0)
    (found,) = smells_of(Landscape(subjects={}, live=[slow, current]))
    assert (found.smell, found.about) == ("slow_group", "slow")
    assert smells_of(Landscape(subjects={}, live=[slow, consumer("other", 400)])) == []


def test_a_burst_that_others_wait_behind_smells(tmp_path: Path) -> None:
    calm = [record(f"t@{each}", "shop", each * 10, each * 10 + 2) for each in range(3)]
    bulk = [record(f"t@{10 + each}", "import", 100, 900) for each in range(100)]
    behind = [record(f"t@{200 + each}", "shop", 110, 900) for each in range(3)]
    (found,) = smells_of(landscape(tmp_path), {"records": [*calm, *bulk, *behind]})
    assert (found.smell, found.about) == ("bulk_burst", "import on t")
    assert smells_of(landscape(tmp_path), {"records": [*calm, *bulk[:99], *behind]}) == []


def stamped(version: str, time: str, **other: Any) -> dict[str, Any]:
    headers = {"ce_type": f"shop.order.placed{version}", "ce_time": time}
    return {"key": "1", "value": {}, "at": "-1h", "headers": headers, **other}


NINE, TEN = "2026-01-01T09:00:00Z", "2026-01-01T10:00:00Z"


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ([stamped(".v2", "2026-01-01T10:00:00.005Z")], "e.ndjson:2 and e.ndjson:3 are 5 ms apart"),
        ([stamped(".v2", TEN, key="2")], "e.ndjson:2 and e.ndjson:3 have other keys"),
        (
            [stamped(".v2", NINE), stamped(".v2", "2026-01-01T11:00:00Z")],
            "e.ndjson:2 is in the old version only",
        ),
        (
            [stamped(".v2", TEN), stamped(".v2", "2026-01-01T09:30:00Z")],
            "e.ndjson:4 is in the new version only",
        ),
    ],
)
def test_an_event_in_two_versions_has_one_time_and_key(
    smells: Smelling, events: list[dict[str, Any]], why: str
) -> None:
    config = {"retention.ms": 86400000}
    every = lines(stamped(".v1", NINE), stamped(".v1", TEN), *events)
    (found,) = smells({**ONE, "config": config, "load": "e.ndjson"}, e__ndjson=every)
    assert (found["smell"], found["about"]) == (
        "two_versions",
        "shop.order.placed.v1 and shop.order.placed.v2",
    )
    assert found["evidence"][1] == why


def test_two_versions_smell_only_while_both_are_written_and_differ(smells: Smelling) -> None:
    times = [f"2026-01-01T{hour:02}:00:00" for hour in range(8)]
    old = [stamped("", f"{each}Z") for each in times[:6]]
    # One moment may be written in several ways.
    new = [stamped(".v2", f"{each}.000000+00:00") for each in times[4:]]
    config = {"retention.ms": 86400000}
    events = lines(*old, *new)
    assert smells({**ONE, "config": config, "load": "e.ndjson"}, e__ndjson=events) == []


def test_two_versions_may_be_two_topics_with_schemas(smells: Smelling) -> None:
    schema = {"type": "record", "name": "Order", "fields": [{"name": "id", "type": "string"}]}
    files = {"a__avsc": json.dumps(schema), "k1__avsc": '"string"'}
    files["k2__avsc"] = '{"type": "string", "maxLength": 9}'
    subjects = [{"subject": f"orders-v{n}-value", "schema": "a.avsc"} for n in (1, 2)]
    subjects += [{"subject": f"orders-v{n}-key", "schema": f"k{n}.avsc"} for n in (1, 2)]
    topics = [
        {
            **ONE,
            "name": f"orders-v{n}",
            "key": {"subject": f"orders-v{n}-key"},
            "value": {"subject": f"orders-v{n}-value"},
            "load": f"e{n}.ndjson",
        }
        for n in (1, 2)
    ]
    at = {"key": "1", "value": {"id": "x"}, "at": "2026-01-01T09:00:00Z"}
    found = smells(*topics, subjects=subjects, **files, e1__ndjson=lines(at), e2__ndjson=lines(at))
    assert "two_versions" not in names(found)
    late = lines({**at, "at": "2026-01-01T09:00:01Z"})
    found = smells(*topics, subjects=subjects, **files, e1__ndjson=lines(at), e2__ndjson=late)
    assert "two_versions" in names(found)
