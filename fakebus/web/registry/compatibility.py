"""/compatibility: would a schema be accepted."""

from __future__ import annotations

from fakebus.web.registry.parameters import Call


async def check_version(call: Call) -> object:
    """Check a schema against one version."""
    return await _check(call, call.version)


async def check_subject(call: Call) -> object:
    """Check a schema against the versions that the level asks for."""
    return await _check(call, None)


async def _check(call: Call, version: int | str | None) -> dict[str, object]:
    messages = await call.registry.check_compatibility(
        call.subject, version, await call.schema_request(), normalize=call.flag("normalize")
    )
    answer: dict[str, object] = {"is_compatible": not messages}
    if messages and call.flag("verbose"):
        answer["messages"] = messages
    return answer
