"""Refuse records whose schema is not the one that their topic asks for.

A topic opts in with ``confluent.value.schema.validation`` and
``confluent.key.schema.validation``. Then keys or values must be framed with the id of a schema
that is registered under the subject that the topic's naming strategy gives, or be null.

Source: https://docs.confluent.io/platform/current/schema-registry/schema-validation.html
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from fakebus.broker.appending import MOST_RECORD_ERRORS, InvalidRecordsError
from fakebus.broker.configs.topic_config import TopicConfig
from fakebus.errors import ErrorCode
from fakebus.records.errors import RecordError
from fakebus.records.reader import read_records
from fakebus.registry.errors import RegistryError
from fakebus.registry.registry import Registry
from fakebus.schemas.framing import framed_id
from fakebus.types import Buffer

TOPIC_NAME_STRATEGY = "TopicNameStrategy"
TOPIC_RECORD_NAME_STRATEGY = "TopicRecordNameStrategy"

Check = Callable[[bytes | None, bytes | None], str | None]
"""Says what is wrong with a key and a value."""
SubjectOf = Callable[[int], str | None]
"""Gives the subject under which an id must be registered; ``None`` if it has no name."""


class RecordValidator:
    """Validator of every batch for a topic that has opted in.

    It may be called beside the event loop; the registry is asked on the loop.

    Args:
        registry: where the schemas are.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()

    def __call__(self, topic: str, config: TopicConfig, batch: Buffer) -> None:
        """Accept a batch.

        Args:
            topic: where it is for.
            config: the topic's.
            batch: one record batch, whose shape was checked.

        Raises:
            InvalidRecordsError: INVALID_RECORD, with what is wrong with each record.
        """
        checks = self._checks(topic, config)
        problems = list[tuple[int, str]]()
        try:
            for index, record in enumerate(read_records(batch)):
                found = (check(record.key, record.value) for check in checks)
                problem = next((one for one in found if one is not None), None)
                if problem is not None:
                    problems.append((index, problem))
                    if len(problems) == MOST_RECORD_ERRORS:
                        break
        except RecordError as error:
            raise InvalidRecordsError(ErrorCode.INVALID_RECORD, str(error), ()) from error
        if problems:
            index, problem = problems[0]
            raise InvalidRecordsError(
                ErrorCode.INVALID_RECORD,
                f"schema validation of {topic} refuses the record at index {index}: {problem}",
                problems,
            )

    def _checks(self, topic: str, config: TopicConfig) -> list[Check]:
        checks = list[Check]()
        if config.validate_keys:
            of_key = self._part(topic, "key", config.key_subject_strategy)
            checks.append(lambda key, _: of_key(key))
        if config.validate_values:
            of_value = self._part(topic, "value", config.value_subject_strategy)
            checks.append(lambda _, value: of_value(value))
        return checks

    def _part(self, topic: str, part: str, strategy: str) -> Callable[[bytes | None], str | None]:
        subject_of = self._subjects(topic, part, strategy)
        known: dict[int, str | None] = {}

        def check(data: bytes | None) -> str | None:
            if data is None:
                return None
            schema_id = framed_id(data)
            if schema_id is None:
                return f"the {part} does not begin with a zero byte and a schema id"
            if schema_id not in known:
                known[schema_id] = self._ask(part, schema_id, subject_of)
            return known[schema_id]

        return check

    def _subjects(self, topic: str, part: str, strategy: str) -> SubjectOf:
        # Confluent gives the strategies by their Java class names.
        name = strategy.rpartition(".")[2]
        if name == TOPIC_NAME_STRATEGY:
            return lambda _: f"{topic}-{part}"
        prefix = f"{topic}-" if name == TOPIC_RECORD_NAME_STRATEGY else ""

        def of_record(schema_id: int) -> str | None:
            found = self._registry.record_name(schema_id)
            return None if found is None else prefix + found

        return of_record

    def _ask(self, part: str, schema_id: int, subject_of: SubjectOf) -> str | None:
        if threading.get_ident() == self._loop_thread:
            return self._problem(part, schema_id, subject_of)

        async def ask() -> str | None:
            return self._problem(part, schema_id, subject_of)

        return asyncio.run_coroutine_threadsafe(ask(), self._loop).result()

    def _problem(self, part: str, schema_id: int, subject_of: SubjectOf) -> str | None:
        try:
            self._registry.schema_by_id(schema_id)
            subject = subject_of(schema_id)
        except RegistryError as error:
            return f"the {part}'s schema id {schema_id} is not registered: {error.message}"
        if subject is None:
            return f"the {part}'s schema {schema_id} has no record name"
        if self._registry.is_registered(schema_id, subject):
            return None
        return f"the {part}'s schema {schema_id} is not registered under the subject '{subject}'"
