"""The rules of redaction: which fields and texts are about people or secret, from their table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import yaml

from fakebus.fixture_files.recording.field_names import name_parts

_TABLE = Path(__file__).with_name("redaction_rules.yaml")
_PERSON, _ADDRESS = "(person)", "(address)"
_ADDRESS_WORDS = frozenset(("address", "billing", "shipping", "delivery", "mailing", "postal"))
_SHORTEST_ENDING = 7
"""In letters; what is shorter is no sure part of a longer word."""
_NAME_OF_A_PERSON = re.compile(r"[^\W\d_][\w.'\u2019-]*(?: [^\W\d_][\w.'\u2019-]*){1,4}")

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Rule of the table; ``redaction_rules.yaml`` tells what its parts mean."""

    rule: str
    instead: str
    names: tuple[str, ...] = ()
    unless: frozenset[str] = frozenset()
    numbers: bool = False
    values: tuple[re.Pattern[str], ...] = ()
    needs: re.Pattern[str] = re.compile("")
    check: str = ""


class RuleTable:
    """Table of rules.

    Args:
        table: as it is read from the file.
    """

    def __init__(self, table: Mapping[str, Any]) -> None:
        self.rules = [_rule(each) for each in table["rules"]]
        self._with_values = [rule for rule in self.rules if rule.values]
        self._needs = re.compile("|".join(rule.needs.pattern for rule in self._with_values))
        self._people = {tuple(each.split()) for each in table["people"]}
        self._endings = frozenset(table["endings"])
        self._found: dict[tuple[str, str, bool], Rule | None] = {}
        self._tails: dict[Words, Rule] = {}
        """By the words that a name ends with; a mark in front stands for what comes before."""
        for rule in self.rules:
            for name in rule.names:
                self._tails.setdefault(tuple(name.split()), rule)
        self._joined = {
            "".join(words): rule
            for words, rule in self._tails.items()
            if words[0][0] != "(" and len("".join(words)) >= _SHORTEST_ENDING
        } | {"email": self._tails["email",]}

    @cached_property
    def by_name(self) -> Mapping[str, Rule]:
        """The rules by what they are called."""
        return {rule.rule: rule for rule in self.rules}

    def of_field(self, name: str, parent: str = "", *, is_person: bool = False) -> Rule | None:
        """Return the rule for a field, or for the items of a list.

        Args:
            name: the field's.
            parent: the field around it.
            is_person: whether other fields beside it are a person's.
        """
        key = name, parent, is_person
        if key not in self._found:
            self._found[key] = self._of_parts(name_parts(name), name_parts(parent), is_person)
        return self._found[key]

    def _of_parts(self, parts: Words, outside: Words, is_person: bool) -> Rule | None:
        while parts:
            found = self._of_words(parts, outside, is_person)
            if found is not None or parts[-1] not in self._endings:
                return found
            parts = parts[:-1]
        return None

    def for_values(self, text: str, name: str) -> Iterator[Rule]:
        """Yield the rules that may find something in a text of a field."""
        if self._needs.search(text) is None:
            return
        parts = name_parts(name)
        for rule in self._with_values:
            if rule.needs.search(text) and rule.unless.isdisjoint(parts):
                yield rule

    def of_named_person(self, name: str, text: str) -> Rule | None:
        """Return the rule for a text that is a person's name, in a field such as ``customer``."""
        if self._ends_with_person(name_parts(name)) and _NAME_OF_A_PERSON.fullmatch(text):
            return self.by_name["name"] if text.istitle() or text.isupper() else None
        return None

    def _of_words(self, parts: Words, outside: Words, is_person: bool) -> Rule | None:
        for length in range(min(len(parts), 4), 0, -1):
            tail, before = parts[-length:], parts[:-length]
            around = before or outside
            candidates = [self._tails.get(tail)]
            if self._ends_with_person(around) or (is_person and not before):
                candidates.append(self._tails.get((_PERSON, *tail)))
            if not _ADDRESS_WORDS.isdisjoint(around[-2:]):
                candidates.append(self._tails.get((_ADDRESS, *tail)))
            for rule in candidates:
                if rule is not None and rule.unless.isdisjoint(before):
                    return rule
        for ending, rule in self._joined.items():
            if parts[-1].endswith(ending) and rule.unless.isdisjoint(parts):
                return rule
        return None

    def _ends_with_person(self, parts: Words) -> bool:
        return bool(parts) and (parts[-1:] in self._people or parts[-2:] in self._people)


def _rule(entry: Mapping[str, Any]) -> Rule:
    return Rule(
        **{
            **entry,
            "names": tuple(entry.get("names", ())),
            "unless": frozenset(entry.get("unless", ())),
            "needs": re.compile(entry.get("needs", "")),
            "values": tuple(re.compile(each) for each in entry.get("values", ())),
        }
    )


@lru_cache(maxsize=1)
def rule_table() -> RuleTable:
    """Return the table that comes with fakebus."""
    return RuleTable(yaml.safe_load(_TABLE.read_text(encoding="utf-8")))
