"""/, /v1/metadata and the names under which others' health checks ask."""

from __future__ import annotations

from fakebus import __version__
from fakebus.web.registry.parameters import Call

COMPATIBLE_VERSION = "8.1.0"
"""The Confluent Platform whose interface is served."""


async def root(call: Call) -> object:
    """Answer an empty object, which clients check for."""
    return {}


async def read_id(call: Call) -> object:
    """Read the cluster's id."""
    clusters = {
        "kafka-cluster": call.cluster_id,
        "schema-registry-cluster": "schema-registry",
    }
    return {"scope": {"path": [], "clusters": clusters}, "id": ""}


async def read_version(call: Call) -> object:
    """Read the version."""
    return {"version": COMPATIBLE_VERSION, "commitId": f"fakebus-{__version__}"}


async def read_deployment(call: Call) -> object:
    """Read what is said of how the registry is deployed: nothing."""
    return {"attributes": []}


async def health(call: Call) -> object:
    """Tell whether the registry lives, as Karapace does."""
    return {"healthy": True, "schema_registry_ready": True}


async def leader(call: Call) -> object:
    """Tell whether writes are taken, as Karapace does."""
    return {"master_available": True}
