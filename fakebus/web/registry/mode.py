"""/mode: whether the registry or a subject takes writes."""

from __future__ import annotations

from fakebus.web.registry.parameters import Call, field


async def read(call: Call) -> object:
    """Read the mode, or a subject's."""
    found = call.registry.mode(call.target, default_to_global=call.flag("defaultToGlobal"))
    return {"mode": found}


async def write(call: Call) -> object:
    """Change the mode, or a subject's."""
    mode = field(await call.body(), "mode", str) or ""
    return {"mode": await call.registry.set_mode(call.target, mode, force=call.flag("force"))}


async def delete(call: Call) -> object:
    """Delete the mode, or a subject's."""
    recursive = call.flag("recursive")
    return {"mode": await call.registry.delete_mode(call.target, recursive=recursive)}
