"""What every config means, in one sentence; the sentences are in ``documentation.txt``.

Apart from the tables, because hardly anybody asks for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources

from fakebus.broker.configs.broker_keys import BROKER_KEYS
from fakebus.broker.configs.client_metrics_keys import CLIENT_METRICS_KEYS
from fakebus.broker.configs.definition import ConfigKey
from fakebus.broker.configs.group_keys import GROUP_KEYS
from fakebus.broker.configs.topic_keys import TOPIC_KEYS

TABLES: Mapping[str, Mapping[str, ConfigKey]] = {
    "topic": TOPIC_KEYS,
    "broker": BROKER_KEYS,
    "group": GROUP_KEYS,
    "client metrics": CLIENT_METRICS_KEYS,
}
"""All tables by the name of their section in ``documentation.txt``."""
NOT_EFFECTIVE = "fakebus keeps and shows the value and does not act on it."


@cache
def sentences() -> Mapping[str, Mapping[str, str]]:
    """Return the sentence of every config, by section and name."""
    text = resources.files(__package__).joinpath("documentation.txt").read_text(encoding="utf-8")
    found: dict[str, dict[str, str]] = {}
    section: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("["):
            section = found.setdefault(line[1:-1], {})
        elif line:
            name, sentence = line.split(": ", 1)
            section[name] = sentence
    return found


def documentation_of(section: str, name: str) -> str:
    """Return what a config means and, where it is so, that fakebus does not act on it.

    Args:
        section: the table, a key of :data:`TABLES`.
        name: the config.
    """
    sentence = sentences()[section][name]
    return sentence if TABLES[section][name].effective else f"{sentence} {NOT_EFFECTIVE}"
