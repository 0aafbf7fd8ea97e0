"""Topics and records by the REST Proxy's version 2."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any, cast

import pytest

from fakebus.web.errors import RequestError
from fakebus.web.rest.producing import MOST_IN_LINE, Producing
from tests.unit.web.rest.proxy import Proxy, error_of, new_name

AVRO = json.dumps(
    {
        "type": "record",
        "name": "User",
        "fields": [
            {"name": "name", "type": "string"},
            {"name": "age", "type": ["null", "int"], "default": None},
        ],
    }
)
JSON_SCHEMA = json.dumps(
    {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
)
PROTOBUF = 'syntax = "proto3"; message Order { string id = 1; int32 count = 2; }'


def test_topics_partitions_and_brokers_are_told(proxy: Proxy) -> None:
    name = new_name("told")
    proxy.produce(name, {"key": "k", "value": {"a": 1}}, {"value": 2})
    assert name in proxy.ask("GET", "/topics").json()
    told = proxy.ask("GET", f"/topics/{name}").json()
    assert told["configs"]["cleanup.policy"] == "delete"
    [partition] = told["partitions"]
    (broker,) = proxy.ask("GET", "/brokers").json()["brokers"]
    assert partition == {
        "partition": 0,
        "leader": broker,
        "replicas": [{"broker": broker, "leader": True, "in_sync": True}],
    }
    assert proxy.ask("GET", f"/topics/{name}/partitions/").json() == [partition]
    assert proxy.ask("GET", f"/topics/{name}/partitions/0").json() == partition
    offsets = proxy.ask("GET", f"/topics/{name}/partitions/0/offsets").json()
    assert offsets == {"beginning_offset": 0, "end_offset": 2}


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/topics/no-such", 40401),
        ("/topics/no-such/partitions", 40401),
        ("/topics/_schemas/partitions/7", 40402),
        ("/topics/_schemas/partitions/x/offsets", 404),
        ("/topics/_schemas/partitions/-1", 404),
    ],
)
def test_what_is_not_there_has_its_code(proxy: Proxy, path: str, code: int) -> None:
    assert error_of(proxy.ask("GET", path)) == (404, code)


@pytest.mark.parametrize(
    ("form", "schema", "good", "bad"),
    [
        ("avro", AVRO, {"name": "a", "age": {"int": 3}}, {"name": 1}),
        ("avro", AVRO, {"name": "a", "age": 3}, {"age": 3}),
        ("jsonschema", JSON_SCHEMA, {"n": 1}, {"n": "x"}),
        ("protobuf", PROTOBUF, {"id": "a"}, {"id": 7}),
    ],
)
def test_records_are_coded_by_schemas_that_are_given_or_named_by_id(
    proxy: Proxy, form: str, schema: str, good: object, bad: object
) -> None:
    name = new_name(form)
    first = proxy.produce(name, {"value": good}, form=form, value_schema=schema)
    schema_id = first["value_schema_id"]
    again = proxy.produce(name, {"value": good}, form=form, value_schema_id=schema_id)
    assert [each["offset"] for each in (*first["offsets"], *again["offsets"])] == [0, 1]
    refused = proxy.ask(
        "POST",
        f"/topics/{name}",
        {"records": [{"value": good}, {"value": bad}], "value_schema_id": schema_id},
        form,
    )
    assert error_of(refused) == (422, 42205)
    assert "records[1].value" in refused.json()["message"]
    consumer = proxy.consumer(name, form)
    consumer.do("POST", "/subscription", {"topics": [name]})
    # Of a message, the fields are told too that have their default, as by Confluent's.
    plain = {"avro": {"name": "a", "age": 3}, "protobuf": {"id": "a", "count": 0}}.get(form, good)
    assert consumer.values() == [plain, plain]


def test_keys_have_schemas_too_and_are_written_to_the_partition_of_a_java_producer(
    proxy: Proxy,
) -> None:
    name = new_name("keys")
    answer = proxy.produce(
        name,
        {"key": "k1", "value": {"name": "a"}},
        {"key": "k2", "value": None},
        form="avro",
        key_schema='"string"',
        value_schema=AVRO,
    )
    assert answer["key_schema_id"] != answer["value_schema_id"]
    consumer = proxy.consumer(name, "avro")
    consumer.do("POST", "/subscription", {"topics": [name]})
    found = [(each["key"], each["value"]) for each in consumer.records()]
    assert found == [("k1", {"name": "a", "age": None}), ("k2", None)]


@pytest.mark.parametrize(
    ("form", "body", "error"),
    [
        ("json", {}, (422, 422)),
        ("json", {"records": []}, (422, 422)),
        ("json", {"records": "r"}, (400, 400)),
        ("json", {"records": ["r"]}, (400, 400)),
        ("json", {"records": [{}]}, (422, 422)),
        ("json", {"records": [{"valur": 1}]}, (422, 422)),
        ("json", {"records": [{"value": 1, "partition": "0"}]}, (422, 422)),
        ("json", {"records": [{"value": "\ud800"}]}, (400, 400)),
        ("binary", {"records": [{"value": "no base64"}]}, (400, 400)),
        ("binary", {"records": [{"value": {"a": 1}}]}, (400, 400)),
        ("avro", {"records": [{"value": 1}]}, (422, 42202)),
        ("avro", {"records": [{"key": 1}]}, (422, 42201)),
        ("avro", {"records": [{"value": 1}], "value_schema": "{"}, (422, 42205)),
        ("avro", {"records": [{"value": 1}], "value_schema": 7}, (422, 422)),
        ("avro", {"records": [{"value": 1}], "value_schema_id": 987654}, (422, 42205)),
        ("avro", {"records": [{"value": 1}], "value_schema_id": "x"}, (422, 422)),
    ],
)
def test_what_is_no_record_is_refused_and_nothing_is_written(
    proxy: Proxy, form: str, body: object, error: tuple[int, int]
) -> None:
    name = "rest-refused"
    assert error_of(proxy.ask("POST", f"/topics/{name}", body, form)) == error
    offsets = proxy.ask("GET", f"/topics/{name}/partitions/0/offsets").json()
    assert offsets["end_offset"] == 0


def test_a_schema_of_another_subject_or_one_that_does_not_fit_is_refused(proxy: Proxy) -> None:
    name, other = new_name("subject"), new_name("subject")
    record = {"value": {"name": "a"}}
    schema_id = proxy.produce(other, record, form="avro", value_schema=AVRO)["value_schema_id"]
    body = {"records": [record], "value_schema_id": schema_id}
    assert error_of(proxy.ask("POST", f"/topics/{name}", body, "avro")) == (422, 42205)
    body = {"records": [{"value": 1}], "value_schema": '"int"'}
    assert error_of(proxy.ask("POST", f"/topics/{other}", body, "avro")) == (408, 40801)


def test_one_bad_record_does_not_keep_the_others_from_being_written(proxy: Proxy) -> None:
    name = new_name("bad")
    records = [
        {"value": "a"},
        {"value": "b" * 1_100_000},
        {"value": "c"},
        {"value": 1, "partition": 9},
    ]
    offsets = proxy.produce(name, *records)["offsets"]
    assert [each["error_code"] for each in offsets] == [None, 1, None, 2]
    assert [each["offset"] for each in offsets] == [0, None, 1, None]
    assert "max.message.bytes" in offsets[1]["error"]


def test_records_go_to_the_partition_of_the_path(proxy: Proxy) -> None:
    name = new_name("partition")
    proxy.produce(name, {"value": 1})
    path = f"/topics/{name}/partitions"
    body = {"records": [{"value": "Zm9v", "partition": 5}]}
    assert proxy.ask("POST", f"{path}/0", body, "binary").json()["offsets"] == [
        {"partition": 0, "offset": 1, "error_code": None, "error": None}
    ]
    assert error_of(proxy.ask("POST", f"{path}/1", body, "binary")) == (404, 40402)


@pytest.mark.parametrize(
    ("media_type", "status"),
    [
        ("application/vnd.kafka.v1+json", 200),
        ("application/vnd.kafka.binary.v2+json; charset=utf-8", 200),
        ("application/vnd.kafka+json", 200),
        ("application/json", 200),
        ("application/octet-stream", 200),
        ("application/vnd.kafka.v3+json", 415),
        ("application/vnd.kafka.binary.v1+foo", 415),
        ("application/vnd.kafka", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
    ],
)
def test_bodies_have_a_type_of_a_rest_proxy(proxy: Proxy, media_type: str, status: int) -> None:
    answer = proxy.ask(
        "POST",
        "/topics/rest-types",
        {"records": [{"value": "Zm9v"}]},
        headers={"Content-Type": media_type},
    )
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("accept", "label"),
    [
        ("application/vnd.kafka.v2+json", "application/vnd.kafka.v2+json"),
        ("text/html, application/json;q=0.5", "application/json"),
        ("application/*", "application/vnd.kafka.v2+json"),
        ("*/json", "application/vnd.kafka.v2+json"),
        ("application/octet-stream", None),
        ("foo/*", None),
        ("*/baz", None),
        ("application/json;q=0", None),
    ],
)
def test_answers_have_a_type_that_the_client_takes(
    proxy: Proxy, accept: str, label: str | None
) -> None:
    answer = proxy.ask("GET", "/brokers", headers={"Accept": accept})
    if label is None:
        assert error_of(answer) == (406, 406)
    else:
        assert answer.headers["Content-Type"].partition(";")[0] == label


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/topics/rest-packed", "application/vnd.kafka.binary.v2+json"),
        ("/v3/clusters/{id}/topics/rest-packed/records", "application/json"),
        ("/v3/clusters/{id}/topics/rest-packed/records:batch", "application/json"),
        ("/v3/clusters/{id}/topics", "application/json"),
        ("/_fakebus/v1/topics/rest-packed/records", "application/x-ndjson"),
        ("/_fakebus/v1/sql", "application/json"),
    ],
)
def test_a_compressed_body_is_refused(proxy: Proxy, path: str, media_type: str) -> None:
    [cluster] = proxy.ask("GET", "/v3/clusters").json()["data"]
    answer = proxy.session.post(
        proxy.url + path.format(id=cluster["cluster_id"]),
        data=gzip.compress(b"{}"),
        headers={"Content-Type": media_type, "Content-Encoding": "gzip"},
        timeout=60,
    )
    assert answer.status_code == 415
    assert answer.json()["message"].startswith("the body is compressed")


def test_a_page_of_another_origin_writes_nothing(proxy: Proxy) -> None:
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        body = {"records": [{"value": 1}]}
        assert proxy.ask("POST", "/topics/rest-evil", body, "json", headers).status_code == 403
    assert proxy.ask("GET", "/topics/rest-evil").status_code == 404


def test_more_records_than_are_taken_at_once_are_refused(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fakebus.web.rest.v2.topics.MOST_RECORDS", 2)
    name = new_name("many")
    proxy.produce(name, {"value": 1}, {"value": 2})
    answer = proxy.ask("POST", f"/topics/{name}", {"records": [{"value": 1}] * 3}, "json")
    assert error_of(answer) == (413, 413)
    assert answer.json()["message"] == "the body has 3 records; send at most 2 at once"


async def test_large_requests_are_carried_out_one_after_the_other_and_small_ones_pass() -> None:
    producing, log = Producing(cast(Any, None)), list[str]()
    may_end = asyncio.Event()

    async def large(name: str) -> None:
        async with producing.one_by_one(1_000_000):
            log.append(f"{name} begins")
            await may_end.wait()
            log.append(f"{name} ends")

    running = [asyncio.create_task(large(f"{number}")) for number in range(MOST_IN_LINE)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert log == ["0 begins"]
    async with producing.one_by_one(1_000):
        log.append("small")
    with pytest.raises(RequestError) as refused:
        await large("one too many")
    assert refused.value.status == 503
    may_end.set()
    await asyncio.gather(*running)
    assert log[:4] == ["0 begins", "small", "0 ends", "1 begins"]
    assert len(log) == 1 + 2 * MOST_IN_LINE
    await large("the next")
