"""Objects of ``fakebus.yaml`` that flows follow: what services and what ids are known by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fakebus.errors import ConfigError
from fakebus.fixture_files.problems import DataError
from fakebus.fixture_files.structure.declarations import Model, declared
from fakebus.fixture_files.structure.event_models import TEXTS
from fakebus.fixture_files.structure.kinds import choice, object_of, several, text
from fakebus.lineage.header_rules import (
    CODINGS,
    FIELD_KINDS,
    KINDS,
    FieldRule,
    HeaderRule,
    field_search,
)
from fakebus.lineage.services import PATTERNS, ServiceRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Service(Model):
    """A service, and what its clients are known by."""

    WHAT: ClassVar[str] = "a service"

    name: str = ""
    client_ids: tuple[str, ...] = declared(TEXTS, default=())
    groups: tuple[str, ...] = declared(TEXTS, default=())
    addresses: tuple[str, ...] = declared(TEXTS, default=())
    commands: tuple[str, ...] = declared(TEXTS, default=())

    @property
    def rule(self) -> ServiceRule:
        """The rule that its clients are found by."""
        return ServiceRule(self.name, **{name: getattr(self, name) for name in PATTERNS})


_KIND = "there is no kind {} of ids"
_CODING = choice(tuple(CODINGS), "there is no coding {} of ids")


def _path(text: str) -> str:
    try:
        field_search(text)
    except ConfigError as error:
        raise DataError(str(error), "write a path such as  order.id") from None
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class IdHeader(Model):
    """A header that has an id of its record, or of what the record belongs to."""

    WHAT: ClassVar[str] = "a header with an id"
    HINT: ClassVar[str] = "write  - {name: x-order-id, kind: correlation}"
    KEY: ClassVar[str] = "name"

    name: str = declared(text(), required=True)
    kind: str = declared(choice(KINDS, _KIND), required=True)
    coding: str = declared(_CODING, default="text")

    @property
    def rule(self) -> HeaderRule:
        """The rule that its ids are found by."""
        return HeaderRule(self.name, self.kind, self.coding)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdField(Model):
    """A field of values that has such an id."""

    WHAT: ClassVar[str] = "a field with an id"
    HINT: ClassVar[str] = "write  - {path: order.id, kind: correlation}"
    KEY: ClassVar[str] = "path"

    path: str = declared(text(_path), required=True)
    kind: str = declared(choice(FIELD_KINDS, _KIND), required=True)
    coding: str = declared(_CODING, default="text")
    topic: str = declared(text(), default="*")

    @property
    def rule(self) -> FieldRule:
        """The rule that its ids are found by."""
        return FieldRule(self.path, self.kind, self.coding, self.topic)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageModel(Model):
    """Places of ids in records, besides those that are known anyway."""

    WHAT: ClassVar[str] = "lineage"

    headers: tuple[IdHeader, ...] = declared(several(object_of(IdHeader, "idHeader")), default=())
    fields: tuple[IdField, ...] = declared(several(object_of(IdField, "idField")), default=())


NO_LINEAGE = LineageModel()
