"""Readers that fixture sets declare, and the records that these could not read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial

from fakebus.errors import MissingExtraError
from fakebus.fixture_files.model import FixtureReader
from fakebus.fixture_files.parties import Parties, TopicParties
from fakebus.records.record import Record
from fakebus.registry.errors import RegistryError
from fakebus.registry.registry import Registry
from fakebus.registry.sources import id_of_guid
from fakebus.schemas.framing import HEADER_SIZE, framed_id, framings_of
from fakebus.schemas.interface import STORED, ParsedSchema, SchemaDataError, SchemaError
from fakebus.schemas.languages import language


class DeclaredReaders:
    """Schemas that services read a bus's topics with, as the sets say that it was seeded from.

    Args:
        parties: tells what the sets declare; ``None`` if there are none.
        registry: knows what records were written with.
    """

    def __init__(
        self, parties: Callable[[], Awaitable[Parties | None]], registry: Registry
    ) -> None:
        self._parties = parties
        self._registry = registry

    async def of_topic(
        self, topic: str
    ) -> Callable[[Collection[str], Record], Awaitable[str | None]] | None:
        """Return what tells why services cannot read a topic's record; ``None`` if all can.

        It takes the names that a group goes by, or what reads for it, and the record.
        """
        declared = await self._of(topic)
        return partial(self._refusal, declared) if any(declared.values()) else None

    async def _refusal(
        self,
        declared: Mapping[str, Sequence[FixtureReader]],
        services: Collection[str],
        record: Record,
    ) -> str | None:
        readers = {
            subject: [one for one in some if one.service in services]
            for subject, some in declared.items()
        }
        if not any(readers.values()) or record.value is None:
            return None
        framing, _ = framings_of(record.headers, partial(id_of_guid, self._registry))
        value = framing + record.value
        schema_id = framed_id(value)
        if schema_id is None:
            return "the value does not begin with the id of a schema, and no header names one"
        try:
            writer = await self._registry.parsed(schema_id)
            subjects = self._registry.subjects_of_id(schema_id)
        except RegistryError:
            return f"the value names schema {schema_id}, which the registry does not have"
        except MissingExtraError:
            return None
        try:
            writer.decode(value[HEADER_SIZE:])
        except SchemaDataError as error:
            return f"the value does not fit schema {schema_id}: {error}"
        concerned = [one for subject in subjects for one in readers.get(subject, ())]
        return next(_reasons(concerned, writer), None)

    async def _of(self, topic: str) -> dict[str, tuple[FixtureReader, ...]]:
        """Return what is declared for the values of a topic, by subject."""
        parties = await self._parties()
        if parties is None:
            return {}
        told = parties.topics.get(topic, TopicParties(name=topic))
        names = {*told.subjects, f"{topic}-value"} - {told.formats[0]}
        subjects = parties.subjects
        return {name: subjects[name].readers for name in names if name in subjects}


def _reasons(readers: Iterable[FixtureReader], writer: ParsedSchema) -> Iterator[str]:
    for reader in readers:
        try:
            parsed = language(writer.schema_type).parse(reader.text, (), STORED)
        except (SchemaError, MissingExtraError):
            # It builds on schemas that are not noted, or was too long to be noted.
            continue
        for reason in parsed.incompatibilities(writer):
            yield f"{reason.message} ({reader.display_file})"
