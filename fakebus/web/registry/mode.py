"""/mode: whether the registry or a subject takes writes."""

from __future__ import annotations

from fakebus.web.registry.parameters import Call, field


async def read_global(call: Call) -> object:
    """Answer GET /mode."""
    return _read(call, call.context_subject)


async def read_subject(call: Call) -> object:
    """Answer GET /mode/{subject}."""
    return _read(call, call.subject)


async def write_global(call: Call) -> object:
    """Answer PUT /mode."""
    return await _write(call, call.context_subject)


async def write_subject(call: Call) -> object:
    """Answer PUT /mode/{subject}."""
    return await _write(call, call.subject)


async def delete_global(call: Call) -> object:
    """Answer DELETE /mode."""
    return await _delete(call, call.context_subject)


async def delete_subject(call: Call) -> object:
    """Answer DELETE /mode/{subject}."""
    return await _delete(call, call.subject)


def _read(call: Call, subject: str | None) -> dict[str, object]:
    flag = call.flag("defaultToGlobal", "default_to_global")
    return {"mode": call.registry.mode(subject, default_to_global=flag)}


async def _write(call: Call, subject: str | None) -> dict[str, object]:
    mode = field(await call.body(), "mode", str) or ""
    return {"mode": await call.registry.set_mode(subject, mode, force=call.flag("force"))}


async def _delete(call: Call, subject: str | None) -> dict[str, object]:
    recursive = call.flag("recursive")
    return {"mode": await call.registry.delete_mode(subject, recursive=recursive)}
