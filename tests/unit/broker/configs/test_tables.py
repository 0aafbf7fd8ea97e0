"""The tables as a whole: complete, consistent, and honest about what has an effect."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import fakebus
from fakebus.broker.configs import keys as config_keys
from fakebus.broker.configs.definition import ConfigKey, UpdateMode
from fakebus.broker.configs.keys import (
    BROKER_KEYS,
    GROUP_KEYS,
    NOT_EFFECTIVE,
    TABLES,
    TOPIC_KEYS,
    documentation_of,
    sentences,
)
from fakebus.broker.configs.topic_config import TopicConfig

PACKAGE = Path(fakebus.__file__).parent
CHECKOUT = PACKAGE.parent
ATTRIBUTES = {
    "max.message.bytes": "max_message_bytes",
    "cleanup.policy": "cleanup_policy|compact|delete",
    "retention.ms": "retention_ms",
    "retention.bytes": "retention_bytes",
    "message.timestamp.type": "log_append_time",
    "message.timestamp.before.max.ms": "timestamp_before_max_ms",
    "message.timestamp.after.max.ms": "timestamp_after_max_ms",
    "compression.type": "compression_type",
    "compression.gzip.level": "compression_level",
    "compression.lz4.level": "compression_level",
    "compression.zstd.level": "compression_level",
    "delete.retention.ms": "delete_retention_ms",
    "fakebus.producers": "producers",
    "min.compaction.lag.ms": "min_compaction_lag_ms",
    "min.insync.replicas": "min_in_sync_replicas",
    "max.compaction.lag.ms": "max_compaction_lag_ms",
    "min.cleanable.dirty.ratio": "min_cleanable_dirty_ratio",
    "segment.bytes": "segment_bytes",
    "internal.segment.bytes": "segment_bytes",
    "segment.ms": "segment_ms",
    "unclean.leader.election.enable": "unclean_leader_election",
    "confluent.key.schema.validation": "validate_keys",
    "confluent.key.subject.name.strategy": "key_subject_strategy",
    "confluent.value.schema.validation": "validate_values",
    "confluent.value.subject.name.strategy": "value_subject_strategy",
}
"""The attributes of TopicConfig that hold a topic config."""


def all_keys() -> list[ConfigKey]:
    return [key for table in TABLES.values() for key in table.values()]


def test_every_default_is_valid() -> None:
    wrong = [key.name for key in all_keys() if key.default is not None and key.check(key.default)]
    assert wrong == []


def test_tables_have_the_number_of_configs_that_kafka_4_3_has() -> None:
    shown = {
        section: sum(not (key.internal or key.name.startswith("fakebus.")) for key in keys.values())
        for section, keys in TABLES.items()
    }
    assert shown == {"topic": 33, "group": 17, "client metrics": 3, "broker": 340}


def test_every_synonym_is_a_broker_config_of_the_same_type_and_default() -> None:
    for keys in (TOPIC_KEYS, GROUP_KEYS):
        for key in keys.values():
            for synonym in key.synonyms:
                other = BROKER_KEYS[synonym]
                assert other.type is key.type, key.name
                if not other.synonyms:
                    assert (other.default, other.valid) == (key.default, key.valid) or key in (
                        GROUP_KEYS.values()
                    ), key.name


def test_only_broker_configs_have_a_limit_to_where_they_can_be_changed() -> None:
    for section, keys in TABLES.items():
        modes = {key.update for key in keys.values()}
        if section == "broker":
            assert UpdateMode.PER_RESOURCE not in modes
        else:
            assert modes == {UpdateMode.PER_RESOURCE}


def test_every_config_has_one_sentence_of_documentation() -> None:
    assert {section: set(keys) for section, keys in TABLES.items()} == {
        section: set(found) for section, found in sentences().items()
    }
    for section, keys in TABLES.items():
        for name in keys:
            sentence = sentences()[section][name]
            assert sentence.endswith("."), name
            assert ". " not in sentence, name


def test_the_tables_are_in_the_order_of_the_names() -> None:
    for table in TABLES.values():
        assert list(table) == sorted(table)


def test_every_flag_in_the_file_is_one_that_the_loader_knows() -> None:
    text = Path(config_keys.__file__).with_name("keys.txt").read_text(encoding="utf-8")
    flags = {
        flag
        for line in text.splitlines()
        if not line.startswith(("#", "[", "    "))
        for flag in line.split(" | ")[2:]
        if not flag.startswith("from ")
    }
    assert flags == {"acts", "internal", "per-broker", "cluster-wide"}


def test_documentation_says_when_a_config_has_no_effect() -> None:
    assert documentation_of("topic", "flush.ms").endswith(NOT_EFFECTIVE)
    assert NOT_EFFECTIVE not in documentation_of("topic", "retention.ms")


def source_outside_of_the_tables() -> str:
    return "\n".join(
        path.read_text(encoding="utf-8")
        for path in sorted(PACKAGE.rglob("*.py"))
        if PACKAGE / "broker" / "configs" not in path.parents
    )


def used_configs() -> dict[str, set[str]]:
    source = source_outside_of_the_tables()
    read = set(re.findall(r"get_(?:int|bool|str|float|list)\(\s*\"([a-z0-9.]+)\"", source))
    topic = {
        name
        for name, attributes in ATTRIBUTES.items()
        if re.search(rf"config\.({attributes})\b", source)
    }
    group = {name for name in GROUP_KEYS if name in read}
    broker = read & set(BROKER_KEYS)
    broker |= {synonym for name in topic for synonym in TOPIC_KEYS[name].synonyms}
    broker |= {synonym for name in group for synonym in GROUP_KEYS[name].synonyms}
    for kind, rest in (name.split(".", 1) for name in group):
        bounds = {f"group.{kind}.min.{rest}", f"group.{kind}.max.{rest.removeprefix('num.')}"}
        broker |= bounds & set(BROKER_KEYS)
    broker |= {other for name in broker for other in BROKER_KEYS[name].synonyms}
    return {"topic": topic, "broker": broker, "group": group, "client metrics": set()}


@pytest.mark.parametrize("section", TABLES)
def test_a_config_is_marked_as_effective_exactly_when_code_reads_it(section: str) -> None:
    marked = {name for name, key in TABLES[section].items() if key.effective}
    used = used_configs()[section]
    assert used - marked == set(), "code reads these: mark them with acts"
    assert marked - used == set(), "no code reads these: take acts out of their lines"


def test_the_attributes_of_topic_config_are_all_in_the_map_above() -> None:
    mapped = {name for names in ATTRIBUTES.values() for name in names.split("|")}
    others = {"__weakref__", "_values", "overrides", "looks_at_records"}
    assert mapped == set(TopicConfig.__slots__) - others


def test_units_belong_to_synonyms_of_configs_in_milliseconds() -> None:
    units = {name for name in BROKER_KEYS if name.endswith((".hours", ".minutes"))}
    for name in units - {"offsets.retention.minutes"}:
        assert BROKER_KEYS[name].synonyms[0].endswith(".ms")


def test_the_reference_is_current() -> None:
    tool = CHECKOUT / "tools" / "generate_config_docs.py"
    if not tool.exists():
        pytest.skip("the reference belongs to the checkout, not to an installed package")
    check = subprocess.run([sys.executable, str(tool), "--check"], cwd=CHECKOUT, check=False)
    assert check.returncode == 0, "run: python tools/generate_config_docs.py"
