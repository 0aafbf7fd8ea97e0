"""The schema registry's core: what its HTTP routes, fixtures and tests build on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fakebus.broker.broker import Broker
from fakebus.registry.model import RegisteredSchema, SchemaRequest
from fakebus.schemas.interface import ParsedSchema


@dataclass(frozen=True, slots=True)
class RegistryMark:
    """Where the registry stood."""


class Registry:
    """A schema registry over a broker's ``_schemas`` topic.

    Args:
        broker: whose log holds the registry.
        default_compatibility: the level where none is configured.
        strict: refuse what only the newest Confluent registries refuse.
    """

    def __init__(
        self, broker: Broker, *, default_compatibility: str = "BACKWARD", strict: bool = False
    ) -> None:
        self.broker = broker

    async def start(self) -> None:
        """Replay the log, and follow it from then on."""

    async def close(self) -> None:
        """Stop following the log."""

    async def register(
        self,
        subject: str,
        request: SchemaRequest,
        *,
        normalize: bool = False,
        output_format: str = "",
    ) -> RegisteredSchema:
        """Register a schema under a subject."""
        raise NotImplementedError

    async def look_up(
        self,
        subject: str,
        request: SchemaRequest,
        *,
        normalize: bool = False,
        deleted: bool = False,
    ) -> RegisteredSchema:
        """Return the version under which a schema is registered."""
        raise NotImplementedError

    def subjects(
        self, *, prefix: str = ":*:", deleted: bool = False, deleted_only: bool = False
    ) -> list[str]:
        """Return the names of subjects."""
        raise NotImplementedError

    def versions(
        self,
        subject: str,
        *,
        deleted: bool = False,
        deleted_only: bool = False,
        negative: bool = False,
    ) -> list[int]:
        """Return a subject's versions."""
        raise NotImplementedError

    def version(
        self, subject: str, version: int | str, *, deleted: bool = False
    ) -> RegisteredSchema:
        """Return one version of a subject."""
        raise NotImplementedError

    def latest_with_metadata(
        self, subject: str, pairs: Mapping[str, str], *, deleted: bool = False
    ) -> RegisteredSchema:
        """Return the latest version that has all these metadata properties."""
        raise NotImplementedError

    def schema_by_id(self, schema_id: int, *, subject: str = "") -> RegisteredSchema:
        """Return a schema by its id; the subject only says in which context to look."""
        raise NotImplementedError

    def max_id(self, *, subject: str = "") -> int:
        """Return the highest id of a context."""
        raise NotImplementedError

    def subjects_of_id(
        self, schema_id: int, *, subject: str = "", deleted: bool = False
    ) -> list[str]:
        """Return the subjects of a schema."""
        raise NotImplementedError

    def versions_of_id(
        self, schema_id: int, *, subject: str = "", deleted: bool = False
    ) -> list[tuple[str, int]]:
        """Return the subjects and versions of a schema."""
        raise NotImplementedError

    def schema_by_guid(self, guid: str) -> RegisteredSchema:
        """Return a schema by its guid."""
        raise NotImplementedError

    def ids_of_guid(self, guid: str) -> list[tuple[str, int]]:
        """Return the contexts and ids of a schema."""
        raise NotImplementedError

    def schemas(
        self, *, prefix: str = ":*:", deleted: bool = False, latest_only: bool = False
    ) -> list[RegisteredSchema]:
        """Return the schemas of all subjects with a prefix."""
        raise NotImplementedError

    def referenced_by(self, subject: str, version: int | str) -> list[int]:
        """Return the ids of the schemas that refer to a version."""
        raise NotImplementedError

    async def delete_subject(self, subject: str, *, permanent: bool = False) -> list[int]:
        """Delete a subject and return the versions that are gone."""
        raise NotImplementedError

    async def delete_version(
        self, subject: str, version: int | str, *, permanent: bool = False
    ) -> int:
        """Delete one version and return it."""
        raise NotImplementedError

    async def check_compatibility(
        self,
        subject: str,
        version: int | str | None,
        request: SchemaRequest,
        *,
        normalize: bool = False,
    ) -> list[str]:
        """Return why a schema does not fit; empty if it does."""
        raise NotImplementedError

    def config(self, subject: str | None, *, default_to_global: bool = False) -> dict[str, object]:
        """Return a config: of a subject, or the global one."""
        raise NotImplementedError

    async def set_config(
        self, subject: str | None, changes: Mapping[str, object]
    ) -> dict[str, object]:
        """Change a config and return it."""
        raise NotImplementedError

    async def delete_config(self, subject: str | None) -> dict[str, object]:
        """Delete a config and return what it was."""
        raise NotImplementedError

    def mode(self, subject: str | None, *, default_to_global: bool = False) -> str:
        """Return a mode: of a subject, or the global one."""
        raise NotImplementedError

    async def set_mode(self, subject: str | None, mode: str, *, force: bool = False) -> str:
        """Change a mode and return it."""
        raise NotImplementedError

    async def delete_mode(self, subject: str | None, *, recursive: bool = False) -> str:
        """Delete a mode and return what it was."""
        raise NotImplementedError

    def contexts(self) -> list[str]:
        """Return the names of the contexts."""
        raise NotImplementedError

    async def delete_context(self, context: str) -> None:
        """Delete an empty context."""
        raise NotImplementedError

    async def formatted(self, schema: RegisteredSchema, output_format: str) -> str:
        """Return a schema's text in another form."""
        raise NotImplementedError

    async def parsed(self, schema_id: int, *, subject: str = "") -> ParsedSchema:
        """Return a parsed schema, to code data with."""
        raise NotImplementedError

    def mark(self) -> RegistryMark:
        """Return where everything stands."""
        raise NotImplementedError

    async def roll_back(self, mark: RegistryMark) -> None:
        """Go back to a mark; ids handed out since are never given to other schemas."""
        raise NotImplementedError
