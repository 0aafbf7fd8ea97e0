"""Reading a schema registry, fakebus's or any other, and registering what a set needs."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from http.client import HTTPException
from typing import Any, ParamSpec, Protocol, TypeVar

from fakebus.addresses import Address, http_url
from fakebus.client.bus_http import reason_of
from fakebus.client.connection import ClientError, Connection
from fakebus.errors import FakebusError
from fakebus.fixture_files.model import FixtureSchema
from fakebus.fixture_files.recording.reading import SourceSchema, resolved_references
from fakebus.fixture_files.seeding.subject_seeding import refusal
from fakebus.registry.sources import best_subject
from fakebus.schemas.interface import STORED, SchemaError
from fakebus.schemas.languages import language

Given = ParamSpec("Given")
Result = TypeVar("Result")

_TIMEOUT_S = 30.0
_MOST_GUIDS = 1000
"""Guids whose ids are remembered; records may name any."""
_MAX_ANSWER_BYTES = 64 << 20
_HTTP_PORT = 80
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - a look-up
_CONFIG = "fakebus.registry.url"
_CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"


class RegistryClientError(FakebusError):
    """Error: the registry cannot be reached, is none, or says no."""


class RegistryRefusalError(RegistryClientError):
    """Refusal: the registry answered with an error.

    Args:
        status: HTTP's number.
        message: what the registry says.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def _understood(read: Callable[Given, Result]) -> Callable[Given, Result]:
    """Return a method that tells an answer that no registry gives."""

    @wraps(read)
    def method(*given: Given.args, **named: Given.kwargs) -> Result:
        try:
            return read(*given, **named)
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise RegistryClientError(
                f"the answer is not that of a schema registry ({type(error).__name__}: {error}); "
                "look at its address"
            ) from error

    return method


class SchemaText(Protocol):
    """Schema as a registry takes it."""

    @property
    def text(self) -> str:
        """The schema itself."""

    @property
    def schema_type(self) -> str:
        """``AVRO``, ``JSON`` or ``PROTOBUF``."""

    @property
    def references(self) -> tuple[tuple[str, str, int], ...]:
        """Name, subject and version of what it builds on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaDetails:
    """Version of a subject."""

    subject: str
    version: int
    schema_id: int
    schema_type: str
    """``AVRO``, ``JSON`` or ``PROTOBUF``."""
    text: str
    references: tuple[tuple[str, str, int], ...] = ()
    """Name, subject and version of what it builds on."""


class RegistryClient:
    """Client of a schema registry.

    Args:
        url: where it is; a user and password in it are sent.
    """

    def __init__(self, url: str) -> None:
        parts = http_url(url)
        if parts is None:
            raise RegistryClientError(
                f"{url!r} is not the URL of a registry: write http://HOST:PORT"
            )
        host = parts.netloc.rpartition("@")[2]
        self.url = urllib.parse.urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
        self._headers = {"Accept": f"{_CONTENT_TYPE}, application/json"}
        if parts.username is not None:
            user = urllib.parse.unquote(f"{parts.username}:{parts.password or ''}").encode()
            self._headers["Authorization"] = f"Basic {base64.b64encode(user).decode()}"
        self._schemas: dict[tuple[int, str, bool], SourceSchema | None] = {}
        self._ids: dict[str, int | None] = {}
        """By guid."""

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Return the answer to one request.

        Raises:
            RegistryRefusalError: the registry says no.
            RegistryClientError: it cannot be reached, or is no registry.
        """
        data = None if body is None else json.dumps(body).encode()
        headers = self._headers | ({} if body is None else {"Content-Type": _CONTENT_TYPE})
        request = urllib.request.Request(  # noqa: S310 - the scheme was looked at
            self.url + path, data, headers, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
                return json.loads(answer.read(_MAX_ANSWER_BYTES))
        except urllib.error.HTTPError as error:
            with error:
                told = _message(error)
            raise RegistryRefusalError(error.code, told) from None
        except (OSError, ValueError, RecursionError, HTTPException) as error:
            raise RegistryClientError(
                f"no schema registry answers at {self.url}: {reason_of(error)}; is it running?"
            ) from None

    def _known(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Return the answer to a request; ``None`` if the registry knows no such thing."""
        try:
            return self.request(method, path, body)
        except RegistryRefusalError as error:
            if error.status == 404:
                return None
            raise

    def schema(self, schema_id: int, topic: str, is_key: bool) -> SourceSchema | None:
        """Return a schema by its id, under the subject that it has for a topic.

        ``None`` if the registry does not know the id, or the schema cannot be parsed.
        """
        key = (schema_id, topic, is_key)
        if key not in self._schemas:
            self._schemas[key] = self._find(schema_id, topic, is_key)
        return self._schemas[key]

    def known(self, schema_id: int, topic: str, is_key: bool) -> SourceSchema | None:
        """Return what :meth:`schema` has found before, without asking for it."""
        return self._schemas.get((schema_id, topic, is_key))

    def id_of_guid(self, guid: str) -> int | None:
        """Return an id of the schema with a guid, ``None`` if the registry knows none."""
        if guid not in self._ids:
            if len(self._ids) >= _MOST_GUIDS:
                self._ids.clear()
            self._ids[guid] = self._find_id(guid)
        return self._ids[guid]

    @_understood
    def _find_id(self, guid: str) -> int | None:
        found = self._known("GET", f"/schemas/guids/{guid}/ids")
        return int(found[0]["id"]) if found else None

    @_understood
    def _find(self, schema_id: int, topic: str, is_key: bool) -> SourceSchema | None:
        versions = self._known("GET", f"/schemas/ids/{schema_id}/versions")
        held = ((each["subject"], each["version"]) for each in versions or ())
        best = best_subject(held, topic, is_key)
        return None if best is None else self.version(*best)

    @_understood
    def versions(self, subject: str) -> list[int]:
        """Return the versions of a subject, oldest first; none if there is no such subject."""
        numbers = self._known("GET", f"/subjects/{self.quoted(subject)}/versions")
        return list(map(int, numbers or ()))

    @_understood
    def level(self, subject: str | None) -> str:
        """Return the compatibility level that holds for a subject, or for all without one."""
        found = self.request("GET", f"{self._config_path(subject)}?defaultToGlobal=true")
        return str(found["compatibilityLevel"])

    def set_level(self, subject: str | None, level: str | None) -> None:
        """Set the level of a subject, or of all without one; ``None`` takes it back."""
        path = self._config_path(subject)
        if level is None:
            self.request("DELETE", path)
        else:
            self.request("PUT", path, {"compatibility": level})

    def _config_path(self, subject: str | None) -> str:
        return "/config" if subject is None else f"/config/{self.quoted(subject)}"

    def register(self, schema: FixtureSchema) -> int:
        """Register a version of a subject, under the level and the id that the set asks for.

        Returns:
            Its id.

        Raises:
            FixtureError: the registry refuses it.
        """
        try:
            return self._register(schema)
        except RegistryRefusalError as error:
            raise refusal(schema, f"the registry at {self.url}", str(error)) from error

    def _register(self, schema: FixtureSchema) -> int:
        subject = self.quoted(schema.subject)
        body = registration(schema)
        if schema.compatibility is not None:
            self.set_level(schema.subject, schema.compatibility)
        if schema.pinned_id is None:
            return self.post_schema(schema.subject, body)
        if self.lookup(schema) == schema.pinned_id:
            return schema.pinned_id
        self.request("PUT", f"/mode/{subject}?force=true", {"mode": "IMPORT"})
        try:
            return self.post_schema(schema.subject, {**body, "id": schema.pinned_id})
        finally:
            self.request("DELETE", f"/mode/{subject}")

    @_understood
    def post_schema(self, subject: str, body: Mapping[str, Any]) -> int:
        """Register a schema under a subject and return its id.

        Args:
            subject: its name.
            body: the request as the registry takes it.
        """
        quoted = self.quoted(subject)
        return int(self.request("POST", f"/subjects/{quoted}/versions", body)["id"])

    @_understood
    def check(self, subject: str, body: Mapping[str, Any]) -> list[str]:
        """Return why a schema may not be a subject's next version; empty if it may."""
        quoted = self.quoted(subject)
        path = f"/compatibility/subjects/{quoted}/versions?verbose=true"
        found = self.request("POST", path, body)
        if found["is_compatible"]:
            return []
        return [str(each) for each in found.get("messages") or ["the registry gives no reason"]]

    @staticmethod
    def quoted(name: str) -> str:
        """Return a subject's name as it stands in paths."""
        return urllib.parse.quote(name, safe="")

    @_understood
    def subjects(self, prefix: str) -> list[str]:
        """Return the subjects whose names begin so."""
        quoted = self.quoted(prefix)
        names: list[str] = self.request("GET", f"/subjects?subjectPrefix={quoted}")
        return [name for name in names if name.startswith(prefix)]

    def delete(self, subject: str, *, for_good: bool = True) -> None:
        """Delete all versions of a subject; their ids stay known unless it is for good."""
        quoted = self.quoted(subject)
        self.request("DELETE", f"/subjects/{quoted}")
        if for_good:
            self.request("DELETE", f"/subjects/{quoted}?permanent=true")

    @_understood
    def lookup(self, schema: FixtureSchema) -> int | None:
        """Return the id that the registry has given to a schema under its subject."""
        path = f"/subjects/{self.quoted(schema.subject)}"
        found = self._known("POST", path, registration(schema))
        return None if found is None else int(found["id"])

    @_understood
    def details(self, subject: str, version: int | str) -> SchemaDetails:
        """Return one version of a subject as the registry tells it."""
        quoted = self.quoted(subject)
        found = self.request("GET", f"/subjects/{quoted}/versions/{version}")
        return SchemaDetails(
            subject=found["subject"],
            version=int(found["version"]),
            schema_id=int(found["id"]),
            schema_type=found.get("schemaType", "AVRO"),
            text=found["schema"],
            references=tuple(
                (each["name"], each["subject"], each["version"])
                for each in found.get("references") or ()
            ),
        )

    def schema_type_of(self, subject: str) -> str | None:
        """Return the type of the newest schema of a subject; ``None`` if there is no such one."""
        versions = self.versions(subject)
        return self.details(subject, versions[-1]).schema_type if versions else None

    @_understood
    def version(self, subject: str, version: int | str) -> SourceSchema | None:
        """Return one version of a subject; ``None`` if it cannot be parsed here."""
        found = self.details(subject, version)
        dependencies = []
        for _, of, at in found.references:
            dependency = self.version(of, at)
            if dependency is None:
                return None
            dependencies.append(dependency)
        resolved = resolved_references(found.references, dependencies)
        try:
            parsed = language(found.schema_type).parse(found.text, tuple(resolved.values()), STORED)
        except SchemaError:
            return None
        return SourceSchema(
            schema_id=found.schema_id,
            subject=found.subject,
            version=found.version,
            schema_type=found.schema_type,
            text=found.text,
            references=found.references,
            parsed=parsed,
            dependencies=tuple(dependencies),
        )


def registry_url(connection: Connection) -> str | None:
    """Return where the registry of a fakebus is; ``None`` for other clusters."""
    from confluent_kafka.admin import (  # type: ignore[attr-defined]
        ConfigResource,
        ResourceType,
    )

    resource = ConfigResource(ResourceType.BROKER, str(min(connection.metadata.brokers, default=0)))
    future = connection.admin.describe_configs([resource])[resource]
    try:
        found = connection.result(future, "the broker's configs").get(_CONFIG)
    except ClientError:  # others do not let everybody read them
        return None
    parts = http_url(found.value or "") if found is not None else None
    if parts is None:
        return None
    if parts.hostname in _EVERYWHERE:
        # It listens on all addresses, so also on the one by which Kafka was reached.
        host = Address(connection.servers[0].host, parts.port or _HTTP_PORT)
        parts = parts._replace(netloc=str(host))
    return str(urllib.parse.urlunsplit(parts))


def registration(schema: SchemaText) -> dict[str, Any]:
    """Return the body of the request that registers a schema, or looks it up."""
    return {
        "schema": schema.text,
        "schemaType": schema.schema_type,
        "references": [
            {"name": name, "subject": of, "version": version}
            for name, of, version in schema.references
        ],
    }


def _message(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read(_MAX_ANSWER_BYTES))["message"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return f"HTTP {error.code} {error.reason}"
