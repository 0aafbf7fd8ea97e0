"""/contexts: name spaces of subjects and ids."""

from __future__ import annotations

from fakebus.web.registry.answers import NOTHING
from fakebus.web.registry.parameters import Call


async def list_contexts(call: Call) -> object:
    """List contexts."""
    prefix = call.text("contextPrefix")
    return call.page([name for name in call.registry.contexts() if name.startswith(prefix)])


async def delete_context(call: Call) -> object:
    """Delete an empty context."""
    await call.registry.delete_context(call.request.match_info["context"])
    return NOTHING
