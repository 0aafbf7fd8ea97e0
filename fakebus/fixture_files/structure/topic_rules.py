"""Kafka's rules for the names and configs of topics, as problems of fixture files."""

from __future__ import annotations

from fakebus.broker import topic_names
from fakebus.broker.configs.keys import TOPIC_KEYS
from fakebus.fixture_files.problems import did_you_mean, quoted


def name_problem(name: str) -> tuple[str, str] | None:
    """Return what is wrong with a topic's name and how to mend it, or ``None``."""
    if topic_names.is_internal(name) or name == topic_names.CLUSTER_METADATA:
        return f"the topic {quoted(name)} is internal to Kafka", "choose another name"
    problem = topic_names.topic_name_problem(name)
    return None if problem is None else (problem, "write a name such as dev-orders")


def config_problem(name: str, text: str) -> tuple[str, str] | None:
    """Return what is wrong with a topic config and how to mend it, or ``None``."""
    key = TOPIC_KEYS.get(name)
    if key is None:
        return f"there is no topic config {quoted(name)}", did_you_mean(name, TOPIC_KEYS)
    problem = key.check(text)
    return None if problem is None else (f"the config {name}: {problem}", "")
