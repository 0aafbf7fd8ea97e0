"""/schemas: by id, by guid, all of them, and the languages there are."""

from __future__ import annotations

from fakebus.schemas.languages import SCHEMA_TYPES
from fakebus.web.registry.answers import Text, registered, schema_of_id
from fakebus.web.registry.parameters import Call

MAX_LISTED = 1000


async def read_by_id(call: Call) -> object:
    """Answer GET /schemas/ids/{id}.

    ``subject`` only says in which context to look: a consumer often names a subject that does
    not exist, because its producer registers under the record's name.
    """
    found = call.registry.schema_by_id(call.schema_id, subject=call.subject_hint)
    output_format = call.text("format")
    text = await call.registry.formatted(found, output_format) if output_format else found.schema
    answer = schema_of_id(found, text)
    if call.flag("fetchMaxId", "fetch_max_id"):
        answer["maxId"] = call.registry.max_id(subject=call.subject_hint)
    if call.flag("includeSubjects"):
        # Karapace's, and worth having.
        answer["subjects"] = call.registry.subjects_of_id(call.schema_id, subject=call.subject_hint)
    return answer


async def read_text_by_id(call: Call) -> object:
    """Answer GET /schemas/ids/{id}/schema: the text alone."""
    found = call.registry.schema_by_id(call.schema_id, subject=call.subject_hint)
    return Text(await call.registry.formatted(found, call.text("format")))


async def list_subjects_of_id(call: Call) -> object:
    """Answer GET /schemas/ids/{id}/subjects."""
    return call.page(
        call.registry.subjects_of_id(
            call.schema_id, subject=call.subject_hint, deleted=call.flag("deleted")
        )
    )


async def list_versions_of_id(call: Call) -> object:
    """Answer GET /schemas/ids/{id}/versions."""
    found = call.registry.versions_of_id(
        call.schema_id, subject=call.subject_hint, deleted=call.flag("deleted")
    )
    return [{"subject": subject, "version": version} for subject, version in call.page(found)]


async def list_types(call: Call) -> object:
    """Answer GET /schemas/types."""
    return list(SCHEMA_TYPES)


async def list_schemas(call: Call) -> object:
    """Answer GET /schemas."""
    found = call.registry.schemas(
        prefix=call.subject_prefix,
        deleted=call.flag("deleted"),
        latest_only=call.flag("latestOnly", "latest_only"),
    )
    return [registered(one, one.schema) for one in call.page(found, most=MAX_LISTED)]


async def read_by_guid(call: Call) -> object:
    """Answer GET /schemas/guids/{guid}: what a consumer asks that finds the guid in a header."""
    found = call.registry.schema_by_guid(call.request.match_info["guid"])
    text = await call.registry.formatted(found, call.text("format"))
    return schema_of_id(found, text)


async def list_ids_of_guid(call: Call) -> object:
    """Answer GET /schemas/guids/{guid}/ids: the id in each context."""
    found = call.registry.ids_of_guid(call.request.match_info["guid"])
    return [{"context": context, "id": schema_id} for context, schema_id in found]
