"""The ``groups`` of a fixture set: consumer groups and where they start to read."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fakebus.fixture_files.model import StartOffset
from fakebus.fixture_files.problems import Position, ProblemList, quoted
from fakebus.fixture_files.yaml_fields import FieldReader
from fakebus.fixture_files.yaml_tree import YamlEntry, YamlMapping, YamlNode, YamlScalar

_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_OFFSETS_HINT = 'write  my-topic: {"*": earliest}'


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetSpec:
    """One entry of a group's offsets, as written."""

    topic: str
    topic_position: Position
    partition: int | None
    partition_position: Position
    start: StartOffset
    start_position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSpec:
    """A group, as written."""

    group: str
    position: Position
    offsets: tuple[OffsetSpec, ...]


def read_group(node: YamlNode, problems: ProblemList) -> GroupSpec | None:
    """Return a group, without the parts that are wrong; ``None`` if it has no name."""
    if not isinstance(node, YamlMapping):
        problems.add(node.position, "a group must be an object", "write  - group: my-group")
        return None
    fields = FieldReader(node, "a group", ("group", "offsets"), problems)
    name = fields.text("group", required=True)
    offsets: list[OffsetSpec] = []
    topics = fields.mapping("offsets", required=True)
    for topic, entry in topics.entries.items() if topics is not None else ():
        if not isinstance(entry.value, YamlMapping):
            problems.add(
                entry.value.position,
                f"the offsets of {quoted(topic)} must be given by partition",
                _OFFSETS_HINT,
            )
            continue
        for partition, inner in entry.value.entries.items():
            spec = _read_offset(topic, entry.key.position, partition, inner, problems)
            if spec is not None:
                offsets.append(spec)
    if name is None:
        return None
    return GroupSpec(group=name, position=fields.position("group"), offsets=tuple(offsets))


def _read_offset(
    topic: str, topic_position: Position, partition: str, entry: YamlEntry, problems: ProblemList
) -> OffsetSpec | None:
    if partition != "*" and not _NUMBER.fullmatch(partition):
        problems.add(
            entry.key.position,
            f"{quoted(partition)} is not a partition",
            'write a number, or "*" for all partitions',
        )
        return None
    start = _start(entry.value)
    if start is None:
        shown = quoted(entry.value.text) if isinstance(entry.value, YamlScalar) else "this"
        problems.add(
            entry.value.position,
            f"{shown} is not an offset",
            'write "earliest", "latest" or a number from 0',
        )
        return None
    return OffsetSpec(
        topic=topic,
        topic_position=topic_position,
        partition=None if partition == "*" else int(partition),
        partition_position=entry.key.position,
        start=start,
        start_position=entry.value.position,
    )


def _start(node: YamlNode) -> StartOffset | None:
    if not isinstance(node, YamlScalar):
        return None
    if node.text == "earliest":
        return "earliest"
    if node.text == "latest":
        return "latest"
    return int(node.text) if _NUMBER.fullmatch(node.text) else None
