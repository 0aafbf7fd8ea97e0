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


async def read(call: Call) -> object:
    """Read the config, or a subject's."""
    found = call.registry.config(call.target, default_to_global=call.flag("defaultToGlobal"))
    return without_empty(found)


async def write(call: Call) -> object:
    """Change the config, or a subject's."""
    body = await call.body()
    changes: dict[str, object] = {
        name: field(body, name, kind) for name, kind in _FIELDS.items() if name in body
    }
    for name in ("compatibilityLevel", "compatibility"):
        if name in body:
            changes["compatibilityLevel"] = field(body, name, str)
    stored = await call.registry.set_config(call.target, changes)
    answer = {name: stored.get(name) for name in changes}
    level = answer.pop("compatibilityLevel", None)
    return without_empty({"compatibility": level} | answer)


async def delete(call: Call) -> object:
    """Delete the config, or a subject's."""
    return without_empty(await call.registry.delete_config(call.target))
