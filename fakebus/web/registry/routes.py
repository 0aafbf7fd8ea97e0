"""Every route of the registry, in one table; the OpenAPI description must list the same.

All but a few also stand under ``/contexts/{context}``, for that context's subjects and ids.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from fakebus.servers import Bus
from fakebus.web.registry import (
    associations,
    compatibility,
    config,
    contexts,
    metadata,
    mode,
    openapi,
    schemas,
    subjects,
    versions,
)
from fakebus.web.registry.answers import answer_type, response
from fakebus.web.registry.parameters import Call

RegistryHandler = Callable[[Call], Awaitable[object]]

CONTEXT = "/contexts/{context}"


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path, and what answers them."""

    method: str
    path: str
    handler: RegistryHandler


_EVERYWHERE = (
    Route("GET", "/subjects", subjects.list_subjects),
    Route("POST", "/subjects/{subject}", subjects.look_up),
    Route("DELETE", "/subjects/{subject}", subjects.delete_subject),
    Route("GET", "/subjects/{subject}/metadata", subjects.find_by_metadata),
    Route("GET", "/subjects/{subject}/versions", versions.list_versions),
    Route("POST", "/subjects/{subject}/versions", versions.register),
    Route("GET", "/subjects/{subject}/versions/{version}", versions.read_version),
    Route("DELETE", "/subjects/{subject}/versions/{version}", versions.delete_version),
    Route("GET", "/subjects/{subject}/versions/{version}/schema", versions.read_schema),
    Route("GET", "/subjects/{subject}/versions/{version}/referencedby", versions.list_referencing),
    Route("GET", "/schemas/ids/{id}", schemas.read_by_id),
    Route("GET", "/schemas/ids/{id}/schema", schemas.read_text_by_id),
    Route("GET", "/schemas/ids/{id}/subjects", schemas.list_subjects_of_id),
    Route("GET", "/schemas/ids/{id}/versions", schemas.list_versions_of_id),
    Route("GET", "/schemas/guids/{guid}", schemas.read_by_guid),
    Route("GET", "/schemas/guids/{guid}/ids", schemas.list_ids_of_guid),
    Route("GET", "/schemas/types", schemas.list_types),
    Route("GET", "/schemas", schemas.list_schemas),
    Route("POST", "/compatibility/subjects/{subject}/versions", compatibility.check_subject),
    Route(
        "POST", "/compatibility/subjects/{subject}/versions/{version}", compatibility.check_version
    ),
    Route("GET", "/config", config.read_global),
    Route("PUT", "/config", config.write_global),
    Route("DELETE", "/config", config.delete_global),
    Route("GET", "/config/{subject}", config.read_subject),
    Route("PUT", "/config/{subject}", config.write_subject),
    Route("DELETE", "/config/{subject}", config.delete_subject),
    Route("GET", "/mode", mode.read_global),
    Route("PUT", "/mode", mode.write_global),
    Route("DELETE", "/mode", mode.delete_global),
    Route("GET", "/mode/{subject}", mode.read_subject),
    Route("PUT", "/mode/{subject}", mode.write_subject),
    Route("DELETE", "/mode/{subject}", mode.delete_subject),
    Route("GET", "/associations/subjects/{subject}", associations.list_associations),
    Route("GET", "/associations/resources/{resource}", associations.list_associations),
    Route("GET", "/associations/resources/{namespace}/{name}", associations.list_associations),
)

ROUTES = (
    Route("GET", "/", metadata.root),
    Route("POST", "/", metadata.root),
    *_EVERYWHERE,
    Route("GET", "/contexts", contexts.list_contexts),
    Route("DELETE", CONTEXT, contexts.delete_context),
    *(Route(route.method, CONTEXT + route.path, route.handler) for route in _EVERYWHERE),
    Route("GET", "/v1/metadata/id", metadata.read_id),
    Route("GET", "/v1/metadata/version", metadata.read_version),
    Route("GET", "/_health", metadata.health),
    Route("GET", "/master_available", metadata.leader),
    Route("GET", "/openapi.json", openapi.read_description),
)


def registry_routes(bus: Bus) -> list[web.RouteDef]:
    """Return the routes for an aiohttp application."""

    def serve(handler: RegistryHandler) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            # Before anything is written for a client that could not read the answer.
            content_type = answer_type(request.headers.get("Accept", ""))
            call = Call(bus.registry, request, cluster_id=bus.broker.cluster_id)
            return response(await handler(call), content_type)

        return answer

    add = {"GET": web.get, "POST": web.post, "PUT": web.put, "DELETE": web.delete}
    # aiohttp's own pattern for a part of a path takes no braces, which subjects may have.
    paths = {route.path: re.sub(r"\{(\w+)\}", r"{\1:[^/]+}", route.path) for route in ROUTES}
    return [add[route.method](paths[route.path], serve(route.handler)) for route in ROUTES]
