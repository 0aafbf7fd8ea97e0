"""Landscapes of a cluster that changes while it is looked at."""

from __future__ import annotations

from typing import Any, cast

from fakebus.catalogue.of_cluster import _live, subjects_of
from fakebus.cluster.interface import Cluster, NotFoundError, SchemaDetails, Schemas
from fakebus.fixture_files.parties import Parties

GONE = "gone"


class ChangingSchemas:
    """Registry of which a subject is deleted after it was listed."""

    async def subjects(self) -> list[str]:
        return [GONE, "orders-value"]

    async def versions(self, subject: str) -> list[int]:
        if subject == GONE:
            raise NotFoundError("there is no such subject")
        return [1]

    async def version(self, subject: str, version: int) -> SchemaDetails:
        return SchemaDetails(
            subject=subject,
            version=version,
            schema_id=1,
            schema_type="AVRO",
            text='"string"',
            references=(),
        )

    async def level(self, subject: str) -> str:
        return "BACKWARD"


class ChangingCluster:
    """Cluster of which a group is deleted after it was listed."""

    is_external = False

    async def groups(self) -> list[Any]:
        class Listed:
            name = GONE

        return [Listed()]

    async def group(self, name: str) -> Any:
        raise NotFoundError(f"there is no group {name}")


async def test_a_subject_that_is_deleted_meanwhile_is_left_out() -> None:
    found = await subjects_of(cast(Schemas, ChangingSchemas()), Parties())
    assert list(found) == ["orders-value"]


async def test_a_group_that_is_deleted_meanwhile_is_left_out() -> None:
    assert await _live(cast(Cluster, ChangingCluster()), (), 30) == []
