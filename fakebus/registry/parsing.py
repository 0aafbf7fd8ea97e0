"""Parse schema texts, each once, without holding up the event loop."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache, partial
from typing import TypeVar

from fakebus.errors import MissingExtraError
from fakebus.registry.errors import (
    RegistryError,
    invalid_schema,
    operation_timed_out,
    schema_too_large,
)
from fakebus.registry.workers import GivenUpError, Workers
from fakebus.schemas.interface import (
    NEW,
    Checks,
    ParsedSchema,
    ResolvedReference,
    SchemaError,
)
from fakebus.schemas.languages import LANGUAGES, SCHEMA_TYPES, language

MAX_SCHEMA_BYTES = 1_000_000
"""What fits into a record of Kafka's default size, with its key and references."""

_INLINE_CHARACTERS = {"AVRO": 8 * 1024}
"""Up to here, changing threads takes longer than the work. In the other languages a short text
may take long, or has to wait for protoc."""

_CACHED_CHARACTERS = 32 * 1024 * 1024

Result = TypeVar("Result")
_Key = tuple[str, str, tuple[ResolvedReference, ...], Checks]


class SchemaParser:
    """Parser of schemas, which remembers what was used last."""

    def __init__(self) -> None:
        self._cache: OrderedDict[_Key, ParsedSchema] = OrderedDict()
        self._cached_characters = 0
        self._workers = Workers()
        self._loading: dict[str, asyncio.Task[None]] = {}

    def close(self) -> None:
        """Give up what is being parsed and compared."""
        self._workers.close()

    async def parse(
        self,
        schema_type: str,
        text: str,
        references: tuple[ResolvedReference, ...] = (),
        checks: Checks = NEW,
    ) -> ParsedSchema:
        """Return the schema of a text.

        Raises:
            RegistryError: 42201, it is not valid; 42209, it is too large.
        """
        key = schema_type, text, references, checks
        found = self._cache.get(key)
        if found is not None:
            self._cache.move_to_end(key)
            return found
        self._check(schema_type, text)
        size = len(text) + sum(len(one.text) for one in references)
        await self._load(schema_type)
        work = partial(_parse, schema_type, text, references, checks)
        parsed = await self.run(work, schema_type, size)
        self._remember(key, parsed)
        return parsed

    async def _load(self, schema_type: str) -> None:
        """Import what a language needs, which takes up to a second and must not be interrupted."""
        task = self._loading.get(schema_type)
        if task is None:
            task = asyncio.ensure_future(asyncio.to_thread(_load, schema_type))
            self._loading[schema_type] = task
        if not task.done():
            await asyncio.shield(task)

    def _check(self, schema_type: str, text: str) -> None:
        if schema_type not in SCHEMA_TYPES:
            raise invalid_schema(f"Invalid schema type {schema_type}")
        try:
            # Characters are never more than bytes, so that the first look is quick.
            too_large = len(text) > MAX_SCHEMA_BYTES or len(text.encode()) > MAX_SCHEMA_BYTES
        except UnicodeEncodeError as error:
            raise _invalid(schema_type, f"it holds half a character: {error}") from error
        if too_large:
            raise schema_too_large(len(text), MAX_SCHEMA_BYTES)

    async def run(self, work: Callable[[], Result], schema_type: str, size: int) -> Result:
        """Return the result of work that needs nothing but time.

        Args:
            work: what to do; in a thread if it may take long.
            schema_type: of the schemas that are worked on.
            size: of their texts together.

        Raises:
            RegistryError: 50002, it takes too long.
        """
        if size <= _INLINE_CHARACTERS.get(schema_type, -1):
            return work()
        try:
            return await self._workers.run(work)
        except GivenUpError:
            raise operation_timed_out() from None

    def _remember(self, key: _Key, parsed: ParsedSchema) -> None:
        if key in self._cache:
            # Somebody else has parsed the same meanwhile.
            return
        self._cache[key] = parsed
        self._cached_characters += len(key[1])
        while self._cached_characters > _CACHED_CHARACTERS:
            (_, text, _, _), _ = self._cache.popitem(last=False)
            self._cached_characters -= len(text)


@lru_cache(maxsize=1024)
def name_of(schema_type: str, text: str) -> str | None:
    """Return the name of a schema without parsing it all, for those who cannot wait.

    Raises:
        RegistryError: 42201, it was stored by others and is not valid.
    """
    try:
        return language(schema_type).name_of(text)
    except (KeyError, SchemaError, MissingExtraError) as error:
        raise _invalid(schema_type, str(error)) from error


def _load(schema_type: str) -> None:
    # What is wrong with the language, such as a library that is missing, its first schema tells.
    with suppress(SchemaError, MissingExtraError):
        parsed = language(schema_type).parse(LANGUAGES[schema_type].smallest)
        # What is imported late is imported now: an interruption would leave its lock taken.
        parsed.incompatibilities(parsed)


def _parse(
    schema_type: str, text: str, references: tuple[ResolvedReference, ...], checks: Checks
) -> ParsedSchema:
    try:
        parsed = language(schema_type).parse(text, references, checks)
        # Some languages work these out only now, and they may fail like the parser.
        _ = parsed.canonical, parsed.normalized
    except (SchemaError, MissingExtraError) as error:
        raise _invalid(schema_type, str(error)) from error
    except RecursionError:
        raise _invalid(schema_type, "it is nested too deeply") from None
    return parsed


def _invalid(schema_type: str, reason: str) -> RegistryError:
    return invalid_schema(f"Invalid schema of type {schema_type}, details: {reason}")
