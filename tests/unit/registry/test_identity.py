"""The id of a schema's content: all that makes it another schema makes another id."""

from __future__ import annotations

from typing import Any

from fakebus.registry.identity import guid
from fakebus.registry.metadata import without_version
from fakebus.registry.model import Reference

RULE = {"name": "r", "kind": "CONDITION", "mode": "WRITE", "type": "CEL"}
PLAIN: dict[str, Any] = {"references": (), "metadata": None, "rule_set": None}


CHANGES: list[dict[str, Any]] = [
    {},
    {"references": (Reference("a", "s", 1),)},
    {"references": (Reference("b", "s", 1),)},
    {"references": (Reference("a", "t", 1),)},
    {"references": (Reference("a", "s", 2),)},
    {"metadata": {}},
    {"metadata": {"tags": {"a": ["b"]}}},
    {"metadata": {"tags": {"a": ["c"]}}},
    {"metadata": {"properties": {"owner": "x"}}},
    {"metadata": {"properties": {"owner": "y"}}},
    {"metadata": {"sensitive": ["owner"]}},
    {"rule_set": {"domainRules": [RULE]}},
    {"rule_set": {"migrationRules": [{**RULE, "mode": "UPGRADE"}]}},
    {"rule_set": {"domainRules": [{**RULE, "disabled": True}]}},
    {"rule_set": {"domainRules": [{**RULE, "params": {"a": "b"}}]}},
    {"rule_set": {"domainRules": [{**RULE, "tags": ["PII"]}]}},
    {"rule_set": {"domainRules": [{**RULE, "expr": "true"}]}},
    {"rule_set": {"enableAt": "later"}},
]


def test_whatever_belongs_to_a_schema_makes_its_id_another() -> None:
    ids = [guid("{}", **(PLAIN | change)) for change in CHANGES]
    same = [(one, other) for one in CHANGES for other in CHANGES if one is not other]
    assert len(set(ids)) == len(CHANGES), [
        pair for pair in same if guid("{}", **(PLAIN | pair[0])) == guid("{}", **(PLAIN | pair[1]))
    ]
    assert guid("{ }", **PLAIN) not in ids


def test_metadata_that_names_no_version_stays_as_it_is() -> None:
    named = {"confluent:version": "1"}
    assert without_version({"properties": named, "tags": {}}) == {"tags": {}}
    assert without_version({"properties": named | {"a": "b"}}) == {"properties": {"a": "b"}}
    for metadata in (None, {}, {"properties": {}}, {"properties": {"a": "b"}}):
        assert without_version(metadata) == metadata
