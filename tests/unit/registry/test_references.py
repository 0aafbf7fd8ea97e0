"""What schemas build on."""

from __future__ import annotations

import pytest

from fakebus.registry import references
from fakebus.registry.errors import RegistryError
from fakebus.registry.model import Reference
from fakebus.registry.references import MAX_DEPTH
from fakebus.registry.registry import Registry
from tests.unit.registry.test_registering import request


async def resolved(registry: Registry, schema_id: int) -> str:
    return await registry.formatted(registry.schema_by_id(schema_id), "resolved")


async def test_a_diamond_is_resolved_once_and_dependencies_come_first(registry: Registry) -> None:
    await registry.register("d", request('{"d":1}'))
    to_d = (Reference("D", "d", 1),)
    await registry.register("b", request('{"b":1}', references=to_d))
    await registry.register("c", request('{"c":1}', references=to_d))
    both = (Reference("B", "b", -1), Reference("C", "c", 1))
    top = await registry.register("a", request('{"a":1}', references=both))
    assert await resolved(registry, top.schema_id) == "D B C"
    assert top.references[0] == Reference("B", "b", 1), "the latest is pinned"
    assert registry.referenced_by("d", 1) == [2, 3]


async def test_the_same_text_with_other_references_is_another_schema(registry: Registry) -> None:
    await registry.register("d", request("{}"))
    await registry.register("d", request('{"d":1}'))
    first = await registry.register("a", request(references=(Reference("D", "d", 1),)))
    second = await registry.register("a", request(references=(Reference("D", "d", 2),)))
    assert (first.version, second.version) == (1, 2)
    assert first.schema_id != second.schema_id
    found = await registry.look_up("a", request(references=(Reference("D", "d", 1),)))
    assert found == first


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        (Reference("D", "none", 1), 'No schema reference found for subject "none" and version 1'),
        (Reference("D", "d", 7), 'No schema reference found for subject "d" and version 7'),
        (Reference("D", "none", -1), 'for subject "none" and version -1'),
        (Reference("", "d", 1), "Invalid reference"),
        (Reference("D", "", 1), "Invalid reference"),
    ],
)
async def test_references_that_lead_nowhere(
    reference: Reference, message: str, registry: Registry
) -> None:
    await registry.register("d", request("{}"))
    with pytest.raises(RegistryError) as refused:
        await registry.register("a", request(references=(reference,)))
    assert refused.value.error_code == 42201
    assert message in refused.value.message


async def test_a_deleted_schema_still_serves_those_that_build_on_it(registry: Registry) -> None:
    await registry.register("d", request("{}"))
    user = await registry.register("a", request(references=(Reference("D", "d", 1),)))
    await registry.delete_subject("a")
    await registry.delete_subject("d")
    assert await resolved(registry, user.schema_id) == "D"
    with pytest.raises(RegistryError, match="No schema reference found"):
        await registry.register("b", request(references=(Reference("D", "d", 1),)))


async def test_a_circle_is_refused(registry: Registry) -> None:
    await registry.register("a", request("{}"))
    await registry.register("b", request('{"b":1}', references=(Reference("A", "a", 1),)))
    # Import can replace what the other one builds on.
    await registry.set_mode("a", "IMPORT", force=True)
    circle = request("{}", references=(Reference("B", "b", 1),), schema_id=9, version=1)
    await registry.register("a", circle)
    await registry.delete_mode("a")
    with pytest.raises(RegistryError) as refused:
        await registry.register("c", request("{}", references=(Reference("A", "a", 1),)))
    assert refused.value.error_code == 42201
    assert "lead back to it" in refused.value.message


async def test_a_chain_may_be_long_but_not_endless(registry: Registry) -> None:
    await registry.register("s0", request("{}"))
    for number in range(1, MAX_DEPTH + 1):
        below = Reference(f"S{number - 1}", f"s{number - 1}", 1)
        await registry.register(f"s{number}", request(f'{{"f{number}":1}}', references=(below,)))
    top = Reference("top", f"s{MAX_DEPTH}", 1)
    with pytest.raises(RegistryError) as refused:
        await registry.register("s", request("{}", references=(top,)))
    assert refused.value.error_code == 42201


async def test_references_lead_to_so_many_schemas_at_most(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(references, "MAX_COUNT", 3)
    below = tuple(Reference(f"S{number}", f"s{number}", 1) for number in range(4))
    for one in below:
        await registry.register(one.subject, request(f'{{"{one.name}":1}}'))
    await registry.register("few", request("{}", references=below[:3]))
    with pytest.raises(RegistryError, match="to too many schemas"):
        await registry.register("many", request("{}", references=below))


async def test_references_are_of_the_same_context(registry: Registry) -> None:
    await registry.register(":.c:d", request("{}"))
    mine = await registry.register(":.c:a", request(references=(Reference("D", "d", 1),)))
    assert registry.referenced_by(":.c:d", 1) == [mine.schema_id]
    with pytest.raises(RegistryError, match="No schema reference found"):
        await registry.register("a", request(references=(Reference("D", "d", 1),)))
    await registry.register("a", request(references=(Reference("D", ":.c:d", 1),)))
