"""/config: compatibility level and what else is set globally or for a subject.

PUT takes and answers ``compatibility``; GET and DELETE answer ``compatibilityLevel``.
"""

from __future__ import annotations

from fakebus.web.registry.answers import without_empty
from fakebus.web.registry.parameters import Call, field

_FIELDS: dict[str, type] = {
    "compatibilityGroup": str,
    "alias": str,
    "normalize": bool,
    "validateFields": bool,
    "validateNewSchemas": bool,
    "validateRules": bool,
    "defaultMetadata": dict,
    "overrideMetadata": dict,
    "defaultRuleSet": dict,
    "overrideRuleSet": dict,
}


async def read_global(call: Call) -> object:
    """Answer GET /config."""
    return _read(call, call.context_subject)


async def read_subject(call: Call) -> object:
    """Answer GET /config/{subject}."""
    return _read(call, call.subject)


async def write_global(call: Call) -> object:
    """Answer PUT /config."""
    return await _write(call, call.context_subject)


async def write_subject(call: Call) -> object:
    """Answer PUT /config/{subject}."""
    return await _write(call, call.subject)


async def delete_global(call: Call) -> object:
    """Answer DELETE /config."""
    return without_empty(await call.registry.delete_config(call.context_subject))


async def delete_subject(call: Call) -> object:
    """Answer DELETE /config/{subject}."""
    return without_empty(await call.registry.delete_config(call.subject))


def _read(call: Call, subject: str | None) -> dict[str, object]:
    found = call.registry.config(
        subject, default_to_global=call.flag("defaultToGlobal", "default_to_global")
    )
    return without_empty(found)


async def _write(call: Call, subject: str | None) -> dict[str, object]:
    body = await call.body()
    changes: dict[str, object] = {
        name: field(body, name, kind) for name, kind in _FIELDS.items() if name in body
    }
    for name in ("compatibilityLevel", "compatibility"):
        if name in body:
            changes["compatibilityLevel"] = field(body, name, str)
    stored = await call.registry.set_config(subject, changes)
    answer = {name: stored.get(name) for name in changes}
    level = answer.pop("compatibilityLevel", None)
    return without_empty({"compatibility": level} | answer)
