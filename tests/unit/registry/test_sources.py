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

    def versions_of_id(self, schema_id: int) -> list[tuple[str, int]]:
        return [("a", 1), ("t-b", 2), ("t-value", 3)]


async def test_a_schema_is_looked_up_once_and_plain_payloads_name_none() -> None:
    registry: Any = Schemas()
    source = RegistrySource(registry)
    framed = b"\0" + (7).to_bytes(4, "big") + b"x"
    unknown = b"\0" + (8).to_bytes(4, "big") + b"x"
    await source.prepare(framed, b"plain", None, unknown)
    await source.prepare(framed, b"plain")
    assert registry.asked == [7, 8]
    for topic, is_key, named in (
        ("t", False, ("t-value", 3)),
        ("t", True, ("t-b", 2)),
        ("u", False, ("a", 1)),
    ):
        found = source(7, topic, is_key)
        assert found is not None
        assert (found.subject, found.version) == named
    assert source(8, "t", False) is None
