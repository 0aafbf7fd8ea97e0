"""Tables of all configs, and what each means; both are written in ``keys.txt``.

The tables are read when this module is imported, because every start needs them; the sentences
when a client first asks for one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from fakebus.broker.configs.definition import ConfigKey, UpdateMode
from fakebus.broker.configs.values import ConfigType

NOT_EFFECTIVE = "fakebus keeps and shows the value and does not act on it."
_UPDATE_MODES = {mode.value: mode for mode in UpdateMode}
_FILE = Path(__file__).with_name("keys.txt")


def _entries() -> Iterator[tuple[str, str, str]]:
    """Give the section, the definition and the sentence of every config."""
    section = definition = ""
    for line in _FILE.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = line[1:-1]
        elif line.startswith("    "):
            yield section, definition, line.strip()
        else:
            definition = line


def _key(definition: str, update: UpdateMode) -> ConfigKey:
    head, kind, *flags = definition.split(" | ")
    name, has_default, default = head.partition(" =")
    type_name, _, valid = kind.partition(" ")
    synonyms: tuple[str, ...] = ()
    for flag in flags:
        if flag.startswith("from "):
            synonyms = tuple(flag.split()[1:])
        update = _UPDATE_MODES.get(flag, update)
    return ConfigKey(
        name,
        ConfigType[type_name.upper()],
        default[1:] if has_default else None,
        valid,
        update,
        synonyms,
        "acts" in flags,
        "internal" in flags,
    )


def _tables() -> Mapping[str, Mapping[str, ConfigKey]]:
    tables: dict[str, dict[str, ConfigKey]] = {}
    for section, definition, _ in _entries():
        update = UpdateMode.READ_ONLY if section == "broker" else UpdateMode.PER_RESOURCE
        key = _key(definition, update)
        tables.setdefault(section, {})[key.name] = key
    return tables


TABLES = _tables()
"""All tables by section of ``keys.txt``, each by name and in the order of the names."""
TOPIC_KEYS = TABLES["topic"]
BROKER_KEYS = TABLES["broker"]
GROUP_KEYS = TABLES["group"]
CLIENT_METRICS_KEYS = TABLES["client metrics"]


@cache
def sentences() -> Mapping[str, Mapping[str, str]]:
    """Return the sentence of every config, by section and name."""
    found: dict[str, dict[str, str]] = {section: {} for section in TABLES}
    for section, definition, sentence in _entries():
        found[section][definition.split(" ", 1)[0]] = sentence
    return found


def documentation_of(section: str, name: str) -> str:
    """Return what a config means and, where it is so, that fakebus does not act on it.

    Args:
        section: the table, a key of :data:`TABLES`.
        name: the config.
    """
    sentence = sentences()[section][name]
    return sentence if TABLES[section][name].effective else f"{sentence} {NOT_EFFECTIVE}"
