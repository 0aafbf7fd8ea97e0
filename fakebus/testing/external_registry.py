"""A schema registry that runs already, for the tests on its Kafka."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from fakebus.client.registry import RegistryClient, RegistryRefusalError
from fakebus.cluster.interface import NotOnThisCluster
from fakebus.fixture_files.model import FixtureSchema, FixtureSet
from fakebus.fixture_files.recording.reading import SourceSchema
from fakebus.schemas.framing import framed_id
from fakebus.testing.naming import Namespace, OwnNames, new_namespace
from fakebus.testing.typed import Schema, assert_compatible, coded, refused, schema_text

Ids = dict[tuple[str, int], int]


class ExternalRegistry:
    """Registry elsewhere, whose schemas code data; every call may take a request over the network.

    Args:
        url: where it is; empty if there is none.

    Raises:
        RegistryClientError: no registry answers there.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = RegistryClient(url) if url else None
        if self._client is not None:
            self._client.subjects(new_namespace().prefix)

    def url(self) -> str:
        """Return where it is; NotOnThisCluster if none was named."""
        self._known("schema_registry_url")
        return self._url

    def schema(self, schema_id: int, topic: str, is_key: bool) -> SourceSchema | None:
        """Return a schema by its id; ``None`` if it is not known, or there is no registry."""
        return None if self._client is None else self._client.schema(schema_id, topic, is_key)

    def prepare(self, topic: str, records: Iterable[tuple[bytes | None, bytes | None]]) -> None:
        """Look up the schemas of keys and values, so that decoding them does not wait."""
        for record in records:
            for data, is_key in zip(record, (True, False), strict=True):
                if (schema_id := framed_id(data)) is not None:
                    self.schema(schema_id, topic, is_key)

    def framed(self, subject: str, data: Any, schema: Schema | None, schema_type: str) -> bytes:
        """Return data coded with a subject's schema, in Confluent's framing.

        Args:
            subject: whose latest version is used.
            data: what the schema describes.
            schema: registered first, if given.
            schema_type: of ``schema``.

        Raises:
            AssertionError: the subject is unknown, the schema is refused, or the data does not
                fit.
            NotOnThisCluster: no registry was named.
        """
        client = self._known("publish_event")
        try:
            if schema is not None:
                client.post_schema(subject, _body(schema, schema_type))
            found = client.version(subject, "latest")
        except RegistryRefusalError as error:
            raise refused(subject, str(error)) from None
        if found is None:
            raise refused(subject, "its latest schema cannot be read here")
        return coded(subject, found, data)

    def check_compatible(self, subject: str, schema: Schema, schema_type: str) -> None:
        """Make sure that a schema could be registered as the next version of a subject.

        Raises:
            AssertionError: it could not; the message gives every reason.
            NotOnThisCluster: no registry was named.
        """
        client = self._known("assert_schema_compatible")
        try:
            reasons = client.check(subject, _body(schema, schema_type))
            level = client.level(subject)
        except RegistryRefusalError as error:
            raise refused(subject, str(error)) from None
        assert_compatible(subject, level, reasons)

    def register(self, loaded: FixtureSet, named: FixtureSet) -> Ids:
        """Register the schemas of a set and return their ids.

        Args:
            loaded: the set as its files have it.
            named: the same with the names of this test.

        Raises:
            NotOnThisCluster: it has schemas, and no registry was named.
            FixtureError: the registry refuses one.
        """
        if not loaded.schemas:
            return {}
        client = self._known(f"{loaded.root} has schemas, and seeding it")
        return {
            (mine.subject, mine.version): client.register(theirs)
            for mine, theirs in zip(loaded.schemas, named.schemas, strict=True)
        }

    def ids(self, schemas: Sequence[FixtureSchema], namespace: Namespace) -> Ids:
        """Return the ids of schemas under a test's own subjects, where they are deleted with it.

        Raises:
            NotOnThisCluster: there are some, and no registry was named.
            FixtureError: the registry refuses one.
        """
        if not schemas:
            return {}
        client, real = self._known("a shared event with a schema"), namespace.real
        return {
            (each.subject, each.version): client.register(
                replace(
                    each,
                    subject=real(each.subject),
                    references=tuple((n, real(of), at) for n, of, at in each.references),
                )
            )
            for each in schemas
        }

    def subjects(self, prefix: str) -> list[str]:
        """Return the subjects that begin with a prefix; none if there is no registry."""
        return [] if self._client is None else self._client.subjects(prefix)

    def delete(self, own: OwnNames) -> None:
        """Delete the subjects of a test."""
        for subject in filter(own.subject, self.subjects(own.namespace.prefix)):
            self._known("deleting").delete(subject)

    def _known(self, what: str) -> RegistryClient:
        if self._client is None:
            raise NotOnThisCluster(
                f"{what} needs a registry: name it with --fakebus-registry URL, or skip the test "
                'without one by @pytest.mark.fakebus(needs="registry")'
            )
        return self._client


def _body(schema: Schema, schema_type: str) -> dict[str, Any]:
    return {"schema": schema_text(schema), "schemaType": schema_type}
