"""The registry as a source of schemas: what is looked up, and what is not asked for again."""

from __future__ import annotations

from typing import Any

from fakebus.registry.errors import RegistryError
from fakebus.registry.sources import RegistrySource


class Schemas:
    """Registry that notes what it is asked for and knows one schema."""

    def __init__(self) -> None:
        self.asked: list[object] = []

    async def parsed(self, schema_id: int) -> object:
        self.asked.append(schema_id)
        if schema_id != 7:
            raise RegistryError(404, 40403, "Schema not found")
        return object()


async def test_a_schema_is_looked_up_once_and_plain_payloads_name_none() -> None:
    registry: Any = Schemas()
    source = RegistrySource(registry)
    framed = b"\0" + (7).to_bytes(4, "big") + b"x"
    unknown = b"\0" + (8).to_bytes(4, "big") + b"x"
    await source.prepare(framed, b"plain", None, unknown)
    await source.prepare(framed, b"plain")
    assert registry.asked == [7, 8]
    assert source(7, "t", False) is not None
    assert source(8, "t", False) is None
