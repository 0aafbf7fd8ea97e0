"""Texts such as ``num.partitions=3``, by which command line, environment and files set things."""

from __future__ import annotations

from collections.abc import Sequence

from fakebus.errors import ConfigError


def parse_assignments(values: Sequence[str]) -> dict[str, str]:
    """Return what ``KEY=VALUE`` texts assign; ConfigError for one that is none."""
    return {name.strip(): setting.strip() for name, setting in parse_pairs(values)}


def parse_pairs(values: Sequence[str]) -> list[tuple[str, str]]:
    """Return names and values of ``KEY=VALUE`` texts as they stand, a name as often as it comes.

    Raises:
        ConfigError: a text is none.
    """
    pairs = []
    for value in values:
        name, equals, setting = value.partition("=")
        if not equals or not name.strip():
            raise ConfigError(f"{value!r} is not KEY=VALUE: write a name, = and a value")
        pairs.append((name, setting))
    return pairs
