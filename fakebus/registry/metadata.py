"""Metadata and rule sets: their canonical form, and how a subject's config adds to them.

Source: https://docs.confluent.io/platform/current/schema-registry/fundamentals/data-contracts.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from fakebus.registry.errors import RegistryError, invalid_rule_set, invalid_schema
from fakebus.registry.model import JsonObject

VERSION_PROPERTY = "confluent:version"
"""A metadata property that the registry keeps equal to the version."""

RULE_KINDS = ("migrationRules", "domainRules", "encodingRules")
_MIGRATION_MODES = ("UPGRADE", "DOWNGRADE", "UPDOWN")
_DOMAIN_MODES = ("WRITE", "READ", "WRITEREAD")
_KINDS = ("TRANSFORM", "CONDITION")
_ACTIONS = ("onSuccess", "onFailure")
_TEXTS = ("doc", "type", "expr", *_ACTIONS)
_RULE_NAME = re.compile(r"[^\W\d][\w-]*")
_LONGEST_NAME = 256


def canonical_metadata(value: JsonObject | None) -> dict[str, object] | None:
    """Return metadata with everything in order and nothing unknown.

    Raises:
        RegistryError: 42201, a part has the wrong type.
    """
    if value is None:
        return None
    metadata = dict[str, object]()
    if tags := _object(value, "tags"):
        metadata["tags"] = {key: _sorted_texts(tags, key) for key in sorted(tags)}
    if properties := _object(value, "properties"):
        metadata["properties"] = {key: _text(properties, key) for key in sorted(properties)}
    if sensitive := _sorted_texts(value, "sensitive"):
        metadata["sensitive"] = sensitive
    return metadata


def canonical_rules(value: JsonObject | None) -> dict[str, object] | None:
    """Return a rule set with all rules complete.

    Raises:
        RegistryError: 42210, a rule is not valid.
    """
    if value is None:
        return None
    rule_set = dict[str, object]()
    names = set[object]()
    for kind in RULE_KINDS:
        rules = value.get(kind)
        if rules is None:
            continue
        if not isinstance(rules, list):
            raise invalid_rule_set(f"{kind} must be an array")
        modes = _MIGRATION_MODES if kind == "migrationRules" else _DOMAIN_MODES
        found = [_rule(rule, kind, modes) for rule in rules]
        for rule in found:
            if rule["name"] in names:
                raise invalid_rule_set(f"Found rule with duplicate name '{rule['name']}'")
            names.add(rule["name"])
        if found:
            rule_set[kind] = found
    if value.get("enableAt") is not None:
        rule_set["enableAt"] = value["enableAt"]
    return rule_set


def _rule(value: object, phase: str, modes: tuple[str, ...]) -> dict[str, object]:
    if not isinstance(value, Mapping):
        raise invalid_rule_set(f"{phase} must hold objects")
    name, mode = value.get("name"), value.get("mode") or "WRITEREAD"
    kind = value.get("kind") or "TRANSFORM"
    _check_name(name)
    if value.get("type") is None:
        raise invalid_rule_set("Missing rule type")
    if kind not in _KINDS:
        raise invalid_rule_set(f"Rules can only be of kind {', '.join(_KINDS)}; '{name}' is {kind}")
    texts = {key: _text(value, key) for key in _TEXTS if value.get(key) is not None}
    if mode not in ("WRITEREAD", "UPDOWN") and "," in "".join(
        texts.get(each, "") for each in _ACTIONS
    ):
        raise invalid_rule_set("Multiple actions only valid with WRITEREAD and UPDOWN")
    if mode not in modes:
        raise invalid_rule_set(
            f"{phase.removesuffix('Rules').capitalize()} rules can only be {', '.join(modes)}"
        )
    rule: dict[str, object] = {"name": name}
    if "doc" in texts:
        rule["doc"] = texts["doc"]
    rule |= {"kind": kind, "mode": mode, "type": texts["type"]}
    if tags := _sorted_texts(value, "tags"):
        rule["tags"] = tags
    if params := _object(value, "params"):
        rule["params"] = {key: _text(params, key) for key in sorted(params)}
    rule |= {key: texts[key] for key in ("expr", *_ACTIONS) if key in texts}
    rule["disabled"] = value.get("disabled") is True
    return rule


def _check_name(name: object) -> None:
    if name is None:
        raise invalid_rule_set("Missing rule name")
    if name == "":
        raise invalid_rule_set("Empty rule name")
    if not isinstance(name, str) or not _RULE_NAME.fullmatch(name):
        raise invalid_rule_set(f"Illegal character in rule name: {name}")
    if len(name) > _LONGEST_NAME:
        raise invalid_rule_set("Rule name too long")


def merged_metadata(
    below: dict[str, object] | None, above: dict[str, object] | None
) -> dict[str, object] | None:
    """Return both together; where they contradict each other, ``above`` holds."""
    if below is None or above is None:
        return above if below is None else below
    tags = dict(_object(below, "tags"))
    for key, values in _object(above, "tags").items():
        tags[key] = sorted({*_texts(tags.get(key)), *_texts(values)})
    return canonical_metadata(
        {
            "tags": tags,
            "properties": {**_object(below, "properties"), **_object(above, "properties")},
            "sensitive": sorted({*_texts(below.get("sensitive")), *_texts(above.get("sensitive"))}),
        }
    )


def merged_rules(
    below: dict[str, object] | None, above: dict[str, object] | None
) -> dict[str, object] | None:
    """Return both together; a rule of ``above`` stands for one of the same name."""
    if below is None or above is None:
        return above if below is None else below
    rule_set = {**below, **above}
    for kind in RULE_KINDS:
        mine, theirs = below.get(kind), above.get(kind)
        if isinstance(mine, list) and isinstance(theirs, list):
            names = {rule["name"] for rule in theirs}
            rule_set[kind] = [*(rule for rule in mine if rule["name"] not in names), *theirs]
    return rule_set


def properties_of(metadata: JsonObject | None) -> JsonObject:
    """Return the metadata's properties."""
    return {} if metadata is None else _object(metadata, "properties")


def with_version(metadata: dict[str, object] | None, version: int) -> dict[str, object] | None:
    """Return metadata that names its version, if it names one at all."""
    properties = properties_of(metadata)
    if metadata is None or VERSION_PROPERTY not in properties:
        return metadata
    return {**metadata, "properties": {**properties, VERSION_PROPERTY: str(version)}}


def without_version(metadata: JsonObject | None) -> JsonObject | None:
    """Return metadata without the version that the registry wrote into it."""
    properties = properties_of(metadata)
    if metadata is None or VERSION_PROPERTY not in properties:
        return metadata
    kept = {key: properties[key] for key in properties if key != VERSION_PROPERTY}
    others = {key: metadata[key] for key in metadata if key != "properties"}
    return {**others, "properties": kept} if kept else others


def _object(value: JsonObject, name: str) -> JsonObject:
    found = value.get(name)
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise _wrong(name, "an object")
    return found


def _text(value: JsonObject, name: str) -> str:
    found = value[name]
    if not isinstance(found, str):
        raise _wrong(name, "a string")
    return found


def _texts(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _sorted_texts(value: JsonObject, name: str) -> list[str]:
    found = value.get(name)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise _wrong(name, "an array of strings")
    return sorted(set(found))


def _wrong(name: str, kind: str) -> RegistryError:
    return invalid_schema(f"Invalid metadata or rules: {name} must be {kind}")
