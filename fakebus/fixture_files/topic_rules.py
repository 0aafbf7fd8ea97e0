"""Kafka's rules for the names and configs of topics, as problems of fixture files."""

from __future__ import annotations

import re

from fakebus.broker.configs.topic_keys import TOPIC_KEYS
from fakebus.fixture_files.problems import ProblemList, did_you_mean, quoted
from fakebus.fixture_files.yaml_tree import YamlEntry

_LEGAL = re.compile(r"[a-zA-Z0-9._-]+", re.ASCII)
_MAX_LENGTH = 249
_NAME_HINT = "use only the characters a-z A-Z 0-9 . _ -"
_INTERNAL = frozenset({"__consumer_offsets", "__transaction_state"})


def topic_name_problem(name: str) -> tuple[str, str] | None:
    """Return what is wrong with a topic's name and how to mend it, or ``None``.

    Source: Kafka's Topic.validate.
    """
    if len(name) > _MAX_LENGTH:
        return f"the topic name has {len(name)} characters, more than {_MAX_LENGTH}", "shorten it"
    if name in (".", ".."):
        return f"{quoted(name)} is not a topic name", _NAME_HINT
    if name in _INTERNAL:
        return f"the topic {quoted(name)} is internal to Kafka", "choose another name"
    if not _LEGAL.fullmatch(name):
        wrong = next(character for character in name if not _LEGAL.fullmatch(character))
        return f"the topic name {quoted(name)} holds {quoted(wrong)}", _NAME_HINT
    return None


def config_problem(name: str, text: str) -> tuple[str, str] | None:
    """Return what is wrong with a topic config and how to mend it, or ``None``."""
    key = TOPIC_KEYS.get(name)
    if key is None:
        return f"there is no topic config {quoted(name)}", did_you_mean(name, TOPIC_KEYS)
    problem = key.check(text)
    return None if problem is None else (f"the config {name}: {problem}", "")


def check_topic_config(name: str, text: str, entry: YamlEntry, problems: ProblemList) -> None:
    """Report a topic config that Kafka does not know or whose value it refuses."""
    problem = config_problem(name, text)
    if problem is not None:
        wrong = entry.value if name in TOPIC_KEYS else entry.key
        problems.add(wrong.position, *problem)
