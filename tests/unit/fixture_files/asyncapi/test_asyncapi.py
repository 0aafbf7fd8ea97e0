from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from fakebus.cli.main import run
from fakebus.fixture_files.drift.set_subjects import set_source, set_subjects
from fakebus.fixture_files.loader import check_fixtures, load_fixtures
from fakebus.fixture_files.model import FixtureSet
from fakebus.schemas.payloads import decode

from ..conftest import WriteSet

DOCUMENT = """\
asyncapi: 3.0.0
info: {title: Shop Events, version: 1.4.0}
channels:
  orders:
    address: "{env}.orders"
    parameters:
      env: {enum: [dev, prod]}
    bindings:
      kafka:
        partitions: 3
        topicConfiguration: {cleanup.policy: [compact, delete], retention.ms: 604800000}
    messages:
      placed: {$ref: '#/components/messages/placed'}
      cancelled:
        name: cancelled
        payload: {type: object, required: [id], properties: {id: {type: string}}}
        examples:
          - {name: gone, payload: {id: o-1, $odd: {$twice: 1}}, headers: {source: shop, n: 3}}
  shipments:
    messages:
      shipment:
        name: Shipment
        bindings:
          kafka:
            key:
              schemaFormat: application/vnd.apache.avro+json;version=1.9.0
              schema: {type: string, default: s-1}
        payload:
          schemaFormat: application/vnd.apache.avro;version=1.9.0
          schema: {$ref: 'schemas/shipment.avsc'}
        examples:
          - payload: {id: s-1, weight: 2.5}
  parcels:
    bindings: {kafka: {topic: the.parcels}}
    messages:
      parcel:
        payload:
          schemaFormat: application/vnd.google.protobuf;version=3
          schema: 'syntax = "proto3"; message Parcel { string id = 1; }'
        examples: [{payload: {id: p-1}}]
  bills:
    messages:
      bill:
        bindings: {kafka: {schemaIdLocation: payload}}
        payload: {$ref: '#/components/schemas/Order'}
        examples: [{payload: {id: b-1}}]
operations:
  sendOrder: {action: send, channel: {$ref: '#/channels/orders'}}
  takeShipment: {action: receive, channel: {$ref: '#/channels/shipments'}}
components:
  messages:
    placed:
      name: placed
      bindings: {kafka: {key: {type: string, examples: [o-1]}}}
      payload: {$ref: '#/components/schemas/Order'}
      examples:
        - name: first
          payload: {id: o-1, lines: [{sku: a, parts: [{sku: b}]}]}
  schemas:
    Order:
      type: object
      required: [id]
      properties:
        id: {type: string}
        lines: {type: array, items: {$ref: '#/components/schemas/Line'}}
    Line:
      type: object
      required: [sku]
      properties:
        sku: {type: string}
        parts: {type: array, items: {$ref: '#/components/schemas/Line'}}
"""
PARAMETER = """\
    address: "{env}.orders"
    parameters:
      env: {enum: [dev, prod]}
"""
SHIPMENT = {
    "type": "record",
    "name": "Shipment",
    "fields": [{"name": "id", "type": "string"}, {"name": "weight", "type": "double"}],
}
FILES = {
    "shop.yaml": DOCUMENT,
    "schemas/shipment.avsc": json.dumps(SHIPMENT),
    "fakebus.yaml": "version: 1\nname: billing\nuses: [{asyncapi: shop.yaml}]\n"
    "include: [more.ndjson]\n",
    "more.ndjson": '{"topic": "dev.orders", "key": "o-7", "value": {"id": "o-7"}}\n',
}


def contents(fixture_set: FixtureSet) -> dict[str, list[tuple[object, object]]]:
    source = set_source(set_subjects(fixture_set).values())
    found: dict[str, list[tuple[object, object]]] = {}
    for stream in fixture_set.streams:
        for event in stream.events:
            key = decode(event.record.key, source, is_key=True).data
            value = decode(event.record.value, source).data
            found.setdefault(stream.topic, []).append((key, value))
    return found


def test_a_set_uses_the_topics_schemas_and_examples_of_a_document(write_set: WriteSet) -> None:
    root = write_set(FILES)
    assert check_fixtures(root) == []
    found = load_fixtures(root, now_ms=0)
    topics = {topic.name: topic for topic in found.topics}
    orders = topics["dev.orders"]
    assert sorted(topics) == ["bills", "dev.orders", "shipments", "the.parcels"]
    assert (orders.partitions, orders.owner, orders.consumers) == (3, "shop-events", ())
    assert orders.config == {"cleanup.policy": "compact,delete", "retention.ms": "604800000"}
    assert topics["shipments"].consumers == ("shop-events",)
    assert [(each.subject, each.schema_type) for each in found.schemas] == [
        ("shipments-value", "AVRO"),
        ("shipments-key", "AVRO"),
        ("the.parcels-value", "PROTOBUF"),
        ("bills-value", "JSON"),
    ]
    assert contents(found) == {
        "dev.orders": [
            ("o-1", {"id": "o-1", "lines": [{"sku": "a", "parts": [{"sku": "b"}]}]}),
            ("o-1", {"id": "o-1", "$odd": {"$twice": 1}}),
            ("o-7", {"id": "o-7"}),
        ],
        "shipments": [("s-1", {"id": "s-1", "weight": 2.5})],
        "the.parcels": [(None, {"id": "p-1"})],
        "bills": [(None, {"id": "b-1"})],
    }
    (cancelled,) = [
        event
        for stream in found.streams
        for event in stream.events
        if event.event_id == "cancelled/gone"
    ]
    assert cancelled.record.headers == (("source", b"shop"), ("n", b"3"))
    assert (found.uses[0].name, found.uses[0].version) == ("shop-events", "1.4.0")


def test_parameters_of_addresses_are_given_where_a_document_is_used(write_set: WriteSet) -> None:
    document = DOCUMENT.replace("env: {enum: [dev, prod]}", "env: {description: where}")
    use = "[{asyncapi: shop.yaml, parameters: {env: 7}}]"
    files = {
        **FILES,
        "shop.yaml": document,
        "fakebus.yaml": f"version: 1\nname: billing\nuses: {use}\n",
    }
    for name in [each for each in files if each.endswith(".ndjson")]:
        del files[name]
    found = load_fixtures(write_set(files), now_ms=0)
    assert "7.orders" in [each.name for each in found.topics]


def test_a_document_is_a_set_by_itself(write_set: WriteSet) -> None:
    document = write_set(FILES) / "shop.yaml"
    assert check_fixtures(document) == []
    assert load_fixtures(document, now_ms=0).record_count == 5


def test_a_schema_refers_to_nothing_outside(write_set: WriteSet) -> None:
    found = load_fixtures(write_set(FILES), now_ms=0)
    text = next(each.text for each in found.schemas if each.subject == "bills-value")
    definitions = json.loads(text)["definitions"]
    assert list(definitions) == ["Line"]
    assert definitions["Line"]["properties"]["parts"]["items"] == {"$ref": "#/definitions/Line"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("asyncapi: 3.0.0", "asyncapi: 2.6.0", "this is AsyncAPI 2.6.0"),
        ("asyncapi: 3.0.0", "openapi: 3.0.0", "this is no AsyncAPI document"),
        (
            PARAMETER,
            PARAMETER.replace("enum: [dev, prod]", ""),
            'has the parameter "env", for which there is',
        ),
        ('"{env}.orders"', '"a b"', "the topic name"),
        ("partitions: 3", "partitions: many", 'there are no "many" partitions'),
        ("retention.ms: 604800000", "retention.ms: long", "retention.ms"),
        ("messages/placed'", "messages/plced'", "leads nowhere"),
        ("'schemas/shipment.avsc'", "'schemas/none.avsc'", "there is no file"),
        ("'schemas/shipment.avsc'", "'../shipment.avsc'", "leaves the fixture directory"),
        (
            "'schemas/shipment.avsc'",
            "'https://example.org/a.avsc'",
            "lies elsewhere and is not fetched",
        ),
        ("application/vnd.apache.avro;", "application/raml+yaml;", "are not read"),
        ("payload: {id: s-1, weight: 2.5}", "payload: {id: s-1}", "'weight' is missing"),
        ("lines: [{sku: a,", "lines: [{", "the example does not fit the message's payload"),
        ("[{payload: {id: b-1}}]", "[{payload: {}}]", "id"),
        ("message Parcel {", "message Parcel", "Expected"),
    ],
)
def test_mistakes_have_their_place_in_the_document(
    write_set: WriteSet, old: str, new: str, message: str
) -> None:
    line = DOCUMENT[: DOCUMENT.index(old)].count("\n") + 1
    document = write_set({**FILES, "shop.yaml": DOCUMENT.replace(old, new, 1)}) / "shop.yaml"
    problems = check_fixtures(document)
    assert any(
        message in problem.message and line == problem.line and problem.file == str(document)
        for problem in problems
    ), list(map(str, problems))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"uses": "{asyncapi: none.yaml}"}, 'there is no file "none.yaml"'),
        ({"uses": "{asyncapi: more.ndjson}"}, '"more.ndjson" is not a document of AsyncAPI'),
        ({"uses": "{asyncapi: shop.yaml, profile: x}"}, "a document of AsyncAPI has no profiles"),
        (
            {"uses": "{asyncapi: shop.yaml, version: '>1'}"},
            "only packages have a range of versions",
        ),
        ({"uses": "{path: ., parameters: {env: a}}"}, "only documents of AsyncAPI have parameters"),
        (
            {"uses": "{asyncapi: shop.yaml, parameters: {env: [a]}}"},
            'the parameter "env" must be a text',
        ),
        (
            {"uses": "{asyncapi: shop.yaml}, {asyncapi: shop.yaml, parameters: {env: test}}"},
            "is used with other parameters here than in",
        ),
    ],
)
def test_mistakes_in_uses(write_set: WriteSet, files: Mapping[str, str], message: str) -> None:
    text = f"version: 1\nname: billing\nuses: [{files['uses']}]\n"
    problems = check_fixtures(write_set({**FILES, "fakebus.yaml": text}))
    assert any(message in problem.message for problem in problems), list(map(str, problems))


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("channels: [a]", "a list stands where an object belongs"),
        ("channels: {c: 5}", '"5" stands where an object belongs'),
        ("channels: {c: {messages: {m: x}}}", '"x" stands where an object belongs'),
        ("channels: {c: {messages: {m: {examples: [5]}}}}", '"5" stands where an object belongs'),
        ("operations: 5", '"5" stands where an object belongs'),
        ("operations: {o: []}", "a list stands where an object belongs"),
    ],
)
def test_what_is_no_object_is_told(write_set: WriteSet, rest: str, message: str) -> None:
    text = f"asyncapi: 3.0.0\ninfo: {{title: a}}\n{rest}\n"
    (problem, *_) = check_fixtures(write_set({"fakebus.yaml": "", "a.yaml": text}) / "a.yaml")
    assert (problem.message, problem.line) == (message, 3)
    assert problem.hint


def test_an_address_that_is_not_known_yet_leaves_the_channels_name(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("asyncapi: 3.0.0\nchannels: {c: {address: null}}\n")
    found = load_fixtures(tmp_path / "a.yaml", now_ms=0)
    assert [topic.name for topic in found.topics] == ["c"]


def test_an_address_that_is_no_topic_is_told_where_the_topic_may_stand(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("asyncapi: 3.0.0\nchannels: {c: {address: user/signedup}}\n")
    (problem,) = check_fixtures(tmp_path / "a.yaml")
    assert "bindings: {kafka: {topic: NAME}}" in problem.hint


def test_an_empty_document_is_told_how_one_begins(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("")
    (problem,) = check_fixtures(tmp_path / "a.yaml")
    assert problem.hint == "begin with the line  asyncapi: 3.0.0"


def test_references_in_a_circle_end(write_set: WriteSet) -> None:
    text = DOCUMENT.replace(
        "placed: {$ref: '#/components/messages/placed'}", "placed: {$ref: '#/x/y'}", 1
    ).replace("components:\n", "x: {y: {$ref: '#/x/y'}}\ncomponents:\n", 1)
    problems = check_fixtures(write_set({**FILES, "shop.yaml": text}) / "shop.yaml")
    assert any("more than 32 references" in problem.message for problem in problems)


def test_real_documents_of_the_initiative_have_the_same_parts(tmp_path: Path) -> None:
    # The shape that its own Kafka example has: traits, parameters without a default.
    document = tmp_path / "lights.yaml"
    document.write_text(
        "asyncapi: 3.1.0\ninfo: {title: Lights, version: 1.0.0}\nchannels:\n  measured:\n"
        "    address: 'lights.{id}.measured'\n    parameters: {id: {description: the light}}\n"
        "    messages: {m: {payload: {type: object}}}\n"
    )
    (problem,) = check_fixtures(document)
    assert problem.hint.startswith("write  parameters: {id: VALUE}  beside  asyncapi:")


def _checked(directory: Path, **parts: object) -> list[str]:
    document = {"asyncapi": "3.0.0", "info": {"title": "t", "version": "1"}, **parts}
    file = directory / "asyncapi.json"
    file.write_text(json.dumps(document))
    return [problem.message for problem in check_fixtures(file)]


def _channel(**message: object) -> dict[str, object]:
    return {"c": {"messages": {"m": {"examples": [{"payload": {}}], **message}}}}


def test_chains_of_references_and_references_of_one_name_may_be_long(tmp_path: Path) -> None:
    chain = {f"s{n}": {"not": {"$ref": f"#/components/schemas/s{n + 1}"}} for n in range(1500)}
    names = [{"x": {}} for _ in range(1500)]
    properties = {
        "chain": {"$ref": "#/components/schemas/s0"},
        **{f"p{n}": {"$ref": f"#/components/names/{n}/x"} for n in range(1500)},
    }
    problems = _checked(
        tmp_path,
        channels=_channel(payload={"properties": properties}),
        components={"schemas": {**chain, "s1500": {}}, "names": names},
    )
    assert problems == []


@pytest.mark.parametrize("given", [{"a": True}, 5, True, None, [], "text"])
def test_examples_of_keys_that_are_no_list_are_none(tmp_path: Path, given: object) -> None:
    key = {"type": "string", "examples": given, "enum": given}
    payload = {"definitions": given, "not": {"$ref": "#/x"}}
    channels = _channel(payload=payload, bindings={"kafka": {"key": key}})
    assert _checked(tmp_path, channels=channels, x={"type": "string"}) == []


def test_an_example_of_a_key_calls_no_function(tmp_path: Path) -> None:
    key = {"type": "object", "examples": [{"$time": "now"}]}
    _checked(tmp_path, channels=_channel(payload={}, bindings={"kafka": {"key": key}}))
    [stream] = load_fixtures(tmp_path / "asyncapi.json", now_ms=0).streams
    assert stream.events[0].record.key == b'{"$time":"now"}'


def test_a_key_in_protobuf_has_no_example(tmp_path: Path) -> None:
    proto = 'syntax = "proto3"; message A { string a = 1; }'
    key = {"schemaFormat": "application/vnd.google.protobuf;version=3", "schema": proto}
    channels = _channel(payload={}, bindings={"kafka": {"key": key}})
    assert _checked(tmp_path, channels=channels) == []


def test_numbers_beyond_all_reason_are_refused(tmp_path: Path) -> None:
    number = "9" * 5000
    partitions = {"bindings": {"kafka": {"partitions": number}}}
    channels = {"c": partitions, "d": {"$ref": f"#/list/{number}"}}
    first, second = _checked(tmp_path, channels=channels, list=[])
    assert first.startswith("there are no ")
    assert second.endswith("leads nowhere")


def test_a_message_without_examples_is_noted_where_the_set_is_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    messages = {"none": {"payload": {}}, "some": {"payload": {}, "examples": [{"payload": 1}]}}
    assert _checked(tmp_path, channels={"c": {"messages": messages}}) == []
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "fakebus.yaml").write_text(
        "version: 1\nuses: [{asyncapi: ../asyncapi.json}]\n"
    )
    assert run(["fixtures", "check", str(tmp_path / "set")]) == 0
    [note] = [line for line in capsys.readouterr().out.splitlines() if "[note]" in line]
    assert "asyncapi.json:1:" in note
    assert 'the message "none" has no examples, so that no event of it is in c' in note
