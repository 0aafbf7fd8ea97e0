"""The catalogue as an AsyncAPI 3 document, with the bindings for Kafka.

Source: https://www.asyncapi.com/docs/reference/specification/v3.0.0 and the Kafka bindings, 0.5.0.
The words are those that :mod:`fakebus.fixture_files.asyncapi` reads, so that it reads this too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from fakebus.catalogue.event_types import Catalogue, EventType
from fakebus.fixture_files.asyncapi.reading import SERVICE
from fakebus.schemas.languages import LANGUAGES

WRITTEN_BY = "Written by fakebus catalogue from what is declared and seen."
_BINDING = {"bindingVersion": "0.5.0"}
_LISTS = frozenset(("cleanup.policy",))
_NO_AVRO_NAME = re.compile(r"[^A-Za-z0-9_.]|(?<![^.])(?=[0-9])")
_NAMING = frozenset(("type", "items", "values", "namespace", "aliases"))
"""What of a type names types, or is one."""
_NAMED = frozenset(("fields", "symbols", "size"))
_WHOLE = re.compile(r"-?[0-9]{1,18}\Z")
_MAX_SAFE = 2**53 - 1


def asyncapi_document(catalogue: Catalogue, title: str = "Events") -> dict[str, Any]:
    """Return a document that describes all topics, messages, and who sends and receives what."""
    topics: dict[str, list[EventType]] = {}
    for each in catalogue.event_types:
        for topic in each.topics:
            topics.setdefault(topic, []).append(each)
    names = _Names()
    channels = {
        names.of("channel", topic): _channel(topic, of, names) for topic, of in topics.items()
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": title,
            "version": "1.0.0",
            "description": WRITTEN_BY,
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": dict(_operations(topics, names)),
    }


class _Names:
    """Names that identify things in a document: of letters, digits and a few signs, each once."""

    def __init__(self) -> None:
        self._given: dict[tuple[str, str], str] = {}
        self._taken: set[tuple[str, str]] = set()

    def of(self, kind: str, name: str) -> str:
        """Return the identifier of a thing; the same one whenever it is asked for."""
        if (kind, name) not in self._given:
            plain = re.sub(r"[^A-Za-z0-9_.-]", "-", name) or "-"
            free, number = plain, 1
            while (kind, free) in self._taken:
                number += 1
                free = f"{plain}-{number}"
            self._taken.add((kind, free))
            self._given[kind, name] = free
        return self._given[kind, name]


def _channel(topic: str, events: list[EventType], names: _Names) -> dict[str, Any]:
    first = events[0]
    kafka: dict[str, Any] = {"topic": topic, **_BINDING}
    if first.partitions:
        kafka["partitions"] = first.partitions
    if config := _config(first.config):
        kafka["topicConfiguration"] = config
    return {
        "address": topic,
        "messages": {
            names.of(f"message of {topic}", one.name): _message(topic, one) for one in events
        },
        "bindings": {"kafka": kafka},
    }


def _config(config: dict[str, str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, text in config.items():
        if name in _LISTS:
            found[name] = [each.strip() for each in text.split(",") if each.strip()]
        elif _WHOLE.match(text):
            # Larger ones mean "for ever", and JSON's readers round them.
            found[name] = min(int(text), _MAX_SAFE)
        else:
            found[name] = text
    return found


def _message(topic: str, event: EventType) -> dict[str, Any]:
    message: dict[str, Any] = {"name": event.name}
    if event.description:
        message["summary"] = event.description
    kind = "JSON" if event.schema is None else str(event.schema["type"])
    message["contentType"] = LANGUAGES[kind].media_type
    kafka: dict[str, Any] = dict(_BINDING)
    if event.schema is not None:
        message["payload"] = {
            "schemaFormat": LANGUAGES[kind].schema_media_type,
            "schema": _schema(event.schema),
        }
        kafka |= {"schemaIdLocation": "payload", "schemaIdPayloadEncoding": "confluent"}
        if event.subject != f"{topic}-value":
            by_topic = str(event.subject).startswith(f"{topic}-")
            kafka["schemaLookupStrategy"] = (
                "TopicRecordNameStrategy" if by_topic else "RecordNameStrategy"
            )
    elif any(isinstance(each, dict) for each in event.examples):
        message["payload"] = {"type": "object"}
    if event.key in ("string", ""):
        kafka["key"] = {"type": "string"}
    examples = [{"payload": each} for each in event.examples if isinstance(each, dict)]
    if examples:
        message["examples"] = examples
    if event.links:
        message["externalDocs"] = {"url": event.links[0]}
    return message | {"bindings": {"kafka": kafka}}


def _schema(schema: dict[str, Any]) -> Any:
    if LANGUAGES[schema["type"]].written_in != "json":
        return schema["text"]
    document = json.loads(schema["text"])
    return _with_avro_names(document) if schema["type"] == "AVRO" else document


def _with_avro_names(schema: Any) -> Any:
    """Return a schema whose types have names that Avro's specification allows.

    Libraries take others too, and Open edX has one; AsyncAPI's schema refuses them, and its parser
    does not come to an end over them.
    """
    if isinstance(schema, str):
        return _NO_AVRO_NAME.sub("_", schema)
    if isinstance(schema, list):
        return [_with_avro_names(each) for each in schema]
    mended = {
        part: _with_avro_names(inner) if part in _NAMING else inner
        for part, inner in schema.items()
    }
    if not _NAMED.isdisjoint(schema):
        mended["name"] = _with_avro_names(schema["name"])
    if "fields" in schema:
        mended["fields"] = [
            {**each, "type": _with_avro_names(each["type"])} for each in schema["fields"]
        ]
    return mended


def _operations(
    topics: dict[str, list[EventType]], names: _Names
) -> Iterator[tuple[str, dict[str, Any]]]:
    for topic, events in topics.items():
        channel = names.of("channel", topic)
        for action in ("send", "receive"):
            parties: dict[str, list[EventType]] = {}
            for each in events:
                for one in each.producers if action == "send" else each.consumers:
                    parties.setdefault(one.service, []).append(each)
            for service, sent in parties.items():
                yield (
                    names.of("operation", f"{service}-{action}s-{topic}"),
                    {
                        "action": action,
                        "channel": {"$ref": f"#/channels/{_pointer(channel)}"},
                        "title": f"{service} {action}s {topic}",
                        "tags": [{"name": service}],
                        SERVICE: service,
                        "messages": [
                            {
                                "$ref": f"#/channels/{_pointer(channel)}/messages/"
                                + _pointer(names.of(f"message of {topic}", one.name))
                            }
                            for one in sent
                        ],
                    },
                )


def _pointer(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
