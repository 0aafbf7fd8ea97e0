"""What a topic's events promise to those who read them, as ``fakebus.yaml`` says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from fakebus.fixture_files import matchers
from fakebus.fixture_files.model import TopicContract
from fakebus.fixture_files.problems import DataError, quoted
from fakebus.fixture_files.structure.declarations import WRONG, Model, Reading, declared
from fakebus.fixture_files.structure.kinds import mapping, text
from fakebus.fixture_files.structure.yaml_tree import YamlMapping, json_value

_PARTS = ("key", "value", "headers")


def _type_place(place: str) -> str:
    part, _, rest = place.partition(".")
    if part not in _PARTS or not rest:
        raise DataError(
            f"{quoted(place)} is not the place of an event's type",
            "write  headers.NAME  or  value.FIELD",
        )
    return place


def _read_match(node: YamlMapping, what: str, reading: Reading) -> Any:
    found = {}
    for event_type, entry in node.entries.items():
        wanted = json_value(entry.value)
        try:
            matchers.check(wanted)
        except DataError as error:
            reading.wrong(entry.value.position, str(error), error.hint)
            return WRONG
        found[event_type] = wanted
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract(Model):
    """Promise of a topic: which values carry a meaning, by the type of the event."""

    WHAT: ClassVar[str] = "a contract"

    type: str = declared(text(_type_place), default="")
    match: Mapping[str, Any] = declared(
        mapping(_read_match, {"type": ["object", "null"]}), default=dict
    )

    @property
    def of_topic(self) -> TopicContract:
        """The contract as the loaded topic has it."""
        return TopicContract(type=self.type, match=self.match)
