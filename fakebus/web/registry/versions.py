"""/subjects/{subject}/versions: register, list, read, delete."""

from __future__ import annotations

from fakebus.web.connection import origin_of
from fakebus.web.registry.answers import Text, registered
from fakebus.web.registry.parameters import Call


async def list_versions(call: Call) -> object:
    """List versions."""
    return call.page(
        call.registry.versions(
            call.subject,
            deleted=call.flag("deleted"),
            deleted_only=call.flag("deletedOnly"),
            negative=call.flag("deletedAsNegative"),
        )
    )


async def register(call: Call) -> object:
    """Register a schema."""
    output_format = call.text("format")
    found = await call.registry.register(
        call.subject,
        await call.schema_request(),
        normalize=call.flag("normalize"),
        output_format=output_format,
        origin=origin_of(call.request, "registry", call.registry.activity),
    )
    if not call.takes_newer_fields:
        return {"id": found.schema_id}
    return registered(found, await call.registry.formatted(found, output_format))


async def read_version(call: Call) -> object:
    """Read a version."""
    found = call.registry.version(call.subject, call.version, deleted=call.flag("deleted"))
    text = await call.registry.formatted(found, call.text("format"))
    return registered(found, text, reference_format=call.text("referenceFormat"))


async def read_schema(call: Call) -> object:
    """Read the text of a version's schema."""
    found = call.registry.version(call.subject, call.version, deleted=call.flag("deleted"))
    return Text(await call.registry.formatted(found, call.text("format")))


async def list_referencing(call: Call) -> object:
    """List the ids of schemas that refer to a version."""
    found = call.registry.referenced_by(call.subject, call.version, deleted=call.flag("deleted"))
    return call.page(found)


async def delete_version(call: Call) -> object:
    """Delete a version."""
    return await call.registry.delete_version(
        call.subject, call.version, permanent=call.flag("permanent")
    )
