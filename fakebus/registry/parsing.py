"""Parse schema texts, each once, without holding up the event loop."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from fakebus.registry.errors import (
    RegistryError,
    invalid_schema,
    operation_timed_out,
    schema_too_large,
)
from fakebus.schemas.interface import (
    NEW,
    STORED,
    Checks,
    MissingExtraError,
    ParsedSchema,
    ResolvedReference,
    SchemaError,
)
from fakebus.schemas.languages import SCHEMA_TYPES, language

MAX_SCHEMA_BYTES = 1_000_000
"""What fits into a record of Kafka's default size, with its key and references."""

INLINE_CHARACTERS = 8 * 1024
"""Up to here, changing threads takes longer than the work."""

_CACHED_CHARACTERS = 32 * 1024 * 1024
TIMEOUT_SECONDS = 10.0

Result = TypeVar("Result")
_Key = tuple[str, str, tuple[ResolvedReference, ...], Checks]


class SchemaParser:
    """Parses, and remembers what was used last.

    Args:
        max_bytes: the longest text that is looked at.
    """

    def __init__(self, *, max_bytes: int = MAX_SCHEMA_BYTES) -> None:
        self._max_bytes = max_bytes
        self._cache: OrderedDict[_Key, ParsedSchema] = OrderedDict()
        self._cached_characters = 0
        self._threads: ThreadPoolExecutor | None = None
        self._loaded: set[str] = set()

    def close(self) -> None:
        """Let the worker threads end."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

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
        inline = size <= INLINE_CHARACTERS and schema_type in self._loaded
        parsed = await self.run(
            partial(_parse, schema_type, text, references, checks), inline=inline
        )
        self._loaded.add(schema_type)
        self._remember(key, parsed)
        return parsed

    def parse_now(
        self, schema_type: str, text: str, references: tuple[ResolvedReference, ...] = ()
    ) -> ParsedSchema:
        """Return the schema of a text that is registered; raises as :meth:`parse` does."""
        key = schema_type, text, references, STORED
        found = self._cache.get(key)
        if found is None:
            self._check(schema_type, text)
            found = _parse(schema_type, text, references, STORED)
            self._remember(key, found)
        return found

    def _check(self, schema_type: str, text: str) -> None:
        if schema_type not in SCHEMA_TYPES:
            raise invalid_schema(f"Invalid schema type {schema_type}")
        try:
            # Characters are never more than bytes, so that the first look is quick.
            too_large = len(text) > self._max_bytes or len(text.encode()) > self._max_bytes
        except UnicodeEncodeError as error:
            raise _invalid(schema_type, f"it holds half a character: {error}") from error
        if too_large:
            raise schema_too_large(len(text), self._max_bytes)

    async def run(self, work: Callable[[], Result], *, inline: bool) -> Result:
        """Return the result of work that needs nothing but time.

        Args:
            work: what to do.
            inline: whether it is done here and now rather than in a thread.

        Raises:
            RegistryError: 50002, it takes too long.
        """
        if inline:
            return work()
        if self._threads is None:
            self._threads = ThreadPoolExecutor(2, thread_name_prefix="fakebus-registry")
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            return await asyncio.wait_for(future, TIMEOUT_SECONDS)
        except TimeoutError:
            raise operation_timed_out(TIMEOUT_SECONDS) from None

    def _remember(self, key: _Key, parsed: ParsedSchema) -> None:
        self._cache[key] = parsed
        self._cached_characters += len(key[1])
        while self._cached_characters > _CACHED_CHARACTERS:
            (_, text, _, _), _ = self._cache.popitem(last=False)
            self._cached_characters -= len(text)


def _parse(
    schema_type: str, text: str, references: tuple[ResolvedReference, ...], checks: Checks
) -> ParsedSchema:
    try:
        parsed = language(schema_type).parse(text, references, checks)
        # Some languages work these out only now, and they may fail like the parser.
        if parsed.canonical and parsed.normalized:
            return parsed
    except (SchemaError, MissingExtraError) as error:
        raise _invalid(schema_type, str(error)) from error
    except RecursionError:
        raise _invalid(schema_type, "it is nested too deeply") from None
    raise _invalid(schema_type, "it is empty")


def _invalid(schema_type: str, reason: str) -> RegistryError:
    return invalid_schema(f"Invalid schema of type {schema_type}, details: {reason}")
