"""/schemas: by id, by guid, all of them, and the languages there are."""

from __future__ import annotations

from fakebus.schemas.languages import SCHEMA_TYPES
from fakebus.web.registry.answers import Text, registered, schema_of_id
from fakebus.web.registry.parameters import Call

MAX_LISTED = 1000


async def read_by_id(call: Call) -> object:
    """Read a schema.

    ``subject`` only says in which context to look: a consumer often names a subject that does
    not exist, because its producer registers under the record's name.
    """
    found = call.registry.schema_by_id(call.schema_id, subject=call.subject_hint)
    output_format = call.text("format")
    text = await call.registry.formatted(found, output_format) if output_format else found.schema
    answer = schema_of_id(found, text, reference_format=call.text("referenceFormat"))
    if call.flag("fetchMaxId"):
        answer["maxId"] = call.registry.max_id(subject=call.subject_hint)
    if call.flag("includeSubjects"):
        # Karapace's, and worth having.
        answer["subjects"] = call.registry.subjects_of_id(call.schema_id, subject=call.subject_hint)
    return answer


async def read_text_by_id(call: Call) -> object:
    """Read the text of a schema."""
    found = call.registry.schema_by_id(call.schema_id, subject=call.subject_hint)
    return Text(await call.registry.formatted(found, call.text("format")))


async def list_subjects_of_id(call: Call) -> object:
    """List the subjects of a schema."""
    return call.page(
        call.registry.subjects_of_id(
            call.schema_id, subject=call.subject_hint, deleted=call.flag("deleted")
        )
    )


async def list_versions_of_id(call: Call) -> object:
    """List the subjects and versions of a schema."""
    found = call.registry.versions_of_id(
        call.schema_id, subject=call.subject_hint, deleted=call.flag("deleted")
    )
    return [{"subject": subject, "version": version} for subject, version in call.page(found)]


async def list_types(call: Call) -> object:
    """List the schema languages."""
    return list(SCHEMA_TYPES)


async def list_schemas(call: Call) -> object:
    """List schemas."""
    found = call.registry.schemas(
        prefix=call.subject_prefix,
        deleted=call.flag("deleted"),
        latest_only=call.flag("latestOnly"),
    )
    return [registered(one, one.schema) for one in call.page(found, most=MAX_LISTED)]


async def read_by_guid(call: Call) -> object:
    """Read a schema by the id that is the same everywhere, which consumers find in headers."""
    found = call.registry.schema_by_guid(call.request.match_info["guid"])
    text = await call.registry.formatted(found, call.text("format"))
    return schema_of_id(found, text)


async def list_ids_of_guid(call: Call) -> object:
    """List the ids of a schema in each context."""
    found = call.registry.ids_of_guid(call.request.match_info["guid"])
    return [{"context": context, "id": schema_id} for context, schema_id in found]
