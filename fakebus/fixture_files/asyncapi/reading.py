"""From an AsyncAPI 3 document to what a set has: subjects, topics, and examples as events.

Source: https://www.asyncapi.com/docs/reference/specification/v3.0.0 and the Kafka bindings, 0.5.0.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fakebus.fixture_files.asyncapi.document import Document, Place, whole_number
from fakebus.fixture_files.inputs.input import literal
from fakebus.fixture_files.problems import DataError, ProblemList, quoted
from fakebus.fixture_files.structure.declarations import Origin
from fakebus.fixture_files.structure.event_models import Format, KeyFormat
from fakebus.fixture_files.structure.kinds import SchemaFile
from fakebus.fixture_files.structure.models import MAX_PARTITIONS, Topic
from fakebus.fixture_files.structure.subject_models import Subject
from fakebus.fixture_files.structure.topic_rules import config_problem, name_problem
from fakebus.fixture_files.structure.yaml_tree import YamlScalar, json_value
from fakebus.schemas.interface import SchemaDataError, SchemaError
from fakebus.schemas.languages import language

_PARAMETER = re.compile(r"\{([^{}]+)\}")
_JSON, _AVRO, _PROTOBUF = "JSON", "AVRO", "PROTOBUF"
_FORMATS = {
    "vnd.apache.avro": _AVRO,
    "avro": _AVRO,
    "vnd.google.protobuf": _PROTOBUF,
    "x-protobuf": _PROTOBUF,
    "protobuf": _PROTOBUF,
    "schema": _JSON,
    "vnd.aai.asyncapi": _JSON,
}
_KAFKA = ("bindings", "kafka")
SERVICE = "x-service"
"""The extension of an operation that says whose it is, in documents of several services."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """Example of a message, as an event."""

    topic: str
    place: Place
    fields: Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class AsyncApiSet:
    """Set that a document describes."""

    name: str = ""
    version: str = ""
    subjects: list[Subject] = field(default_factory=list)
    topics: list[Topic] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Payload:
    """Schema of a key or a value."""

    language: str
    text: str
    place: Place
    framed: bool
    """Whether data names its schema by an id."""


class AsyncApiReader:
    """Reader of one document.

    Args:
        document: the document.
        notes: where it is told what is missing for tests, and no mistake.
        parameters: what stands for parameters of addresses, instead of what the document says.
    """

    def __init__(
        self, document: Document, notes: ProblemList, parameters: Mapping[str, str]
    ) -> None:
        self._document = document
        self._notes = notes
        self._parameters = parameters
        self._found = AsyncApiSet()
        self._services: dict[str, dict[str, list[str]]] = {"send": {}, "receive": {}}
        self._has_registry = False

    def read(self) -> AsyncApiSet:
        """Return what the document describes; what is wrong is told and left out."""
        document, found = self._document, self._found
        root = document.root()
        if root is None:
            return found
        version = document.field(root, "asyncapi")
        if version is None or not version.text.startswith("3."):
            shown = "no AsyncAPI document" if version is None else f"AsyncAPI {version.text}"
            hint = "documents of version 3 are read; convert it with  asyncapi convert"
            document.wrong(version or root, f"this is {shown}", hint)
            return found
        info = document.field(root, "info")
        title, release = document.field(info, "title"), document.field(info, "version")
        found.name = _slug(title.text if title is not None else "")
        found.version = release.text if release is not None else ""
        self._has_registry = any(
            document.field(server, *_KAFKA, "schemaRegistryUrl") is not None
            for _, server in document.fields(document.field(root, "servers"))
        )
        self._read_operations(root)
        for name, channel in document.fields(document.field(root, "channels")):
            if document.is_object(channel):
                self._read_channel(name, channel)
        return found

    def _read_operations(self, root: Place) -> None:
        # A document is one application's, unless operations say whose they are: what it sends it
        # owns, what it receives it consumes.
        for _, operation in self._document.fields(self._document.field(root, "operations")):
            if not self._document.is_object(operation):
                continue
            action = self._document.field(operation, "action")
            channel = self._document.field(operation, "channel")
            if action is not None and channel is not None and action.text in self._services:
                place = str(channel.position)
                whose = self._document.field(operation, SERVICE)
                service = whose.text if whose is not None and whose.text else self._found.name
                self._services[action.text].setdefault(place, []).append(service)

    def _read_channel(self, name: str, channel: Place) -> None:
        document = self._document
        kafka = document.field(channel, *_KAFKA)
        topic = self._topic_name(name, channel, kafka)
        if topic is None:
            return
        messages = [
            (called, message)
            for called, message in document.fields(document.field(channel, "messages"))
            if document.is_object(message)
        ]
        values = [(each, message, self._payload(message)) for each, message in messages]
        keys = [self._key(message) for _, message in messages]
        lone = len({value.text for _, _, value in values if value is not None}) == 1
        formats = [self._format(topic, *value, lone=lone) for value in values]
        key = next((each for each in keys if each is not None), None)
        place = str(channel.position)
        senders, receivers = (self._services[each].get(place, []) for each in ("send", "receive"))
        self._found.topics.append(
            Topic(
                origin=Origin(channel.position, {"name": channel.position}, channel.file),
                name=topic,
                partitions=self._partitions(kafka),
                config=self._config(kafka),
                key=self._key_format(topic, key),
                value=formats[0] if lone and formats else Format(name="json"),
                owner=senders[0] if senders else None,
                producers=tuple(dict.fromkeys(senders[1:])),
                consumers=tuple(dict.fromkeys(receivers)),
            )
        )
        before = len(self._found.examples)
        for (called, message, value), format_ in zip(values, formats, strict=True):
            self._read_examples(topic, message, value, format_, key)
            if len(self._found.examples) == before:
                self._notes.add(
                    message.position,
                    f"the message {quoted(called)} has no examples, so that no event of it is in "
                    f"{topic}",
                    "add  examples:  with a payload, or events of your own",
                )
            before = len(self._found.examples)

    def _topic_name(self, name: str, channel: Place, kafka: Place | None) -> str | None:
        document = self._document
        address = document.field(kafka, "topic") or document.field(channel, "address")
        parameters = document.field(channel, "parameters")
        text = address.text if address is not None and address.text else name
        place = address or channel

        def value(found: re.Match[str]) -> str:
            if (given := self._parameters.get(found[1])) is not None:
                return given
            parameter = document.field(parameters, found[1])
            for field_name in ("default", "examples", "enum"):
                for each in document.items(document.field(parameter, field_name)):
                    return each.text
            raise DataError(
                f"the address has the parameter {quoted(found[1])}, for which there is neither a "
                "default nor an example",
                f"write  parameters: {{{found[1]}: VALUE}}  beside  asyncapi:  in  uses:, or add  "
                f"default:  to the parameter",
            )

        try:
            topic = _PARAMETER.sub(value, text)
            problem = name_problem(topic)
            if problem is not None:
                # Other protocols have slashes in their addresses.
                hint = "give the channel its topic with  bindings: {kafka: {topic: NAME}}"
                raise DataError(problem[0], hint)
        except DataError as error:
            document.wrong(place, str(error), error.hint)
            return None
        return topic

    def _partitions(self, kafka: Place | None) -> int:
        place = self._document.field(kafka, "partitions")
        if place is None:
            return 1
        partitions = whole_number(place.text)
        if partitions is None or not 1 <= partitions <= MAX_PARTITIONS:
            hint = f"write a number from 1 to {MAX_PARTITIONS}"
            self._document.wrong(place, f"there are no {quoted(place.text)} partitions", hint)
            return 1
        return partitions

    def _config(self, kafka: Place | None) -> Mapping[str, str]:
        found = {}
        for name, place in self._document.fields(self._document.field(kafka, "topicConfiguration")):
            text = ",".join(each.text for each in self._document.items(place))
            problem = config_problem(name, text)
            if problem is not None:
                self._document.wrong(place, *problem)
            else:
                found[name] = text
        return found

    def _payload(self, message: Place, *names: str) -> _Payload | None:
        document = self._document
        place = document.field(message, *(names or ("payload",)))
        if place is None:
            return None
        written = document.field(place, "schemaFormat")
        schema = place if written is None else document.field(place, "schema")
        kind = _JSON
        if written is not None:
            match = re.fullmatch(r"application/([\w.-]+?)(\+\w+)?(;.*)?", written.text)
            kind = _FORMATS.get(match[1] if match else "", "")
            if not kind:
                known = "JSON Schema, Avro and Protobuf are read"
                document.wrong(written, f"schemas of {quoted(written.text)} are not read", known)
                return None
        if schema is None:
            return None
        text = schema.text
        if kind != _PROTOBUF:
            data = document.schema(schema) if kind == _JSON else json_value(schema.node)
            text = json.dumps(data, ensure_ascii=False)
        location = document.field(message, *_KAFKA, "schemaIdLocation")
        framed = kind != _JSON or (location is not None and location.text == "payload")
        return _Payload(language=kind, text=text, place=schema, framed=framed or self._has_registry)

    def _key(self, message: Place) -> _Payload | None:
        return self._payload(message, *_KAFKA, "key")

    def _format(
        self, topic: str, name: str, message: Place, payload: _Payload | None, *, lone: bool
    ) -> Format:
        if payload is None or not payload.framed:
            return Format(name="json")
        strategy = self._document.field(message, *_KAFKA, "schemaLookupStrategy")
        title = self._document.field(message, "name")
        called = title.text if title is not None and title.text else name
        subject = f"{topic}-value" if lone else f"{topic}-{called}"
        if strategy is not None and "Record" in strategy.text:
            record = self._record_name(payload) or called
            subject = f"{topic}-{record}" if "TopicRecord" in strategy.text else record
        return Format(subject=self._subject(subject, payload))

    def _record_name(self, payload: _Payload) -> str | None:
        try:
            return language(payload.language).name_of(payload.text)
        except SchemaError:
            return None

    def _key_format(self, topic: str, key: _Payload | None) -> KeyFormat:
        if key is None or not key.framed or key.language == _JSON:
            is_text = key is None or json.loads(key.text).get("type", "string") == "string"
            return KeyFormat(name="string" if is_text else "json")
        return KeyFormat(subject=self._subject(f"{topic}-key", key))

    def _subject(self, name: str, payload: _Payload) -> str:
        if all(each.subject != name for each in self._found.subjects):
            display = payload.place.position.file
            self._found.subjects.append(
                Subject(
                    origin=Origin(payload.place.position, {}, payload.place.file),
                    subject=name,
                    schema=SchemaFile(display, display, payload.text, payload.place.position),
                    written_type=payload.language,
                )
            )
        return name

    def _read_examples(
        self,
        topic: str,
        message: Place,
        payload: _Payload | None,
        format_: Format,
        key: _Payload | None,
    ) -> None:
        document = self._document
        called = document.field(message, "name")
        for example in document.items(document.field(message, "examples")):
            data = document.field(example, "payload") if document.is_object(example) else None
            if data is None:
                continue
            value = json_value(data.node)
            self._check(value, payload, data)
            headers = document.field(example, "headers")
            named = {"subject": format_.subject} if format_.subject else {"type": "json"}
            fields: dict[str, Any] = {
                "topic": topic,
                "key": None if key is None else literal(_first_example(key)),
                "value": {**named, "data": literal(value)},
                "headers": {name: _header(each) for name, each in document.fields(headers)},
            }
            title = document.field(example, "name")
            if title is not None and re.fullmatch(r"\S+", title.text):
                prefix = called.text if called is not None else topic
                fields["id"] = f"{prefix}/{title.text}".replace(" ", "-")
            self._found.examples.append(Example(topic=topic, place=example, fields=fields))

    def _check(self, value: object, payload: _Payload | None, data: Place) -> None:
        # What is framed is encoded later, and told then.
        if payload is None or payload.framed:
            return
        try:
            language(_JSON).parse(payload.text).encode(value)
        except SchemaError as error:
            self._document.wrong(
                payload.place, f"the schema is not valid: {error}", "mend the schema"
            )
        except SchemaDataError as error:
            message = f"the example does not fit the message's payload: {error}"
            self._document.wrong(data, message, "mend the example or the schema")


def _first_example(schema: _Payload) -> Any:
    """Return what a key may be, as far as its schema gives an example."""
    document = None if schema.language == _PROTOBUF else json.loads(schema.text)
    if not isinstance(document, dict):
        return None
    given = (document.get(name) for name in ("examples", "enum"))
    return next(
        (each[0] for each in given if isinstance(each, list) and each), document.get("default")
    )


def _header(place: Place) -> str | None:
    if isinstance(place.node, YamlScalar):
        return None if place.node.kind == "null" else place.node.text
    return json.dumps(json_value(place.node), ensure_ascii=False)


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
