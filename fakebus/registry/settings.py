"""Configs and modes: of a subject, of a context, of everything.

What a subject does not set comes from its context, then from the context ``.__GLOBAL``, then
from the default. ``None`` stands for the default context.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from fakebus.registry.compatibility import checked_level
from fakebus.registry.contexts import (
    GLOBAL_CONTEXT,
    GLOBAL_PREFIX,
    checked_scope,
    normalized,
    qualified,
    scope,
)
from fakebus.registry.errors import (
    RegistryError,
    invalid_mode,
    not_permitted,
    reference_exists,
    subject_not_found,
)
from fakebus.registry.log_records import (
    NewLogRecord,
    config_record,
    mode_record,
    schema_tombstone,
)
from fakebus.registry.metadata import canonical_metadata, canonical_rules
from fakebus.registry.model import FORWARD, IMPORT, MODES, READ_ONLY_MODES, READWRITE
from fakebus.registry.state import State

_LEVEL = "compatibilityLevel"
_METADATA = ("defaultMetadata", "overrideMetadata")
_RULE_SETS = ("defaultRuleSet", "overrideRuleSet")
ADDITIONS = _METADATA + _RULE_SETS
"""What a config adds to the schemas that are registered under it."""
_PLAIN = {
    "alias": str,
    "normalize": bool,
    "validateFields": bool,
    "validateNewSchemas": bool,
    "validateRules": bool,
    "compatibilityGroup": str,
}
_INHERITED = (
    "normalize",
    "validateFields",
    "validateNewSchemas",
    "validateRules",
    "compatibilityGroup",
)
"""What a subject with a config of its own still takes from the global one."""


Value = TypeVar("Value")


class Settings:
    """Reads configs and modes of a state.

    Args:
        state: where they are.
        default_level: the compatibility level where none is set.
    """

    def __init__(self, state: State, default_level: str) -> None:
        self._state = state
        self._default_level = default_level

    # Configs

    def config(self, subject: str | None) -> dict[str, object] | None:
        """Return the config that is set for exactly this; there is always a global one."""
        key = scope(subject)
        found = self._state.configs.get(key)
        if found is None and key is not None and qualified(key).context != GLOBAL_CONTEXT:
            return None
        return {_LEVEL: self._default_level} | (found or {})

    def config_in_scope(self, subject: str | None) -> dict[str, object]:
        """Return the config that holds for a subject."""
        key = scope(subject)
        own = self._state.configs.get(key)
        if own is not None:
            shared = self._state.configs.get(None, {})
            inherited = {name: shared[name] for name in _INHERITED if name in shared}
            return {_LEVEL: self._default_level} | inherited | own
        found = self._first(self._state.configs, key)
        return {_LEVEL: self._default_level} | (found or {})

    @staticmethod
    def _first(values: Mapping[str | None, Value], key: str | None) -> Value | None:
        prefix = None if key is None else qualified(key).prefix or None
        for candidate in (key, prefix, GLOBAL_PREFIX):
            if candidate in values:
                return values[candidate]
        return None

    def alias(self, subject: str) -> str:
        """Return what a subject stands for; itself if it is no alias."""
        subject = normalized(subject)
        alias = self._state.configs.get(subject or None, {}).get("alias")
        if not isinstance(alias, str) or not alias:
            return subject
        found = qualified(alias)
        # An alias without a context is of the same one.
        return alias if found.prefix else qualified(subject).prefix + found.name

    # Modes

    def mode(self, subject: str | None) -> str | None:
        """Return the mode that is set for exactly this; there is always a global one."""
        key = scope(subject)
        if key is None or qualified(key).context == GLOBAL_CONTEXT:
            return self._state.modes.get(key, READWRITE)
        return self._state.modes.get(key)

    def mode_in_scope(self, subject: str | None) -> str:
        """Return the mode that holds for a subject."""
        return self._first(self._state.modes, scope(subject)) or READWRITE

    def check_writable(self, subject: str | None) -> None:
        """Refuse to write in a read-only mode.

        Raises:
            RegistryError: 42205.
        """
        if self.mode_in_scope(subject) in READ_ONLY_MODES:
            raise not_permitted(f"{_place(subject)} is in read-only mode")

    def check_registrable(self, subject: str, *, with_id: bool) -> str:
        """Return the mode if it allows to register.

        Raises:
            RegistryError: 42205.
        """
        self.check_writable(subject)
        mode = self.mode_in_scope(subject)
        if with_id and mode not in (IMPORT, FORWARD):
            raise not_permitted(f"{_place(subject)} is not in import mode")
        if not with_id and mode != READWRITE:
            raise not_permitted(f"{_place(subject)} is not in read-write mode")
        return mode

    # Changes, as records

    def changed_config(self, subject: str | None, changes: Mapping[str, object]) -> NewLogRecord:
        """Return the record of a config with changes; a ``None`` takes a setting away.

        Raises:
            RegistryError: 42201, 42203, 42205, 42208 or 42210.
        """
        key = checked_scope(subject)
        checked = {name: value for name, value in _checked(changes)}
        self.check_writable(key)
        config = {**self._state.configs.get(key, {}), **checked}
        return config_record(key, {name: one for name, one in config.items() if one is not None})

    def deleted_config(self, subject: str | None) -> tuple[dict[str, object], NewLogRecord]:
        """Return a config and the record that deletes it.

        Raises:
            RegistryError: 40401 or 42205.
        """
        old = self.config(subject)
        if old is None:
            raise subject_not_found(str(scope(subject)))
        self.check_writable(subject)
        return old, config_record(scope(subject), None)

    def changed_mode(self, subject: str | None, mode: str, *, force: bool) -> list[NewLogRecord]:
        """Return the records that change a mode.

        Raises:
            RegistryError: 42204, 42205, 42206 or 42208.
        """
        key = checked_scope(subject)
        wanted = mode.upper()
        if wanted not in MODES:
            raise invalid_mode()
        if wanted == FORWARD and key != GLOBAL_PREFIX:
            raise RegistryError(422, 42204, "Forward mode only supported on global level")
        records = list[NewLogRecord]()
        if wanted == IMPORT and not force and self.mode_in_scope(key) != IMPORT:
            records += self._emptied(key)
        return [*records, mode_record(key, wanted)]

    def _emptied(self, key: str | None) -> list[NewLogRecord]:
        # Ids from outside must not meet ids that were given here.
        found = [
            schema
            for subject in self._subjects(key)
            for schema in self._state.versions(subject, deleted=True)
        ]
        if not all(schema.deleted for schema in found):
            raise not_permitted("Cannot import since found existing subjects")
        for schema in found:
            if self._state.referrers(schema.subject, schema.version):
                raise reference_exists(schema.subject, schema.version)
        return [schema_tombstone(schema.subject, schema.version) for schema in found]

    def _subjects(self, key: str | None) -> list[str]:
        wanted = qualified(key or "")
        if wanted.name:
            return [key] if key in self._state.subjects else []
        return [
            subject
            for subject in self._state.subjects
            if wanted.context in (GLOBAL_CONTEXT, qualified(subject).context)
        ]

    def deleted_mode(
        self, subject: str | None, *, recursive: bool
    ) -> tuple[str, list[NewLogRecord]]:
        """Return a mode and the records that delete it.

        Raises:
            RegistryError: 40401.
        """
        key = scope(subject)
        old = self.mode(key)
        if old is None and not recursive:
            raise subject_not_found(str(key))
        records = [mode_record(key, None)]
        if recursive and not qualified(key or "").name:
            context = qualified(key or "").context
            records += [
                mode_record(one, None)
                for one in self._state.modes
                if one not in (None, key) and qualified(one).context == context
            ]
        return old or "", records


def _place(subject: str | None) -> str:
    return (
        f"Subject {subject} in context {qualified(subject).prefix}" if subject else "The registry"
    )


def _checked(changes: Mapping[str, object]) -> list[tuple[str, object]]:
    found = list[tuple[str, object]]()
    for name, value in changes.items():
        if name in ("compatibility", _LEVEL):
            found.append((_LEVEL, None if value is None else checked_level(value)))
        elif value is None:
            found.append((name, None))
        elif name in _METADATA and isinstance(value, Mapping):
            found.append((name, canonical_metadata(value)))
        elif name in _RULE_SETS and isinstance(value, Mapping):
            found.append((name, canonical_rules(value)))
        elif name in _PLAIN and isinstance(value, _PLAIN[name]):
            found.append((name, value))
        else:
            raise RegistryError(422, 42203, f"Invalid config: {name} cannot be {value!r}")
    return found
