"""The REST Proxy's version 3: the cluster's resources, and records in a stream that stays open."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from fakebus.app import FakeBus
from fakebus.web.rest.v3 import records
from tests.unit.web.rest.proxy import Proxy, new_name
from tests.unit.web.rest.test_topics import AVRO, JSON_SCHEMA, PROTOBUF


class Cluster:
    """The cluster's resources."""

    def __init__(self, proxy: Proxy) -> None:
        [found] = proxy.ask("GET", "/v3/clusters").json()["data"]
        self.id = found["cluster_id"]
        self.path = f"/v3/clusters/{self.id}"
        self.proxy = proxy

    def ask(self, method: str, path: str, body: object = None) -> requests.Response:
        return self.proxy.ask(method, self.path + path, body)

    def get(self, path: str) -> dict[str, Any]:
        answer = self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def error(self, method: str, path: str, body: object = None) -> tuple[int, int]:
        answer = self.ask(method, path, body)
        assert set(answer.json()) == {"error_code", "message"}, answer.text
        return answer.status_code, answer.json()["error_code"]

    def topic(self, name: str, **fields: object) -> str:
        """Create a topic, and return its path."""
        answer = self.ask("POST", "/topics", {"topic_name": name, **fields})
        assert answer.status_code == 201, answer.text
        return f"/topics/{name}"

    def send(self, name: str, **record: object) -> dict[str, Any]:
        """Write a record, and return its receipt."""
        answer = self.ask("POST", f"/topics/{name}/records", record)
        assert answer.status_code == 200, answer.text
        receipt: dict[str, Any] = answer.json()
        return receipt


@pytest.fixture
def cluster(proxy: Proxy) -> Cluster:
    return Cluster(proxy)


def test_a_topic_is_created_grown_configured_and_deleted(cluster: Cluster) -> None:
    name = new_name("made")
    configs = [{"name": "retention.ms", "value": "1000"}]
    path = cluster.topic(name, partitions_count=2, configs=configs)
    told = cluster.get(path)
    assert told["kind"] == "KafkaTopic"
    assert told["metadata"] == {
        "self": f"{cluster.proxy.url}{cluster.path}{path}",
        "resource_name": f"crn:///kafka={cluster.id}/topic={name}",
    }
    assert (told["partitions_count"], told["replication_factor"]) == (2, 1)
    assert told["partitions"] == {"related": f"{told['metadata']['self']}/partitions"}
    assert name in [each["topic_name"] for each in cluster.get("/topics")["data"]]
    assert cluster.ask("PATCH", path, {"partitions_count": 3}).json()["partitions_count"] == 3
    config = cluster.get(f"{path}/configs/retention.ms")
    assert (config["value"], config["source"]) == ("1000", "DYNAMIC_TOPIC_CONFIG")
    assert cluster.ask("PUT", f"{path}/configs/retention.ms", {"value": "2000"}).status_code == 204
    assert cluster.get(f"{path}/configs/retention.ms")["value"] == "2000"
    assert cluster.ask("DELETE", f"{path}/configs/retention.ms").status_code == 204
    assert cluster.get(f"{path}/configs/retention.ms")["is_default"]
    changes = [
        {"name": "cleanup.policy", "value": "compact"},
        {"name": "retention.ms", "value": "x"},
    ]
    body = {"data": changes, "validate_only": True}
    assert cluster.error("POST", f"{path}/configs:alter", body) == (400, 40002)
    changes[1]["value"] = "5"
    for only in (True, False):
        body = {"data": changes, "validate_only": only}
        assert cluster.ask("POST", f"{path}/configs:alter", body).status_code == 204
        policy = cluster.get(f"{path}/configs/cleanup.policy")["value"]
        assert policy == ("delete" if only else "compact")
    assert cluster.ask("DELETE", path).status_code == 204
    assert cluster.error("GET", path) == (404, 40403)


def test_a_topic_is_created_with_the_brokers_of_each_partition(cluster: Cluster) -> None:
    [broker] = cluster.get("/brokers")["data"]
    number = broker["broker_id"]
    path = cluster.topic(new_name("placed"), replicas_assignments={"0": [number], "1": [number]})
    assert cluster.get(path)["partitions_count"] == 2
    body: dict[str, object] = {"topic_name": new_name("placed")}
    for wrong in ([], {"a": [number]}, {"0": number}, {"0": ["1"]}, {"9" * 5000: [number]}):
        expected = (422, 422)
        asked = {**body, "replicas_assignments": wrong}
        assert cluster.error("POST", "/topics", asked) == expected
    asked = {**body, "replicas_assignments": {"0": [number + 1]}}
    assert cluster.error("POST", "/topics", asked) == (400, 40002)


def test_a_topic_tells_what_the_client_may_do_and_which_offsets_there_are(cluster: Cluster) -> None:
    path = cluster.topic(new_name("asked"))
    assert cluster.get(path)["authorized_operations"] == []
    told = cluster.get(f"{path}?include_authorized_operations=true")["authorized_operations"]
    assert {"READ", "WRITE", "ALTER_CONFIGS"} < set(told)
    offsets = f"{path}/partitions/0/offset"
    assert cluster.get(f"{offsets}?offset_type=earliest_and_latest") == cluster.get(offsets)
    assert cluster.error("GET", f"{offsets}?offset_type=latest") == (400, 400)


@pytest.mark.parametrize(
    ("method", "path", "body", "error"),
    [
        ("GET", "/topics/no-such", None, (404, 40403)),
        ("GET", "/topics/no-such/configs", None, (404, 40403)),
        ("DELETE", "/topics/no-such", None, (404, 40403)),
        ("GET", "/topics/_schemas/partitions/9", None, (404, 404)),
        ("GET", "/topics/_schemas/partitions/0/reassignment", None, (404, 404)),
        ("GET", "/topics/_schemas/configs/no.such", None, (404, 404)),
        ("PUT", "/topics/_schemas/configs/retention.ms", {"value": "x"}, (400, 40002)),
        ("POST", "/topics", {}, (422, 422)),
        ("POST", "/topics", {"topic_name": "a/b"}, (400, 40002)),
        ("POST", "/topics", {"topic_name": "_schemas"}, (400, 40002)),
        ("POST", "/topics", {"topic_name": "t", "partitions_count": "2"}, (422, 422)),
        ("PATCH", "/topics/_schemas", {"partitions_count": 1}, (400, 40002)),
        ("GET", "/brokers/99", None, (404, 404)),
        ("GET", "/consumer-groups/no-such", None, (404, 404)),
        ("GET", "/consumer-groups/no-such/lags", None, (404, 404)),
        ("POST", "/acls", {"resource_type": "TOPIC"}, (422, 422)),
        ("DELETE", "/acls?resource_type=TOPIC", None, (400, 40002)),
        ("GET", "/acls?resource_type=CAT", None, (400, 400)),
    ],
)
def test_what_is_not_there_or_not_allowed_has_its_code(
    cluster: Cluster, method: str, path: str, body: object, error: tuple[int, int]
) -> None:
    assert cluster.error(method, path, body) == error


def test_that_a_topic_is_there_already_is_told_in_kafka_s_words(cluster: Cluster) -> None:
    name = new_name("twice")
    cluster.topic(name)
    answer = cluster.ask("POST", "/topics", {"topic_name": name})
    assert answer.json()["message"] == f"Topic '{name}' already exists."


def test_another_cluster_is_not_here_and_confluent_server_s_paths_are(proxy: Proxy) -> None:
    assert proxy.ask("GET", "/v3/clusters/other").status_code == 404
    [found] = proxy.ask("GET", "/kafka/v3/clusters").json()["data"]
    assert found["metadata"]["self"].startswith(f"{proxy.url}/kafka/v3/clusters/")
    assert proxy.session.get(found["topics"]["related"], timeout=60).status_code == 200


def test_scripts_find_fields_with_grep_as_in_confluent_s_answers(
    proxy: Proxy, cluster: Cluster
) -> None:
    name = new_name("found")
    created = cluster.ask("POST", "/topics", {"topic_name": name})
    path = f"/topics/{name}/records"
    record = {"value": {"type": "JSON", "data": {"a": [1, 2]}}}
    answers = [
        created,
        cluster.ask("POST", path, record),
        cluster.ask("POST", f"{path}:batch", {"entries": [{"id": "1", **record}]}),
        *(
            proxy.ask("GET", each)
            for each in (
                "/v3/clusters",
                "/v3/clusters/no",
                "/topics",
                "/topics/no",
                "/subjects/no/versions",
                "/ready",
                "/_fakebus/v1/faults",
                f"/_fakebus/v1/topics/{name}/records",
            )
        ),
    ]
    for answer in answers:
        text = answer.text.rstrip()
        assert text == json.dumps(answer.json(), separators=(",", ":"))
        # JSON has one charset, and Confluent's servers do not name it.
        assert "charset" not in answer.headers["Content-Type"]


def test_a_group_its_members_and_its_lag_are_told(cluster: Cluster) -> None:
    name = new_name("lag")
    cluster.topic(name, partitions_count=2)
    consumer = cluster.proxy.consumer(name)
    consumer.do("POST", "/subscription", {"topics": [name]})
    place = {"topic": name, "partition": 0}
    consumer.do("POST", "/offsets", {"offsets": [{**place, "offset": 0}]})
    cluster.proxy.produce(name, *({"value": n, "partition": 0} for n in range(4)))
    path = f"/consumer-groups/{name}"
    told = cluster.get(path)
    assert (told["state"], told["type"], told["is_simple"]) == ("STABLE", "CONSUMER", False)
    [member] = cluster.get(f"{path}/consumers")["data"]
    assert cluster.get(f"{path}/consumers/{member['consumer_id']}") == member
    assignments = f"{path}/consumers/{member['consumer_id']}/assignments"
    assert [each["partition_id"] for each in cluster.get(assignments)["data"]] == [0, 1]
    assert cluster.get(f"{assignments}/{name}/partitions/1")["topic_name"] == name
    [lag] = cluster.get(f"{path}/lags")["data"]
    assert (lag["current_offset"], lag["log_end_offset"], lag["lag"]) == (1, 4, 3)
    assert lag["consumer_id"] == member["consumer_id"]
    assert cluster.get(f"{path}/lags/{name}/partitions/0") == lag
    assert cluster.error("GET", f"{path}/lags/{name}/partitions/1") == (404, 404)
    summary = cluster.get(f"{path}/lag-summary")
    assert (summary["max_lag"], summary["total_lag"]) == (3, 3)
    assert summary["max_lag_client_id"] == member["client_id"]
    consumer.do("DELETE", "")
    assert cluster.get(path)["state"] == "EMPTY"


def test_brokers_and_what_they_hold_are_told(cluster: Cluster) -> None:
    [broker] = cluster.get("/brokers")["data"]
    path = f"/brokers/{broker['broker_id']}"
    assert cluster.get(path) == broker
    replicas = cluster.get(f"{path}/partition-replicas")["data"]
    assert {(each["is_leader"], each["is_in_sync"]) for each in replicas} == {(True, True)}
    own = f"/topics/_schemas/partitions/0/replicas/{broker['broker_id']}"
    assert cluster.get(own) in replicas
    name = "log.cleaner.backoff.ms"
    for of, kind in ((path + "/configs", "BrokerConfig"), ("/broker-configs", "ClusterConfig")):
        assert cluster.ask("PUT", f"{of}/{name}", {"value": "777"}).status_code == 204
        config = cluster.get(f"{of}/{name}")
        assert (config["kind"], config["value"]) == (f"Kafka{kind}", "777")
        assert cluster.ask("DELETE", f"{of}/{name}").status_code == 204


@pytest.fixture(scope="module")
def guarded(session: requests.Session) -> Iterator[Cluster]:
    """A cluster with an authorizer."""
    from tests.unit.web.server import http_bus

    authorizer = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
    with http_bus(configs={"authorizer.class.name": authorizer}) as running:
        yield Cluster(Proxy(running.http_url, session))


def test_acls_are_created_found_and_deleted(guarded: Cluster) -> None:
    acl = {
        "resource_type": "TOPIC",
        "resource_name": "orders",
        "pattern_type": "LITERAL",
        "principal": "User:alice",
        "host": "*",
        "operation": "READ",
        "permission": "ALLOW",
    }
    assert guarded.ask("POST", "/acls", acl).status_code == 201
    group = {**acl, "resource_type": "group", "resource_name": "g"}
    assert guarded.ask("POST", "/acls:batch", {"data": [group]}).status_code == 201
    assert guarded.error("POST", "/acls", {**acl, "principal": "alice"})[0] == 400
    [found] = guarded.get("/acls?resource_type=topic&principal=User:alice")["data"]
    assert {name: found[name] for name in acl} == acl
    assert guarded.error("DELETE", "/acls") == (400, 400)
    deleted = guarded.ask("DELETE", "/acls?principal=User:alice").json()["data"]
    assert len(deleted) == 2
    assert guarded.get("/acls")["data"] == []


def test_every_record_of_an_open_stream_has_its_receipt_before_the_next_is_sent(
    bus: FakeBus, cluster: Cluster
) -> None:
    name = new_name("stream")
    cluster.topic(name)
    connection = http.client.HTTPConnection(cluster.proxy.url.removeprefix("http://"), timeout=60)
    connection.putrequest("POST", f"{cluster.path}/topics/{name}/records")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()

    def send(text: str) -> None:
        connection.send(f"{len(text):x}\r\n{text}\r\n".encode())

    send('{"value":{"type":"JSON","da')
    send('ta":0}}')
    response = connection.getresponse()
    assert json.loads(response.readline())["offset"] == 0
    for number in (1, 2):
        send(json.dumps({"value": {"type": "JSON", "data": number}}))
        assert json.loads(response.readline())["offset"] == number
    send('{"value":{"type":"BINARY","data":"!"}} {"value":{"type":"STRING","data":"s"}}')
    assert json.loads(response.readline())["error_code"] == 400
    assert json.loads(response.readline())["offset"] == 3
    send("nonsense")
    refused = json.loads(response.readline())
    assert refused["error_code"] == 400
    assert "no stream of JSON objects" in refused["message"]
    assert response.readline() == b""
    connection.close()


def test_the_time_of_a_record_may_be_that_of_the_epoch(cluster: Cluster) -> None:
    receipt = cluster.send(new_name("epoch"), timestamp=0)
    assert (receipt["error_code"], receipt["timestamp"]) == (200, "1970-01-01T00:00:00.000Z")


def test_a_record_has_headers_a_time_and_a_partition(proxy: Proxy, cluster: Cluster) -> None:
    name = new_name("whole")
    cluster.topic(name, partitions_count=3)
    receipt = cluster.send(
        name,
        partition_id=2,
        headers=[{"name": "a", "value": "AAE="}, {"name": "b", "value": None}],
        key={"type": "STRING", "data": "k"},
        value={"type": "BINARY", "data": "AAEC"},
        timestamp="2024-05-06T07:08:09.010Z",
    )
    assert receipt == {
        "error_code": 200,
        "cluster_id": cluster.id,
        "topic_name": name,
        "partition_id": 2,
        "offset": 0,
        "timestamp": "2024-05-06T07:08:09.010Z",
        "key": {"type": "STRING", "size": 1},
        "value": {"type": "BINARY", "size": 3},
    }
    consumer = proxy.consumer(name, "binary")
    consumer.do("POST", "/subscription", {"topics": [name]})
    [record] = consumer.records()
    assert (record["key"], record["value"], record["partition"]) == ("aw==", "AAEC", 2)
    assert record["timestamp"] == 1714979289010


@pytest.mark.parametrize(
    ("form", "schema", "data"),
    [
        ("AVRO", AVRO, {"name": "a", "age": None}),
        ("JSONSCHEMA", JSON_SCHEMA, {"n": 1}),
        ("PROTOBUF", PROTOBUF, {"id": "a", "count": 1}),
    ],
)
def test_the_schema_is_given_named_or_the_latest(
    cluster: Cluster, form: str, schema: str, data: object
) -> None:
    name = new_name(form.lower())
    told = cluster.send(name, value={"type": form, "schema": schema, "data": data})["value"]
    assert (told["type"], told["subject"], told["schema_version"]) == (form, f"{name}-value", 1)
    size = told["size"]
    for named in (
        {"schema_id": told["schema_id"]},
        {"schema_version": 1},
        {"type": form, "schema_version": "latest"},
        {},
        {"subject": f"{name}-value"},
    ):
        again = cluster.send(name, value={**named, "data": data})["value"]
        assert (again["schema_id"], again["size"]) == (told["schema_id"], size)
    by_name = {"subject_name_strategy": "TOPIC_RECORD_NAME", "type": form, "schema": schema}
    if form != "JSONSCHEMA":
        subject = cluster.send(name, value={**by_name, "data": data})["value"]["subject"]
        assert subject == f"{name}-{'User' if form == 'AVRO' else 'Order'}"


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ({"valu": 1}, 400),
        ({"value": 1}, 422),
        ({"value": {"type": "XML", "data": 1}}, 400),
        ({"value": {"type": "BINARY", "data": 7}}, 400),
        ({"value": {"type": "STRING", "data": 7}}, 400),
        ({"value": {"data": 1}}, 42205),
        ({"value": {"type": "AVRO", "schema": "{", "data": 1}}, 42205),
        ({"value": {"type": "AVRO", "schema": '"int"', "data": "x"}}, 42205),
        ({"value": {"schema": '"int"', "data": 1}}, 400),
        ({"value": {"type": "AVRO", "schema_id": 98765, "data": 1}}, 42205),
        ({"value": {"subject_name_strategy": "MINE", "data": 1}}, 400),
        ({"value": {"schema_version": "first", "data": 1}}, 400),
        ({"headers": "h"}, 422),
        ({"headers": [{"value": ""}]}, 422),
        ({"headers": [{"name": "h", "value": "!"}]}, 400),
        ({"timestamp": "soon"}, 400),
        ({"timestamp": -1}, 400),
        ({"timestamp": 1 << 62}, 400),
        ({"partition_id": 99}, 40403),
        ({"partition_id": "0"}, 422),
    ],
)
def test_a_record_that_is_none_is_told_in_its_receipt(
    cluster: Cluster, record: dict[str, object], code: int
) -> None:
    receipt = cluster.send(new_name("refused"), **record)
    assert receipt["error_code"] == code
    assert receipt["message"]


def test_a_batch_tells_which_entries_were_written(cluster: Cluster) -> None:
    name = new_name("batch")
    entries = [
        {"id": "a", "value": {"type": "JSON", "data": 1}},
        {"id": "b", "value": {"type": "BINARY", "data": "!"}},
        {"id": "c", "value": {"type": "JSON", "data": 3}},
    ]
    path = f"/topics/{name}/records:batch"
    answer = cluster.ask("POST", path, {"entries": entries})
    assert answer.status_code == 207
    places = [(each["id"], each["offset"]) for each in answer.json()["successes"]]
    assert places == [("a", 0), ("c", 1)]
    [failure] = answer.json()["failures"]
    assert (failure["id"], failure["error_code"]) == ("b", 400)
    for bad in ([], [{"id": "a"}, {"id": "a"}], [{}], [{"id": str(n)} for n in range(1001)]):
        assert cluster.error("POST", path, {"entries": bad}) == (422, 42208)


def test_streams_are_counted_and_their_bodies_are_json(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"{cluster.path}/topics/rest-v3-streams/records"
    ask = cluster.proxy.session.post
    kind = {"Content-Type": "text/plain"}
    assert ask(cluster.proxy.url + path, data="{}", headers=kind, timeout=60).status_code == 415
    kind = {"Content-Type": "application/json"}
    assert ask(cluster.proxy.url + path, data="", headers=kind, timeout=60).status_code == 400
    monkeypatch.setattr(records, "MOST_STREAMS", 0)
    assert ask(cluster.proxy.url + path, data="{}", headers=kind, timeout=60).status_code == 429


def test_a_page_of_another_origin_streams_nothing(cluster: Cluster) -> None:
    path = f"{cluster.path}/topics/rest-v3-evil/records"
    headers = {"Origin": "http://evil.example"}
    body = {"value": {"type": "BINARY", "data": base64.b64encode(b"x").decode()}}
    assert cluster.proxy.ask("POST", path, body, headers=headers).status_code == 403
    assert cluster.error("GET", "/topics/rest-v3-evil") == (404, 40403)
