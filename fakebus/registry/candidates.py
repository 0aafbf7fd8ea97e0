"""Schemas of requests: completed from the config, and told from what is registered."""

from __future__ import annotations

from typing import NamedTuple

from fakebus.registry.identity import Identity, identity
from fakebus.registry.metadata import (
    VERSION_PROPERTY,
    canonical_metadata,
    canonical_rules,
    merged_metadata,
    merged_rules,
    properties_of,
    with_version,
    without_version,
)
from fakebus.registry.model import JsonObject, Reference, RegisteredSchema, SchemaRequest
from fakebus.schemas.interface import ParsedSchema

Config = dict[str, object]


class Candidate(NamedTuple):
    """A schema of a request, complete and in canonical form."""

    parsed: ParsedSchema
    schema_type: str
    text: str
    references: tuple[Reference, ...]
    metadata: Config | None
    rule_set: Config | None

    @property
    def identity(self) -> Identity:
        """What the same id is given for."""
        return identity(self.schema_type, self.text, self.references, self.metadata, self.rule_set)

    def is_like(self, schema: RegisteredSchema, parsed: ParsedSchema) -> bool:
        """Return whether the schema is the same but for the version in its metadata.

        Args:
            schema: what is registered.
            parsed: the same, for what is stored may be written in another way.
        """
        mine: JsonObject | None = self.metadata
        other = schema.metadata
        if VERSION_PROPERTY not in properties_of(mine):
            other = without_version(other)
        elif VERSION_PROPERTY not in properties_of(other):
            if properties_of(mine)[VERSION_PROPERTY] != str(schema.version):
                return False
            mine = without_version(mine)
        return (
            self.parsed.identity == parsed.identity
            and (mine or None) == (other or None)
            and self.rule_set == schema.rule_set
        )

    def may_be_like(self, schema: RegisteredSchema) -> bool:
        """Return whether it is worth a look at what the schema says.

        One without references may be another with all of them written out.
        """
        return self.schema_type == schema.schema_type and (
            not self.references or self.references == schema.references
        )


def completed(
    request: SchemaRequest, config: Config, latest: RegisteredSchema | None, version: int | None
) -> SchemaRequest:
    """Return a request with what the latest version and the config add to it."""
    if not request.schema.strip() and latest is not None:
        request = request._replace(
            schema=latest.schema,
            schema_type=latest.schema_type,
            references=latest.references,
        )
    metadata, rule_set = request.metadata, request.rule_set
    if latest is not None:
        metadata = latest.metadata if metadata is None else metadata
        rule_set = latest.rule_set if rule_set is None else rule_set
    own_metadata, own_rules = canonical_metadata(metadata), canonical_rules(rule_set)
    complete = merged_metadata(
        merged_metadata(_part(config, "defaultMetadata"), own_metadata),
        _part(config, "overrideMetadata"),
    )
    rules = merged_rules(
        merged_rules(canonical_rules(_part(config, "defaultRuleSet")), own_rules),
        canonical_rules(_part(config, "overrideRuleSet")),
    )
    if version is not None:
        complete = with_version(complete, version)
    return request._replace(metadata=complete, rule_set=rules)


def _part(config: Config, name: str) -> Config | None:
    found = config.get(name)
    return found if isinstance(found, dict) else None
