"""Every kind of mistake, with the text that a user gets to see."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fakebus.fixture_files import directory_loading
from fakebus.fixture_files.loader import check_fixtures, load_fixtures
from fakebus.fixture_files.problems import (
    INVALID,
    FixtureError,
    FixtureProblem,
    Position,
    ProblemList,
)
from tests.unit.fixture_files.conftest import WriteSet

NOW_MS = 1_700_000_000_000

HEAD = "version: 1\n"
TOPIC = HEAD + "topics:\n  - {name: orders, partitions: 2, load: e.ndjson}\n"
GOOD = '{"key": "k", "value": 1}\n'
ALIAS_BOMB = (
    HEAD
    + "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n"
    + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 8))
)

YAML_CASES: dict[str, tuple[str | bytes, str]] = {
    "syntax": (
        HEAD + "topics: [",
        "fakebus.yaml:3:1: this is not YAML: did not find expected node content",
    ),
    "tab": (
        HEAD + "topics:\n\t- name: a\n",
        (
            "fakebus.yaml:3:1: this is not YAML: found character that cannot start "
            "any token; indent with spaces, and quote texts that begin with a sign"
        ),
    ),
    "colon": (
        HEAD + "seed: a: b\n",
        (
            "fakebus.yaml:2:8: this is not YAML: mapping values are not allowed in "
            'this context; quote texts that contain ": "'
        ),
    ),
    "two documents": (
        HEAD + "---\nversion: 1\n",
        (
            "fakebus.yaml:2:1: this is not YAML: found another document; keep one "
            'document in a file: remove the line "---"'
        ),
    ),
    "alias undefined": (
        HEAD + "topics: *all\n",
        (
            "fakebus.yaml:2:9: this is not YAML: found undefined alias; quote "
            'texts that begin with "*"'
        ),
    ),
    "duplicate key": (
        HEAD + "seed: 1\nseed: 2\n",
        ('fakebus.yaml:3:1: the field "seed" stands twice (first in line 2); remove one of them'),
    ),
    "nested too deep": (
        "[" * 50,
        "fakebus.yaml:1:33: this is not YAML: more than 32 levels are nested",
    ),
    "alias bomb": (
        ALIAS_BOMB,
        (
            "fakebus.yaml:2:14: aliases make the file larger than 100000 values or "
            "deeper than 32 levels; write the values out instead"
        ),
    ),
    "self alias": (
        HEAD + "topics: &a [*a]\n",
        (
            "fakebus.yaml:2:9: aliases make the file larger than 100000 values or "
            "deeper than 32 levels; write the values out instead"
        ),
    ),
    "merge": (
        HEAD + "<<: {seed: 1}\n",
        "fakebus.yaml:2:1: merge keys are not supported; write the fields out",
    ),
    "tag": (
        HEAD + "topics: !!python/none []\n",
        'fakebus.yaml:2:9: the tag "!!python/none" is not supported; remove the tag',
    ),
    "list key": (
        HEAD + "? [a]\n: b\n",
        "fakebus.yaml:2:3: the name of a field must be a text; quote the name",
    ),
    "empty": ("", "fakebus.yaml:1:1: the file is empty; begin with the line  version: 1"),
    "only comment": (
        "# nothing\n",
        "fakebus.yaml:1:1: the file is empty; begin with the line  version: 1",
    ),
    "not object": (
        "- a\n",
        ("fakebus.yaml:1:1: the file must be an object; begin with the line  version: 1"),
    ),
    "no version": (
        "topics: []\n",
        "fakebus.yaml:1:1: the file has no version; begin with  version: 1",
    ),
    "version 2": (
        "version: 2\n",
        (
            'fakebus.yaml:1:10: the version of the fixture format is "2"; this '
            "fakebus reads version 1; write  version: 1; the version of a set itself is its  "
            "release:"
        ),
    ),
    "set name": (
        HEAD + "name: a b\n",
        (
            'fakebus.yaml:2:7: "a b" is not a name for a set; write letters, digits, dots, dashes '
            "and underscores, such as parcel-events"
        ),
    ),
    "set release": (
        HEAD + "release: [1]\n",
        'fakebus.yaml:2:10: "release" must be a text, not a list',
    ),
    "unknown root": (
        HEAD + "topcis: []\n",
        ('fakebus.yaml:2:1: fakebus.yaml has no field "topcis"; did you mean "topics"?'),
    ),
    "subjects": (
        HEAD + "subjects: {a: b}\n",
        'fakebus.yaml:2:11: "subjects" must be a list, not an object; write  - before each',
    ),
    "topics not list": (
        HEAD + "topics: {a: b}\n",
        ('fakebus.yaml:2:9: "topics" must be a list, not an object; write  - before each'),
    ),
    "topic not object": (
        HEAD + "topics: [orders]\n",
        "fakebus.yaml:2:10: a topic must be an object; write  - name: my-topic",
    ),
    "no name": (
        HEAD + "topics: [{partitions: 1}]\n",
        'fakebus.yaml:2:10: a topic needs the field "name"; add  name:',
    ),
    "numeric name": (
        HEAD + "topics: [{name: 2024}]\n",
        ('fakebus.yaml:2:17: "name" must be a text, not a number; write it in quotes'),
    ),
    "empty name": (
        HEAD + 'topics: [{name: ""}]\n',
        'fakebus.yaml:2:17: "name" is empty; write a text',
    ),
    "bad name": (
        HEAD + 'topics: [{name: "a b"}]\n',
        "fakebus.yaml:2:17: the topic name 'a b' holds something else than ASCII letters, "
        "digits, '.', '_' and '-'; write a name such as dev-orders",
    ),
    "emoji": (
        HEAD + 'topics: [{name: "orders😀"}]\n',
        "fakebus.yaml:2:17: the topic name 'orders😀' holds something else than ASCII letters, "
        "digits, '.', '_' and '-'; write a name such as dev-orders",
    ),
    "dots": (
        HEAD + 'topics: [{name: ".."}]\n',
        "fakebus.yaml:2:17: '..' cannot be a topic name; write a name such as dev-orders",
    ),
    "long": (
        HEAD + f"topics: [{{name: {'a' * 250}}}]\n",
        "fakebus.yaml:2:17: the topic name has 250 characters, 249 are allowed; "
        "write a name such as dev-orders",
    ),
    "internal": (
        HEAD + "topics: [{name: __consumer_offsets}]\n",
        (
            'fakebus.yaml:2:17: the topic "__consumer_offsets" is internal to '
            "Kafka; choose another name"
        ),
    ),
    "collision": (
        HEAD + "topics: [{name: a.b}, {name: a_b}]\n",
        (
            'fakebus.yaml:2:30: the topic names "a_b" and "a.b" collide: Kafka '
            'takes "." and "_" for the same; rename one of them'
        ),
    ),
    "twice": (
        HEAD + "topics: [{name: a}, {name: a}]\n",
        (
            'fakebus.yaml:2:28: the topic "a" is defined twice (first in '
            "fakebus.yaml:2); remove one of them"
        ),
    ),
    "unknown topic field": (
        HEAD + "topics: [{name: a, partition: 3}]\n",
        ('fakebus.yaml:2:20: a topic has no field "partition"; did you mean "partitions"?'),
    ),
    "for the owner only": (
        HEAD + "topics: [{name: a, only_owner: true}]\n",
        (
            'fakebus.yaml:2:32: the topic "a" is for its owner only, and has none; '
            "name the service that writes it with  owner:"
        ),
    ),
    "unknown config": (
        HEAD + "topics: [{name: a, config: {retention.mss: 3}}]\n",
        (
            'fakebus.yaml:2:29: there is no topic config "retention.mss"; did you '
            'mean "retention.ms"?'
        ),
    ),
    "config value": (
        HEAD + "topics: [{name: a, config: {retention.ms: soon}}]\n",
        "fakebus.yaml:2:43: the config retention.ms: 'soon' is not a whole number",
    ),
    "config shape": (
        HEAD + "topics: [{name: a, config: {cleanup.policy: [delete, compact]}}]\n",
        (
            'fakebus.yaml:2:45: the config "cleanup.policy" must be a text, a '
            "number or a boolean; join several values with commas"
        ),
    ),
    "config null": (
        HEAD + "topics: [{name: a, config: {cleanup.policy: }}]\n",
        (
            'fakebus.yaml:2:45: the config "cleanup.policy" must be a text, a '
            "number or a boolean; join several values with commas"
        ),
    ),
    "config list": (
        HEAD + "topics: [{name: a, config: [x]}]\n",
        ('fakebus.yaml:2:28: "config" must be an object, not a list; write  name: value'),
    ),
    "partitions 0": (
        HEAD + "topics: [{name: a, partitions: 0}]\n",
        'fakebus.yaml:2:32: "partitions" is 0; write a number from 1 to 10000',
    ),
    "partitions text": (
        HEAD + "topics: [{name: a, partitions: three}]\n",
        (
            'fakebus.yaml:2:32: "partitions" must be a whole number, not "three"; '
            "write a number from 1 to 10000"
        ),
    ),
    "partitions float": (
        HEAD + "topics: [{name: a, partitions: 1.5}]\n",
        (
            'fakebus.yaml:2:32: "partitions" must be a whole number, not "1.5"; '
            "write a number from 1 to 10000"
        ),
    ),
    "partitions huge": (
        HEAD + "topics: [{name: a, partitions: 99999999999999999999}]\n",
        (
            'fakebus.yaml:2:32: "partitions" must be a whole number, not '
            '"99999999999999999999"; write a number from 1 to 10000'
        ),
    ),
    "format": (
        HEAD + "topics: [{name: a, value: {format: jsn}}]\n",
        'fakebus.yaml:2:36: there is no format "jsn"; did you mean "json"?',
    ),
    "format avro": (
        HEAD + "topics: [{name: a, value: {format: avro}}]\n",
        (
            "fakebus.yaml:2:36: the format avro needs a subject; "
            'add "subject": the name of one under subjects'
        ),
    ),
    "value subject": (
        HEAD + "topics: [{name: a, value: {subject: x}}]\n",
        ('fakebus.yaml:2:27: there is no subject "x"; add it under subjects'),
    ),
    "value shape": (
        HEAD + "topics: [{name: a, value: json}]\n",
        ('fakebus.yaml:2:27: "value" must be an object, not a text; write  value: {format: json}'),
    ),
    "headers shape": (
        HEAD + "topics: [{name: a, headers: text}]\n",
        (
            'fakebus.yaml:2:29: "headers" must be a list or an object, not a text; '
            'write [["name", "value"], ...] or {"name": "value"}'
        ),
    ),
    "headers pair": (
        HEAD + "topics: [{name: a, headers: [[a, b, c]]}]\n",
        (
            "fakebus.yaml:2:29: a header in a list must be a pair of name and "
            'value; write [["name", "value"], ...] or {"name": "value"}'
        ),
    ),
    "owner": (
        HEAD + "topics: [{name: a, owner: [x]}]\n",
        'fakebus.yaml:2:27: "owner" must be a text, not a list',
    ),
    "consumers": (
        HEAD + "topics: [{name: a, consumers: [1]}]\n",
        (
            'fakebus.yaml:2:32: an entry of "consumers" must be a text, not a '
            "number; write it in quotes"
        ),
    ),
    "partitioner": (
        HEAD + "partitioner: murmur3\n",
        ('fakebus.yaml:2:14: there is no partitioner "murmur3"; did you mean "murmur2"?'),
    ),
    "topic partitioner": (
        HEAD + "topics: [{name: a, partitioner: crc32}]\n",
        (
            'fakebus.yaml:2:33: there is no partitioner "crc32"; known: '
            "consistent, consistent_random, fnv1a, fnv1a_random, murmur2, "
            "murmur2_random"
        ),
    ),
    "seed": (
        HEAD + "seed: abc\n",
        (
            'fakebus.yaml:2:7: "seed" must be a whole number, not "abc"; write a '
            "number from -9223372036854775808 to 9223372036854775807"
        ),
    ),
    "anchor": (
        HEAD + "clock: {anchor: tomorrow}\n",
        (
            'fakebus.yaml:2:17: the anchor "tomorrow" is not a point in time; '
            'write "now" or an instant such as "2024-05-01T09:00:00Z"'
        ),
    ),
    "tz": (
        HEAD + "clock: {tz: Europe/Atlantis}\n",
        (
            'fakebus.yaml:2:13: there is no time zone "Europe/Atlantis"; write a '
            'name such as "UTC" or "Europe/Berlin"'
        ),
    ),
    "tz path": (
        HEAD + "clock: {tz: ../../etc/passwd}\n",
        (
            'fakebus.yaml:2:13: there is no time zone "../../etc/passwd"; write a '
            'name such as "UTC" or "Europe/Berlin"'
        ),
    ),
    "clock field": (
        HEAD + "clock: {zone: UTC}\n",
        'fakebus.yaml:2:9: clock has no field "zone"; known: anchor, tz',
    ),
    "load dir": (
        HEAD + "topics: [{name: a, load: .}]\n",
        ('fakebus.yaml:2:26: the file "." cannot be read: it is not a regular file'),
    ),
    "load outside": (
        HEAD + "topics: [{name: a, load: ../../etc/passwd}]\n",
        (
            'fakebus.yaml:2:26: the path "../../etc/passwd" leaves the fixture '
            "directory; write a path inside the fixture directory, relative to "
            "this file"
        ),
    ),
    "load absolute": (
        HEAD + "topics: [{name: a, load: /etc/passwd}]\n",
        (
            'fakebus.yaml:2:26: the path "/etc/passwd" is absolute; write a path '
            "inside the fixture directory, relative to this file"
        ),
    ),
    "load empty": (
        HEAD + 'topics: [{name: a, load: ""}]\n',
        'fakebus.yaml:2:26: an entry of "load" is empty; write a text',
    ),
    "load twice": (
        HEAD + "topics: [{name: a, load: [e.ndjson, ./e.ndjson]}]\n",
        (
            'fakebus.yaml:2:37: the file "e.ndjson" is loaded twice (first in '
            "fakebus.yaml:2); load it once; with include its lines may name "
            "several topics"
        ),
    ),
    "include self": (
        HEAD + "include: [fakebus.yaml]\n",
        ('fakebus.yaml:2:11: the file "fakebus.yaml" is included twice; include it once'),
    ),
    "include other": (
        HEAD + "include: [data.txt]\n",
        (
            'fakebus.yaml:2:11: "data.txt" cannot be included; include .yaml '
            "files, or .ndjson files with events"
        ),
    ),
    "group no name": (
        HEAD + "groups: [{offsets: {}}]\n",
        'fakebus.yaml:2:10: a group needs the field "group"; add  group:',
    ),
    "group no offsets": (
        HEAD + "groups: [{group: g}]\n",
        'fakebus.yaml:2:10: a group needs the field "offsets"; add  offsets:',
    ),
    "group shape": (
        HEAD + "groups: [g]\n",
        "fakebus.yaml:2:10: a group must be an object; write  - group: my-group",
    ),
    "group topic": (
        TOPIC + 'groups: [{group: g, offsets: {order: {"*": earliest}}}]\n',
        'fakebus.yaml:4:31: there is no topic "order"; did you mean "orders"?',
    ),
    "group partition": (
        TOPIC + "groups: [{group: g, offsets: {orders: {2: earliest}}}]\n",
        ("fakebus.yaml:4:40: there is no partition 2: orders has 2; write a number from 0 to 1"),
    ),
    "group partition text": (
        TOPIC + "groups: [{group: g, offsets: {orders: {all: earliest}}}]\n",
        ('fakebus.yaml:4:40: "all" is not a partition; write a number, or "*" for all partitions'),
    ),
    "group offset": (
        TOPIC + "groups: [{group: g, offsets: {orders: {0: begin}}}]\n",
        (
            'fakebus.yaml:4:43: "begin" is not an offset; write "earliest", '
            '"latest" or a number from 0'
        ),
    ),
    "group offset negative": (
        TOPIC + "groups: [{group: g, offsets: {orders: {0: -1}}}]\n",
        ('fakebus.yaml:4:43: "-1" is not an offset; write "earliest", "latest" or a number from 0'),
    ),
    "group offset beyond": (
        TOPIC + "groups: [{group: g, offsets: {orders: {0: 5}}}]\n",
        (
            "fakebus.yaml:4:43: the offset 5 lies beyond the end of orders-0, "
            'which is 0; write "latest" for the end'
        ),
    ),
    "group offset shape": (
        TOPIC + "groups: [{group: g, offsets: {orders: earliest}}]\n",
        (
            'fakebus.yaml:4:39: the offsets of "orders" must be given by '
            'partition; write  my-topic: {"*": earliest}'
        ),
    ),
    "service almost of another name": (
        TOPIC.replace("name: orders", "name: orders, consumers: [billing]")
        + "services: {biling: {groups: b}}\n",
        (
            'fakebus.yaml:4:20: no topic and no subject names the service "biling"; did you mean '
            '"billing"? If both exist, describe the other one, too: under services'
        ),
    ),
    "unknown field of a service": (
        TOPIC + "services: {billing: {group: [b]}}\n",
        'fakebus.yaml:4:22: a service has no field "group"; did you mean "groups"?',
    ),
    "kind of ids": (
        TOPIC + "lineage: {headers: [{name: x-order, kind: corelation}]}\n",
        'fakebus.yaml:4:43: there is no kind "corelation" of ids; did you mean "correlation"?',
    ),
    "coding of ids": (
        TOPIC + "lineage: {headers: [{name: x-order, kind: cause, coding: utf8}]}\n",
        (
            'fakebus.yaml:4:58: there is no coding "utf8" of ids; known: bytes, dashed, '
            "decimal, digits, elastic, hex, int32, int64, jaeger, text, traceparent"
        ),
    ),
    "ids at no path": (
        TOPIC + "lineage: {fields: [{path: a..b, kind: cause}]}\n",
        (
            "fakebus.yaml:4:27: 'a..b' is no JMESPath expression: Expecting: ['quoted_identifier', "
            "'unquoted_identifier', 'lbracket', 'lbrace'], got: dot: Parse error at column 2, "
            'token "." (DOT); write a path such as  order.id'
        ),
    ),
    "header with ids twice": (
        TOPIC
        + "lineage: {headers: [{name: X_Order, kind: cause}, {name: x-order, kind: identity}]}\n",
        (
            "fakebus.yaml:4:58: the header x-order has the id identity in text here and cause in "
            "text in fakebus.yaml:4; say the same in both, or leave it to one of them"
        ),
    ),
    "group twice": (
        TOPIC
        + (
            "groups: [{group: g, offsets: {orders: {0: 0}}}, {group: g, offsets: "
            "{orders: {1: 0}}}]\n"
        ),
        (
            'fakebus.yaml:4:57: the group "g" is defined twice (first in '
            "fakebus.yaml:4); write all its offsets in one place"
        ),
    ),
    "bom": (
        b"\xef\xbb\xbfversion: 1\n",
        (
            "fakebus.yaml:1:1: the file begins with a byte order mark (BOM); save "
            "the file as UTF-8 without a byte order mark"
        ),
    ),
    "utf16": (
        "version: 1\n".encode("utf-16"),
        (
            "fakebus.yaml:1:1: the file is UTF-16 or UTF-32; save the file as "
            "UTF-8 without a byte order mark"
        ),
    ),
    "nul": (HEAD + "seed: \x00\n", "fakebus.yaml:2:7: the file holds a NUL byte; remove it"),
    "latin1": (
        b"version: 1\n# caf\xe9\n",
        "fakebus.yaml:2:6: byte 0xe9 is not UTF-8; save the file as UTF-8",
    ),
    "control": (
        HEAD + "seed: \x07\n",
        "fakebus.yaml:2:7: this is not YAML: control characters are not allowed",
    ),
}

EVENT_CASES: dict[str, tuple[str | bytes, str]] = {
    "not json": (
        '{"key": "k" "value": 1}',
        (
            "e.ndjson:1:13: this is not JSON: expecting ',' delimiter; write one "
            'object per line, such as {"key": "k", "value": {"n": 1}}'
        ),
    ),
    "comment": (
        "# hello",
        (
            "e.ndjson:1:1: this is not JSON: expecting value; NDJSON has no "
            "comments; remove the line"
        ),
    ),
    "trailing comma": (
        '{"key": "k", "value": 1},',
        ("e.ndjson:1:25: this is not JSON: extra data; remove the comma at the end of the line"),
    ),
    "single quotes": (
        "{'key': 'k'}",
        (
            "e.ndjson:1:2: this is not JSON: expecting property name enclosed in "
            "double quotes; use double quotes"
        ),
    ),
    "list": (
        "[1]",
        (
            "e.ndjson:1:1: an event must be an object, not a list; write one "
            'object per line, such as {"key": "k", "value": {"n": 1}}'
        ),
    ),
    "number": (
        "5",
        (
            "e.ndjson:1:1: an event must be an object, not a number; write one "
            'object per line, such as {"key": "k", "value": {"n": 1}}'
        ),
    ),
    "nan": ('{"value": NaN}', "e.ndjson:1:1: JSON has no NaN; write null or a text"),
    "dup": (
        '{"value": {"a": 1, "a": 2}}',
        'e.ndjson:1:1: the field "a" stands twice in one object; remove one',
    ),
    "deep": (
        '{"value": ' + "[" * 100_000 + "]" * 100_000 + "}",
        "e.ndjson:1:1: the JSON is nested too deeply; flatten it",
    ),
    "digits": (
        '{"value": ' + "9" * 5000 + "}",
        "e.ndjson:1:1: a number has too many digits; write it as a text",
    ),
    "inf": (
        '{"value": 1e999}',
        (
            'e.ndjson:1:11: "value": a number is NaN, infinite or too large for JSON; '
            "write it as a text"
        ),
    ),
    "surrogate": (
        '{"value": "\\ud800"}',
        (
            'e.ndjson:1:11: "value": a text holds half of a surrogate pair; write '
            "the character itself, or both halves"
        ),
    ),
    "unknown": (
        '{"valeu": 1, "value": 2}',
        'e.ndjson:1:11: an event has no field "valeu"; did you mean "value"?',
    ),
    "generate": (
        '{"generate": {}, "value": 2}',
        (
            'e.ndjson:1:14: an event has no field "generate"; known: after, at, headers, '
            "id, key, offset, partition, tags, topic, value"
        ),
    ),
    "no value": (
        '{"key": "k"}',
        ('e.ndjson:1:1: the event has no value; write "value": null for a tombstone'),
    ),
    "topic type": (
        '{"topic": 5, "value": 1}',
        'e.ndjson:1:11: "topic" must be a text, not a number; write a text',
    ),
    "topic other": (
        '{"topic": "payments", "value": 1}',
        (
            'e.ndjson:1:11: the event names the topic "payments", but its file is '
            'loaded by "orders"; remove "topic", or load the file with include'
        ),
    ),
    "id empty": (
        '{"id": "", "value": 1}',
        'e.ndjson:1:8: "id" must be a text, not empty; write a text',
    ),
    "id spaces": (
        '{"id": "a b", "value": 1}',
        'e.ndjson:1:8: an id must not hold spaces; write "id": "order-7"',
    ),
    "id twice": (
        '{"id": "a", "value": 1}\n{"id": "a", "value": 1}',
        (
            'e.ndjson:2:8: the id "a" is used twice (first in e.ndjson:1); give '
            "each event its own id"
        ),
    ),
    "at bad": (
        '{"at": "yesterday", "value": 1}',
        (
            'e.ndjson:1:8: "yesterday" is not a point in time; write an instant '
            'such as "2024-05-01T09:00:00Z" or an offset from the anchor such as '
            '"-2d3h" or "+30s" (units: w d h m s ms, in this order)'
        ),
    ),
    "at duration": (
        '{"at": "-2x", "value": 1}',
        (
            'e.ndjson:1:8: "-2x" is not a duration; write an instant such as '
            '"2024-05-01T09:00:00Z" or an offset from the anchor such as "-2d3h" '
            'or "+30s" (units: w d h m s ms, in this order)'
        ),
    ),
    "at early": (
        '{"at": "1969-01-01", "value": 1}',
        (
            "e.ndjson:1:8: the time lies before 1970 or after 9999; write an "
            'instant such as "2024-05-01T09:00:00Z" or an offset from the anchor '
            'such as "-2d3h" or "+30s" (units: w d h m s ms, in this order)'
        ),
    ),
    "at future": (
        '{"at": "+2d", "value": 1}',
        (
            "e.ndjson:1:8: the event's time 2023-11-16T22:13:20+00:00 lies too far "
            "after the present, 2023-11-14T22:13:20+00:00; move it, or raise "
            "message.timestamp.after.max.ms = 3600000 in the topic's config"
        ),
    ),
    "at+after": (
        '{"at": "-1d", "after": "a", "value": 1}',
        'e.ndjson:1:24: "at" and "after" exclude each other; remove one',
    ),
    "after unknown": (
        '{"id": "order-1", "value": 1}\n{"after": "order-2 +5s", "value": 1}',
        ('e.ndjson:2:11: there is no event with the id "order-2"; did you mean "order-1"?'),
    ),
    "after bad": (
        '{"after": "a b c", "value": 1}',
        (
            'e.ndjson:1:11: "after": it must be an id and a delay; write "after": '
            '"id-of-an-event +5s"'
        ),
    ),
    "after neg": (
        '{"id": "a", "value": 1}\n{"after": "a -5s", "value": 1}',
        (
            'e.ndjson:2:11: "after": the delay must not be negative; write '
            '"after": "id-of-an-event +5s"'
        ),
    ),
    "cycle": (
        ('{"id": "a", "after": "b +1s", "value": 1}\n{"id": "b", "after": "a +1s", "value": 1}'),
        ('e.ndjson:1:22: the events wait for each other: a after b after a; give one of them "at"'),
    ),
    "self": (
        '{"id": "a", "after": "a", "value": 1}',
        ('e.ndjson:1:22: the events wait for each other: a after a; give one of them "at"'),
    ),
    "partition range": (
        '{"partition": 2, "value": 1}',
        (
            "e.ndjson:1:15: there is no partition 2: orders has 2; write a number "
            "from 0 to 1, or give the topic more partitions"
        ),
    ),
    "partition type": (
        '{"partition": "1", "value": 1}',
        (
            'e.ndjson:1:15: "partition" must be a whole number from 0; leave it '
            "out to let the key decide"
        ),
    ),
    "partition bool": (
        '{"partition": true, "value": 1}',
        (
            'e.ndjson:1:15: "partition" must be a whole number from 0; leave it '
            "out to let the key decide"
        ),
    ),
    "tags": (
        '{"tags": "demo", "value": 1}',
        'e.ndjson:1:10: "tags" must be a list of texts; write ["demo"]',
    ),
    "key type": (
        '{"key": 5, "value": 1}',
        (
            'e.ndjson:1:9: "key": the format string needs a text, not a number; '
            'write it in quotes, or use {"type": "json", "data": ...}'
        ),
    ),
    "base64": (
        '{"value": {"type": "binary", "data": "?"}}',
        (
            'e.ndjson:1:11: "value": the data is not base64; write it with the '
            'letters A-Za-z0-9+/ and "=" padding'
        ),
    ),
    "base64 num": (
        '{"value": {"type": "binary", "data": 5}}',
        (
            'e.ndjson:1:11: "value": the format binary needs base64 text, not a '
            'number; write the bytes as base64, for example "AAEC"'
        ),
    ),
    "fmt": (
        '{"value": {"type": "jsom", "data": 5}}',
        (
            'e.ndjson:1:11: "value": there is no format "jsom"; did you mean '
            '"json"?; a payload of its own with the fields "type", "subject", "version" '
            'and "data" is written {"data": {...}}'
        ),
    ),
    "fmt type": (
        '{"value": {"type": 5, "data": 5}}',
        (
            'e.ndjson:1:11: "value": "type" must be the name of a format; a payload of '
            'its own with the fields "type", "subject", "version" and "data" is written '
            '{"data": {...}}'
        ),
    ),
    "avro": (
        '{"value": {"type": "AVRO", "data": 5}}',
        (
            'e.ndjson:1:11: "value": the format avro needs a subject; add "subject": the '
            'name of one under subjects; a payload of its own with the fields "type", '
            '"subject", "version" and "data" is written {"data": {...}}'
        ),
    ),
    "null data": (
        '{"value": {"type": "null", "data": 5}}',
        (
            'e.ndjson:1:11: "value": the format null takes no data, but a number '
            'is given; leave "data" out'
        ),
    ),
    "headers": (
        '{"headers": "x", "value": 1}',
        (
            'e.ndjson:1:13: "headers" must be a list or an object, not a text; '
            'write [["name", "value"], ...] or {"name": "value"}'
        ),
    ),
    "header pair": (
        '{"headers": [["a"]], "value": 1}',
        (
            "e.ndjson:1:13: a header in a list must be a pair of name and value; "
            'write [["name", "value"], ...] or {"name": "value"}'
        ),
    ),
    "header num": (
        '{"headers": {"a": 1}, "value": 1}',
        (
            'e.ndjson:1:13: the header "a" must be a text, not a number; write a '
            'text, null, {"type": "binary", "data": "AAEC"} or a $ function'
        ),
    ),
    "header b64": (
        '{"headers": {"a": {"type":"binary","data":"x"}}, "value": 1}',
        (
            'e.ndjson:1:13: the header "a": the data is not base64; write it with '
            'the letters A-Za-z0-9+/ and "=" padding'
        ),
    ),
    "fn": (
        '{"value": {"$uid": "x"}}',
        (
            'e.ndjson:1:11: "value": there is no function "$uid"; did you mean '
            '"$uuid"?; a name that is data is written "$$uid"'
        ),
    ),
    "fn arg": (
        '{"value": {"$uuid": 5}}',
        (
            'e.ndjson:1:11: "value": $uuid needs a name as text, not a number; '
            'write {"$uuid": "any-name"}; the same name gives the same UUID'
        ),
    ),
    "fn opt": (
        '{"value": {"$uuid": "a", "as": "hex"}}',
        'e.ndjson:1:11: "value": $uuid has no option "as"; remove it',
    ),
    "fn time": (
        '{"value": {"$time": "soon"}}',
        (
            'e.ndjson:1:11: "value": "soon" is not a point in time; write an '
            'instant such as "2024-05-01T09:00:00Z" or an offset from the anchor '
            'such as "-2d3h" or "+30s" (units: w d h m s ms, in this order), or '
            '"at" for the time of the event'
        ),
    ),
    "fn as": (
        '{"value": {"$time": "-1d", "as": "millis"}}',
        (
            'e.ndjson:1:11: "value": $time cannot be written as "millis"; known: '
            "date, iso, timestamp-micros, timestamp-millis, timestamp-nanos, timestamp-seconds, "
            'timestamp-seconds-float; or show it, as in "YYYY-MM-DDThh:mm:ss.fffZ"'
        ),
    ),
    "fn header": (
        '{"headers": {"h": {"$time": "soon"}}, "value": 1}',
        (
            'e.ndjson:1:13: the header "h": "soon" is not a point in time; write '
            'an instant such as "2024-05-01T09:00:00Z" or an offset from the '
            'anchor such as "-2d3h" or "+30s" (units: w d h m s ms, in this '
            'order), or "at" for the time of the event'
        ),
    ),
    "empty": (
        "",
        (
            "e.ndjson:1:1: the file has no events; add one on a line of its own, "
            "or do not load the file"
        ),
    ),
    "blank": (
        "\n \n\t\n",
        (
            "e.ndjson:1:1: the file has no events; add one on a line of its own, "
            "or do not load the file"
        ),
    ),
    "bom": (
        b'\xef\xbb\xbf{"value": 1}',
        (
            "e.ndjson:1:1: the file begins with a byte order mark (BOM); save the "
            "file as UTF-8 without a byte order mark"
        ),
    ),
    "nul": (
        b'{"value": 1}\n{"value": "\x00"}',
        "e.ndjson:2:12: the file holds a NUL byte; remove it",
    ),
    "latin1": (
        b'{"value": 1}\n{"value": "\xe9"}',
        "e.ndjson:2:12: byte 0xe9 is not UTF-8; save the file as UTF-8",
    ),
    "indent": (
        '{"value": 1}\n   {"partition": 9, "value": 1}',
        (
            "e.ndjson:2:18: there is no partition 9: orders has 2; write a number "
            "from 0 to 1, or give the topic more partitions"
        ),
    ),
}


def texts(root: Path) -> list[str]:
    prefix = f"{root}{os.sep}"
    return [
        str(problem).replace(prefix, "")
        for problem in check_fixtures(root, now_ms=NOW_MS)
        if problem.rule == INVALID
    ]


@pytest.mark.parametrize(("text", "expected"), YAML_CASES.values(), ids=YAML_CASES.keys())
def test_mistake_in_the_yaml_is_told_with_its_place(
    write_set: WriteSet, text: str | bytes, expected: str
) -> None:
    root = write_set({"fakebus.yaml": text, "e.ndjson": GOOD, "data.txt": ""})
    assert texts(root) == [expected]


@pytest.mark.parametrize(("text", "expected"), EVENT_CASES.values(), ids=EVENT_CASES.keys())
def test_mistake_in_an_event_is_told_with_its_place(
    write_set: WriteSet, text: str | bytes, expected: str
) -> None:
    assert texts(write_set({"fakebus.yaml": TOPIC, "e.ndjson": text})) == [expected]


def test_missing_files_are_told_where_they_are_named(write_set: WriteSet) -> None:
    text = HEAD + "include: [more.yaml]\ntopics:\n  - {name: a, load: [b.ndjson]}\n"
    root = write_set({"fakebus.yaml": text})
    hint = "create it or mend the path"
    assert texts(root) == [
        f'fakebus.yaml:2:11: there is no file "more.yaml" in {root}; {hint}',
        f'fakebus.yaml:4:22: there is no file "b.ndjson" in {root}; {hint}',
    ]


def test_missing_root_file_is_told(write_set: WriteSet) -> None:
    root = write_set({"other.yaml": HEAD})
    assert texts(root) == [
        f'fakebus.yaml:1:1: there is no file "fakebus.yaml" in {root}; create it or mend the path'
    ]


def test_missing_directory_is_told(tmp_path: Path) -> None:
    root = tmp_path / "none"
    assert texts(root) == [
        f"fakebus.yaml:1:1: there is no directory {root}; create it with a file fakebus.yaml: "
        "fakebus fixtures init"
    ]


def test_a_file_instead_of_a_directory_is_told(write_set: WriteSet) -> None:
    file = write_set({"fakebus.yaml": HEAD}) / "fakebus.yaml"
    [problem] = check_fixtures(file)
    assert str(problem) == (
        f"{file}:1:1: {file} is a file; a fixture set is a directory with a file fakebus.yaml; "
        f"write {file.parent}"
    )


def test_link_out_of_the_directory_is_refused(write_set: WriteSet, tmp_path: Path) -> None:
    (tmp_path / "secret.ndjson").write_text(GOOD)
    root = write_set({"fakebus.yaml": TOPIC})
    (root / "e.ndjson").symlink_to(tmp_path / "secret.ndjson")
    assert texts(root) == [
        'fakebus.yaml:3:41: the path "e.ndjson" leaves the fixture directory; '
        "write a path inside the fixture directory, relative to this file"
    ]


def test_link_to_itself_is_refused(write_set: WriteSet) -> None:
    root = write_set({"fakebus.yaml": TOPIC})
    (root / "e.ndjson").symlink_to("e.ndjson")
    (problem,) = check_fixtures(root, now_ms=NOW_MS)
    assert (problem.line, problem.column) == (3, 41)


def test_pipe_is_refused_without_waiting_for_it(write_set: WriteSet) -> None:
    root = write_set({"fakebus.yaml": TOPIC})
    os.mkfifo(root / "e.ndjson")
    assert texts(root) == [
        'fakebus.yaml:3:41: the file "e.ndjson" cannot be read: it is not a regular file'
    ]


def test_too_large_yaml_is_refused(write_set: WriteSet) -> None:
    root = write_set({"fakebus.yaml": HEAD + "#" * (1 << 20)})
    assert texts(root) == [
        'fakebus.yaml:1:1: the file "fakebus.yaml" cannot be read: '
        "it has 1048587 bytes; at most 1048576 are allowed"
    ]


def test_configs_that_contradict_each_other_are_told(write_set: WriteSet) -> None:
    text = HEAD + (
        "topics:\n  - name: a\n    config: {min.compaction.lag.ms: 10, max.compaction.lag.ms: 5}\n"
    )
    assert texts(write_set({"fakebus.yaml": text})) == [
        "fakebus.yaml:3:11: the configs of a contradict each other: "
        "min.compaction.lag.ms (10) is larger than max.compaction.lag.ms (5)"
    ]


def test_compacted_topic_needs_keys(write_set: WriteSet) -> None:
    text = HEAD + "topics: [{name: a, config: {cleanup.policy: compact}, load: e.ndjson}]\n"
    assert texts(write_set({"fakebus.yaml": text, "e.ndjson": GOOD + '{"value": 1}\n'})) == [
        "e.ndjson:2:1: the event has no key, but a is compacted; "
        'add "key", or take "compact" out of cleanup.policy'
    ]


def test_event_beyond_max_message_bytes_is_told_with_its_exact_size(write_set: WriteSet) -> None:
    def problems(length: int) -> list[str]:
        text = HEAD + "topics: [{name: a, config: {max.message.bytes: 100}, load: e.ndjson}]\n"
        event = f'{{"value": "{"x" * length}"}}'
        return texts(write_set({"fakebus.yaml": text, "e.ndjson": event}))

    # 61 bytes of batch header, 7 of the record's own and two quotes.
    assert problems(30) == []
    assert problems(31) == [
        "e.ndjson:1:1: the event takes 101 bytes, more than max.message.bytes = 100 of a; "
        "make it smaller, or set max.message.bytes in the topic's config"
    ]


def test_event_too_old_for_its_topic_is_told(write_set: WriteSet) -> None:
    text = HEAD + (
        "topics:\n  - name: a\n    load: e.ndjson\n"
        "    config: {message.timestamp.before.max.ms: 1000}\n"
    )
    root = write_set({"fakebus.yaml": text, "e.ndjson": '{"value": 1, "at": "-2s"}'})
    assert texts(root) == [
        "e.ndjson:1:20: the event's time 2023-11-14T22:13:18+00:00 lies too far before the "
        "present, 2023-11-14T22:13:20+00:00; move it, or raise "
        "message.timestamp.before.max.ms = 1000 in the topic's config"
    ]


def test_set_of_too_many_events_is_told_once(
    write_set: WriteSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_loading, "MAX_EVENTS", 3)
    assert texts(write_set({"fakebus.yaml": TOPIC, "e.ndjson": GOOD * 3})) == []
    assert texts(write_set({"e.ndjson": GOOD * 9})) == [
        "e.ndjson:4:1: the set has more than 3 events; split it into several directories"
    ]


def test_offset_for_all_partitions_must_be_in_the_shortest(write_set: WriteSet) -> None:
    text = TOPIC + 'groups: [{group: g, offsets: {orders: {"*": 2}}}]\n'
    events = '{"value": 1, "partition": 0}\n' * 2 + '{"value": 1, "partition": 1}\n'
    assert texts(write_set({"fakebus.yaml": text, "e.ndjson": events})) == [
        "fakebus.yaml:4:45: the offset 2 lies beyond the end of a partition of orders, which is 1; "
        'write "latest" for the end'
    ]


def test_event_in_an_included_file_must_name_a_topic_of_the_set(write_set: WriteSet) -> None:
    text = HEAD + "include: [e.ndjson]\ntopics: [{name: orders}]\n"
    events = '{"value": 1}\n{"topic": "order", "value": 1}\n{"topic": "orders", "value": 1}'
    assert texts(write_set({"fakebus.yaml": text, "e.ndjson": events})) == [
        "e.ndjson:1:1: the event names no topic, and no topic loads this file; "
        'add "topic", or load the file from a topic',
        'e.ndjson:2:11: there is no topic "order"; did you mean "orders"?',
    ]


def test_file_loaded_by_two_topics_is_told_with_both_places(write_set: WriteSet) -> None:
    text = HEAD + "topics:\n  - {name: a, load: e.ndjson}\n  - {name: b, load: e.ndjson}\n"
    assert texts(write_set({"fakebus.yaml": text, "e.ndjson": GOOD})) == [
        'fakebus.yaml:4:21: the file "e.ndjson" is loaded twice (first in fakebus.yaml:3); '
        "load it once; with include its lines may name several topics"
    ]


def test_all_problems_of_all_files_come_together_and_in_order(write_set: WriteSet) -> None:
    text = HEAD + (
        "sed: 1\ntopics:\n  - {name: a, partitions: 0, load: e.ndjson}\n"
        'groups:\n  - {group: g, offsets: {b: {"*": latest}}}\n'
    )
    events = '{"value": 1, "at": "x"}\n{"valeu": 1}\n{"value": {"$x": 1}, "partition": 1}\n'
    root = write_set({"fakebus.yaml": text, "e.ndjson": events})
    with pytest.raises(FixtureError) as raised:
        load_fixtures(root, now_ms=NOW_MS)
    places = [(Path(p.file).name, p.line, p.column) for p in raised.value.problems]
    assert places == [
        ("fakebus.yaml", 2, 1),
        ("fakebus.yaml", 4, 27),
        ("fakebus.yaml", 6, 26),
        ("e.ndjson", 1, 20),
        ("e.ndjson", 2, 1),
        ("e.ndjson", 2, 11),
        ("e.ndjson", 3, 11),
    ]
    assert str(raised.value) == "\n".join(str(problem) for problem in raised.value.problems)


def test_text_of_the_error_stops_after_a_hundred_problems() -> None:
    problems = ProblemList()
    for line in range(1, 151):
        problems.add(Position("e.ndjson", line, 1), "wrong")
    with pytest.raises(FixtureError) as raised:
        problems.raise_if_any()
    lines = str(raised.value).splitlines()
    assert lines[0] == "e.ndjson:1:1: wrong"
    assert lines[99:] == ["e.ndjson:100:1: wrong", "and 50 more problems"]
    assert len(raised.value.problems) == 150


def test_problem_without_a_hint_ends_after_the_message() -> None:
    problem = FixtureProblem(file="a", line=1, column=2, message="wrong")
    assert str(problem) == "a:1:2: wrong"


def test_too_many_included_files_are_told(
    write_set: WriteSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fakebus.fixture_files.structure.set_reader._MAX_YAML_FILES", 2)
    root = write_set(
        {"fakebus.yaml": HEAD + "include: [a.yaml, b.yaml]\n", "a.yaml": HEAD, "b.yaml": HEAD}
    )
    (found,) = check_fixtures(root, now_ms=NOW_MS)
    assert str(found) == f"{root}/fakebus.yaml:2:19: more than 2 files are included"
