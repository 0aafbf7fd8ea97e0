"""/subjects: list, look up, delete, and search by metadata."""

from __future__ import annotations

from urllib.parse import unquote

from fakebus.registry.errors import RegistryError
from fakebus.registry.model import RegisteredSchema
from fakebus.web.registry.answers import registered
from fakebus.web.registry.parameters import Call


async def list_subjects(call: Call) -> object:
    """List subjects."""
    return call.page(
        call.registry.subjects(
            prefix=call.subject_prefix,
            deleted=call.flag("deleted"),
            deleted_only=call.flag("deletedOnly"),
        )
    )


async def look_up(call: Call) -> object:
    """Look up the version under which a schema is registered."""
    found = await call.registry.look_up(
        call.subject,
        await call.schema_request(),
        normalize=call.flag("normalize"),
        deleted=call.flag("deleted"),
    )
    text = await call.registry.formatted(found, call.text("format"))
    return registered(found, text)


async def delete_subject(call: Call) -> object:
    """Delete a subject."""
    return await call.registry.delete_subject(call.subject, permanent=call.flag("permanent"))


async def find_by_metadata(call: Call) -> object:
    """Read the latest version that has all the metadata properties."""
    query = call.request.query
    keys = query.getall("key", []) + query.getall("key[]", [])
    values = query.getall("value", []) + query.getall("value[]", [])
    pairs = dict(zip(keys, values, strict=False))
    try:
        found = _latest(call, pairs)
    except RegistryError:
        # confluent-kafka-python encodes each key and value twice.
        decoded = {unquote(key): unquote(value) for key, value in pairs.items()}
        if decoded == pairs:
            raise
        found = _latest(call, decoded)
    text = await call.registry.formatted(found, call.text("format"))
    return registered(found, text)


def _latest(call: Call, pairs: dict[str, str]) -> RegisteredSchema:
    return call.registry.latest_with_metadata(call.subject, pairs, deleted=call.flag("deleted"))
