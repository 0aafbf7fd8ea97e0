"""Sets that use other sets."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from fakebus.cli.main import run
from fakebus.fixture_files.loader import check_fixtures, load_fixtures
from fakebus.fixture_files.model import FixtureSet
from fakebus.fixture_files.problems import FixtureError
from fakebus.fixture_files.set_sources import set_path
from fakebus.records.partitioner import PARTITIONERS
from tests.unit.fixture_files.packages import Install

NOW_MS = 1_700_000_000_000
DAY_MS = 86_400_000
ORDER = '{"type": "record", "name": "Order", "fields": [{"name": "total", "type": "double"}]}'
SHARED = {
    "fakebus.yaml": """\
version: 1
name: shared
release: 3
clock: {anchor: "2020-01-02T00:00:00Z"}
partitioner: murmur2
subjects: [{subject: orders-value, schema: order.avsc, id: 1}]
topics:
  - name: orders
    partitions: 5
    value: {subject: orders-value}
    headers: {source: shop}
    load: orders.ndjson
    owner: shop
groups: [{group: billing, offsets: {orders: {"*": earliest}}}]
""",
    "order.avsc": ORDER,
    "orders.ndjson": '{"id": "order-1", "at": "-1d", "key": "k", "value": {"total": 1.5}}\n',
}
OWN = {
    "fakebus.yaml": "version: 1\nuses: [{path: ../shared}]\ninclude: more.ndjson\n",
    "more.ndjson": (
        '{"topic": "orders", "after": "order-1 +5s", "key": "other", "value": {"total": 2}}\n'
    ),
}
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write the files of a set into a folder of its own; without files, the shared set's."""

    def call(name: str, files: Any = None, **changed: str) -> Path:
        root = tmp_path / name
        for path, text in {**(SHARED if files is None else files), **changed}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        return root

    return call


def yaml(text: str) -> dict[str, str]:
    return {"fakebus.yaml": f"version: 1\n{text}\n"}


def load(*sets: Path, **options: Any) -> FixtureSet:
    return load_fixtures(sets, now_ms=NOW_MS, **options)


def told(*sets: Path) -> list[str]:
    """Return what is wrong, without the folder; loading says the same as checking."""
    found = [one for one in check_fixtures(sets, now_ms=NOW_MS) if one.rule == "invalid"]
    folder = f"{sets[0].parent}/"
    if found:
        with pytest.raises(FixtureError) as raised:
            load(*sets)
        assert list(raised.value.problems) == found
    return [str(one).replace(folder, "") for one in found]


def test_a_used_set_brings_what_it_has_and_takes_events_of_the_user(write: Write) -> None:
    write("shared")
    own = write("own", OWN)
    assert check_fixtures(own, now_ms=NOW_MS) == []
    found = load(own)
    assert [topic.name for topic in found.topics] == ["orders"]
    assert [schema.subject for schema in found.schemas] == ["orders-value"]
    assert [group.group for group in found.groups] == ["billing"]
    theirs, mine = found.streams
    assert [theirs.set_name, mine.set_name] == ["shared", ""]
    [first], [second] = theirs.events, mine.events
    # Each event goes by the clock of its own set, and "after" leads from one to the other.
    assert first.record.timestamp_ms == 1_577_923_200_000 - DAY_MS
    assert second.record.timestamp_ms == first.record.timestamp_ms + 5_000
    # Topics keep their partitioner, formats and headers, whoever writes to them.
    assert second.partition == PARTITIONERS["murmur2"](b"other", 5)
    assert second.record.headers == (("source", b"shop"),)
    assert second.record.value is not None
    assert second.record.value[:5] == b"\0\0\0\0\1"


def test_the_set_says_whom_it_uses_and_in_which_version(write: Write) -> None:
    write("shared")
    found = load(write("own", OWN))
    assert [(one.name, one.version, one.record_count) for one in found.uses] == [("shared", "3", 1)]


def test_a_user_has_a_clock_and_a_seed_of_its_own(write: Write) -> None:
    write("shared")
    lines = '{"topic": "orders", "at": "-1d", "value": {"total": 1}}\n'
    found = load(write("own", {**OWN, "more.ndjson": lines}))
    [event] = found.streams[1].events
    assert event.record.timestamp_ms == NOW_MS - DAY_MS


def test_topics_groups_and_schemas_build_on_those_of_a_used_set(write: Write) -> None:
    write("shared")
    nested = '{"type": "record", "name": "Paid", "fields": [{"name": "order", "type": "Order"}]}'
    own = write(
        "own",
        yaml(
            "uses: [{path: ../shared}]\n"
            "subjects:\n"
            "  - {subject: paid, schema: paid.avsc,\n"
            "     references: [{name: Order, subject: orders-value}]}\n"
            "topics:\n"
            "  - {name: paid, value: {subject: paid}, load: paid.ndjson}\n"
            "  - {name: copies, value: {subject: orders-value}, load: copies.ndjson}\n"
            'groups: [{group: mine, offsets: {orders: {"*": latest, "0": 0}}}]'
        ),
        **{
            "paid.avsc": nested,
            "paid.ndjson": '{"value": {"order": {"total": 1}}}\n',
            "copies.ndjson": '{"value": {"total": 1}}\n',
        },
    )
    assert check_fixtures(own, now_ms=NOW_MS) == []
    found = load(own)
    # The set pins 1, so that a schema of the user has to be 2.
    assert [(one.subject, one.schema_id) for one in found.schemas] == [
        ("orders-value", 1),
        ("paid", 2),
    ]
    assert [group.group for group in found.groups] == ["billing", "mine"]


def test_generated_events_may_refer_to_those_of_a_used_set(write: Write) -> None:
    write("shared")
    own = write(
        "own",
        yaml(
            "uses: [{path: ../shared}]\n"
            "topics: [{name: paid, generate: {count: 2, with: {of: {ref: orders.value.total}}}}]"
        ),
    )
    assert [event.record.value for event in load(own).streams[1].events] == [b'{"of":1.5}'] * 2


def test_an_offset_counts_the_events_of_all_sets(write: Write) -> None:
    write("shared")
    text = 'uses: [{path: ../shared}]\ngroups: [{group: g, offsets: {orders: {"2": 9}}}]'
    assert told(write("own", yaml(text))) == [
        "own/fakebus.yaml:3:45: the offset 9 lies beyond the end of orders-2, which is "
        f"{sum(e.partition == 2 for e in load(write('shared')).streams[0].events)}; "
        'write "latest" for the end'
    ]


def test_sets_that_are_used_use_others(write: Write) -> None:
    write("shared")
    write("middle", yaml("name: middle\nuses: [{path: ../shared}]"))
    found = load(write("own", {**OWN, **yaml("uses: [{path: ../middle}]\ninclude: more.ndjson")}))
    assert found.record_count == 2
    assert [one.name for one in found.uses] == ["shared", "middle"]


def test_a_set_that_is_used_by_two_ways_is_loaded_once(write: Write) -> None:
    write("shared")
    for name in ("left", "right"):
        write(name, yaml(f"name: {name}\nuses: [{{path: ../shared}}]"))
    own = write("own", yaml("uses: [{path: ../left}, {path: ../right}, {path: ../shared}]"))
    assert load(own).record_count == 1
    assert check_fixtures(own, now_ms=NOW_MS) == []


def test_a_set_is_used_with_one_profile(write: Write) -> None:
    write("shared", {**SHARED, "fakebus.yaml": SHARED["fakebus.yaml"] + "profiles: {a: {}}\n"})
    write("left", yaml("uses: [{path: ../shared, profile: a}]"))
    own = write("own", yaml("uses: [{path: ../left}, {path: ../shared}]"))
    assert told(own) == [
        "own/fakebus.yaml:2:32: the set shared is used as a whole here and with the profile "
        '"a" in left/fakebus.yaml:2; a set is loaded once; ask for the same in both places'
    ]


def test_a_profile_of_a_used_set_takes_a_part_of_it(write: Write) -> None:
    lines = SHARED["orders.ndjson"] + '{"tags": ["big"], "value": {"total": 7}}\n'
    profile = "profiles: {small: {tags: [small]}}\n"
    tagged = lines + '{"tags": ["small"], "value": {"total": 8}}\n'
    files = {"fakebus.yaml": SHARED["fakebus.yaml"] + profile, "orders.ndjson": tagged}
    write("shared", {**SHARED, **files})
    own = write("own", yaml("uses: [{path: ../shared, profile: small}]"))
    assert load(own).record_count == 2
    assert load(write("all", yaml("uses: [{path: ../shared}]"))).record_count == 3


def test_the_same_may_be_said_again(write: Write) -> None:
    write("shared")
    text = (
        SHARED["fakebus.yaml"]
        .replace("name: shared\nrelease: 3\n", "")
        .replace("load: orders.ndjson", "consumers: [mail]")
    )
    own = write("own", {"fakebus.yaml": text + "uses: [{path: ../shared}]\n", "order.avsc": ORDER})
    assert told(own) == []
    found = load(own)
    assert len(found.schemas) == len(found.topics) == len(found.groups) == 1
    assert (found.topics[0].owner, found.topics[0].consumers) == ("shop", ("mail",))


HINT = "; say the same in both, or leave it to one of them"
DIFFERENT = {
    "partitions": (
        "topics: [{name: orders, value: {subject: orders-value}}]\npartitioner: murmur2",
        'own/fakebus.yaml:3:17: the topic "orders" has partitions: 1 here and 5 in '
        f"shared/fakebus.yaml:8{HINT}",
    ),
    "config": (
        "topics: [{name: orders, partitions: 5, value: {subject: orders-value}, "
        "config: {cleanup.policy: compact}}]\npartitioner: murmur2",
        'own/fakebus.yaml:3:17: the topic "orders" has cleanup.policy: compact here and not set '
        f"in shared/fakebus.yaml:8{HINT}",
    ),
    "format": (
        "topics: [{name: orders, partitions: 5}]\npartitioner: murmur2",
        'own/fakebus.yaml:3:17: the topic "orders" has values in json here and orders-value in '
        f"shared/fakebus.yaml:8{HINT}",
    ),
    "partitioner": (
        "topics: [{name: orders, partitions: 5, value: {subject: orders-value}}]",
        'own/fakebus.yaml:3:17: the topic "orders" has the partitioner consistent_random here and '
        f"murmur2 in shared/fakebus.yaml:8{HINT}",
    ),
    "owner": (
        "topics: [{name: orders, partitions: 5, value: {subject: orders-value}, owner: me}]\n"
        "partitioner: murmur2",
        'own/fakebus.yaml:3:17: the topic "orders" has owner: me here and shop in '
        f"shared/fakebus.yaml:8{HINT}",
    ),
    "metrics": (
        "topics: [{name: a.b}, {name: a_b}]",
        'own/fakebus.yaml:3:30: the topic names "a_b" and "a.b" collide: Kafka takes "." and "_" '
        "for the same; rename one of them",
    ),
    "schema": (
        "subjects: [{subject: orders-value, schema: other.avsc}]",
        'own/fakebus.yaml:3:22: version 1 of the subject "orders-value" has another schema here '
        f"than in shared/fakebus.yaml:6{HINT}",
    ),
    "versions": (
        "subjects: [{subject: orders-value, schema: order.avsc},"
        " {subject: orders-value, schema: other.avsc}]",
        'own/fakebus.yaml:3:67: the subject "orders-value" has 2 versions here and 1 in '
        f"shared/fakebus.yaml:6{HINT}",
    ),
    "id": (
        "subjects: [{subject: own, schema: other.avsc, id: 1}]",
        "own/fakebus.yaml:3:51: the id 1 does not fit: another schema has it, in "
        "shared/fakebus.yaml:6; give each schema one id of its own, in all its subjects the same",
    ),
    "group": (
        'groups: [{group: billing, offsets: {orders: {"*": latest}}}]',
        'own/fakebus.yaml:3:18: the group "billing" begins to read orders at latest here and at '
        f"earliest in shared/fakebus.yaml:14{HINT}",
    ),
    "group in one partition": (
        'groups: [{group: billing, offsets: {orders: {"*": earliest, "0": latest}}}]',
        'own/fakebus.yaml:3:18: the group "billing" begins to read orders-0 at latest here and at '
        f"no offset of its own in shared/fakebus.yaml:14{HINT}",
    ),
    "event": (
        "topics: [{name: own, load: twice.ndjson}]",
        'own/twice.ndjson:1:8: the id "order-1" is used twice (first in shared/orders.ndjson:1); '
        "give each event its own id",
    ),
}


@pytest.mark.parametrize(("text", "expected"), DIFFERENT.values(), ids=DIFFERENT.keys())
def test_what_a_used_set_says_nobody_says_otherwise(write: Write, text: str, expected: str) -> None:
    write("shared")
    files = {
        "order.avsc": ORDER,
        "other.avsc": ORDER.replace("total", "sum").replace('"double"', '"double", "default": 0'),
        "twice.ndjson": '{"id": "order-1", "value": 1}\n',
    }
    own = write("own", yaml(f"uses: [{{path: ../shared}}]\n{text}"), **files)
    assert told(own) == [expected]


def test_names_of_topics_that_kafka_takes_for_the_same_are_told_across_sets(write: Write) -> None:
    sets = [
        write(name, yaml(f"topics: [{{name: {topic}}}]"))
        for name, topic in (("a", "x.y"), ("b", "x_y"))
    ]
    assert told(*sets) == [
        'b/fakebus.yaml:2:17: "x_y" collides, because Kafka takes "." and "_" for the same, with '
        '"x.y" in a/fakebus.yaml:2; rename one of them'
    ]


def test_a_set_sees_only_what_it_uses(write: Write) -> None:
    write("shared")
    write("other", {**OWN, **yaml("name: other\ninclude: more.ndjson")})
    own = write("own", yaml("uses: [{path: ../shared}, {path: ../other}]"))
    assert told(own)[0] == (
        'other/more.ndjson:1:11: there is no topic "orders"; add it under topics'
    )


def test_several_sets_that_are_named_see_each_other_in_any_order(write: Write) -> None:
    shared = write("shared")
    other = write("other", {**OWN, **yaml("include: more.ndjson")})
    nested = '{"type": "record", "name": "Paid", "fields": [{"name": "order", "type": "Order"}]}'
    third = write(
        "third",
        yaml(
            "subjects:\n"
            "  - {subject: paid, schema: paid.avsc,\n"
            "     references: [{name: Order, subject: orders-value}]}\n"
            "topics: [{name: paid, value: {subject: paid}}]"
        ),
        **{"paid.avsc": nested},
    )
    for sets in ([shared, other, third], [third, other, shared]):
        assert check_fixtures(sets, now_ms=NOW_MS) == []
        found = load(*sets)
        assert found.record_count == 2
        times = {event.record.timestamp_ms for s in found.streams for event in s.events}
        assert max(times) - min(times) == 5_000
        assert {one.name for one in found.uses} == {"shared", None}


def test_an_event_of_two_sets_cannot_be_named_by_a_third(write: Write) -> None:
    sets = [
        write(name, yaml(f"topics: [{{name: {name}, load: e.ndjson}}]"), **{"e.ndjson": line})
        for name, line in {
            "a": '{"id": "x", "value": 1}\n',
            "b": '{"id": "x", "value": 1}\n',
            "c": '{"after": "x", "value": 1}\n',
        }.items()
    ]
    assert told(*sets) == [
        'c/e.ndjson:1:11: several sets have an event with the id "x": a/e.ndjson:1 and '
        "b/e.ndjson:1; give one of them another id"
    ]


def test_events_that_the_ledger_could_not_tell_apart_are_told(write: Write) -> None:
    write("shared")
    text = yaml("uses: [{path: ../shared}]\ninclude: more.ndjson")
    sets = [
        write(name, text, **{"more.ndjson": f'{{"topic": "orders", "value": {{"total": {n}}}}}\n'})
        for n, name in enumerate(("a", "b"))
    ]
    assert told(*sets) == [
        "b/more.ndjson:1:1: once they are seeded, these events for orders could not be told from "
        "those of the file of the same name in a/more.ndjson:1; give the set a name of its own, "
        "with  name:  in its fakebus.yaml"
    ]
    write("b", text, **{"fakebus.yaml": text["fakebus.yaml"] + "name: b\n"})
    assert load(*sets).record_count == 3


def test_scenarios_publish_to_topics_of_used_sets(write: Write) -> None:
    write("shared")
    steps = "steps: [{publish: {topic: orders, value: {total: 1}}}]\n"
    own = write("own", yaml("uses: [{path: ../shared}]\nscenarios: s.yaml"), **{"s.yaml": steps})
    assert check_fixtures(own, now_ms=NOW_MS) == []


def test_a_pack_is_used_as_the_set_that_it_was_made_of(write: Write, tmp_path: Path) -> None:
    shared = write("shared")
    pack = tmp_path / "shared-3.fbpack"
    assert run(["fixtures", "pack", str(shared), "-o", str(pack)]) == 0
    text = (
        "uses: [{pack: ../shared-3.fbpack}]\ninclude: more.ndjson\n"
        "subjects: [{subject: own, schema: own.avsc}]\n"
        "topics: [{name: own, value: {subject: own}}]"
    )
    own = write("own", {**OWN, **yaml(text)}, **{"own.avsc": '"string"'})
    assert check_fixtures(own, now_ms=NOW_MS) == []
    found = load(own)
    assert [(one.name, one.version) for one in found.uses] == [("shared", "3")]
    theirs, mine = found.streams
    assert [one.schema_id for one in found.schemas] == [1, 2]
    assert mine.events[0].partition == PARTITIONERS["murmur2"](b"other", 5)
    assert mine.events[0].record.headers == (("source", b"shop"),)
    assert (mine.events[0].record.timestamp_ms - theirs.events[0].record.timestamp_ms) == 5_000
    ids = {("orders-value", 1): 40, ("own", 1): 41}
    reframed = load(own, schema_ids=ids).streams
    for stream in reframed:
        assert (stream.events[0].record.value or b"")[:5] == b"\0\0\0\0\x28"


def test_the_shipped_set_is_used_by_its_name(write: Write) -> None:
    line = '{"topic": "dev-analytics", "value": null, "key": "a", "headers": {}}\n'
    own = write("own", yaml("uses: [openedx]\ninclude: m.ndjson"), **{"m.ndjson": line})
    assert load(own).record_count == load(write("none", yaml("uses: [openedx]"))).record_count + 1


def test_a_package_is_found_without_being_imported(write: Write, install_set: Install) -> None:
    files = {**SHARED, "fakebus.yaml": SHARED["fakebus.yaml"].replace("name: shared\n", "")}
    text = files["fakebus.yaml"].replace("release: 3\n", "")
    install_set(
        "parcel-events", {**files, "fakebus.yaml": text}, version="2.3", module="parcels.inner"
    )
    for name in ("parcel-events", "Parcel_Events", "parcels.inner"):
        own = write("own", {**OWN, **yaml(f"uses: [{{package: {name}}}]\ninclude: more.ndjson")})
        found = load(own)
        assert found.record_count == 2
    assert load(Path("package:parcel-events")).record_count == 1
    assert load(Path("package:parcel-events")).name == "parcel-events"
    assert load(Path("package:parcel-events")).version == "2.3"


def test_a_package_is_found_by_its_files_and_by_an_entry_of_another_name(
    write: Write, install_set: Install
) -> None:
    install_set("no-entry", yaml("topics: [{name: a}]"), entries={}, module="other_name")
    install_set("named", yaml("topics: [{name: b}]"), entries={"events": "named"})
    for name, topic in {"no-entry": "a", "events": "b", "named": "b", "other_name": "a"}.items():
        found = load(write("own", yaml(f"uses: [{{package: {name}}}]")))
        assert [one.name for one in found.topics] == [topic]


PLACE = "own/fakebus.yaml:2:"
KINDS = "write  - package: NAME;  instead of package: path, pack, asyncapi, openedx"
MISTAKES = {
    "not a list": (
        "uses: {path: ../shared}",
        '7: "uses" must be a list, not an object; write  - before each',
    ),
    "a text": ("uses: [shared]", f'8: an entry of "uses" must be an object; {KINDS}'),
    "empty": ("uses: [{}]", f"8: the entry names no set; {KINDS}"),
    "only a profile": ("uses: [{profile: a}]", f"8: the entry names no set; {KINDS}"),
    "two kinds": (
        "uses: [{path: ../shared, package: p}]",
        "8: the entry names package and path; keep one of them",
    ),
    "unknown key": (
        "uses: [{path: ../shared, profil: a}]",
        '26: an entry of "uses" has no field "profil"; did you mean "profile"?',
    ),
    "path missing": (
        "uses: [{path: ../gone}]",
        '15: there is no directory "../gone"; looked for gone',
    ),
    "path without a set": (
        "uses: [{path: ../empty}]",
        '15: the directory "../empty" has no fakebus.yaml; looked in empty, which is empty; for a '
        "submodule of git run  git submodule update --init",
    ),
    "path is a file": (
        "uses: [{path: ../shared/order.avsc}]",
        '15: "../shared/order.avsc" is a file, not a directory with a fakebus.yaml; write its '
        "directory",
    ),
    "path is a pack": (
        "uses: [{path: ../some.fbpack}]",
        '15: "../some.fbpack" is a pack, not a directory; write  pack: ../some.fbpack',
    ),
    "pack is a directory": (
        "uses: [{pack: ../shared}]",
        '15: "../shared" is a directory, not a pack; write  path: ../shared',
    ),
    "pack missing": (
        "uses: [{pack: ../gone.fbpack}]",
        '15: there is no pack "../gone.fbpack"; looked for gone.fbpack; fakebus fixtures pack '
        "makes it",
    ),
    "not called a pack": (
        "uses: [{pack: ../shared/order.avsc}]",
        '15: "../shared/order.avsc" is not a pack; packs end with .fbpack; write  path: DIR',
    ),
    "pack with profile": (
        "uses: [{pack: ../some.fbpack, profile: a}]",
        '40: a pack has no profiles, so there is no "a" in it; pack the profile by itself, with '
        "--profile",
    ),
    "pack with version": (
        'uses: [{pack: ../some.fbpack, version: ">=1"}]',
        "40: only packages have a range of versions; leave  version:  out",
    ),
    "openedx off": ("uses: [{openedx: false}]", f"8: the entry names no set; {KINDS}"),
    "no package": (
        "uses: [{package: parcel-event}]",
        '18: there is no package "parcel-event" here; install it beside fakebus; did you mean '
        '"parcel-events"?',
    ),
    "package without a set": (
        "uses: [{package: plain}]",
        '18: the package "plain" has no fixture set: neither an entry point in the group '
        "fakebus.fixtures nor a fakebus.yaml; name the package that has one",
    ),
    "module of the standard library": (
        "uses: [{package: json}]",
        '18: the package "json" has no fixture set: neither an entry point in the group '
        "fakebus.fixtures nor a fakebus.yaml; name the package that has one",
    ),
    "not a name of a package": (
        "uses: [{package: '../x y'}]",
        '18: "../x y" is not the name of a package; write it as pip does',
    ),
    "entry point to nothing": (
        "uses: [{package: broken}]",
        '18: the entry point "broken" of broken names the package "nowhere.at_all", which is not '
        "there; mend the entry point, and install the package again",
    ),
    "entry point to a package without a set": (
        "uses: [{package: empty}]",
        '18: the package "empty" of empty has no fakebus.yaml; put the set\'s files into the '
        "package",
    ),
    "two of a name": (
        "uses: [{package: same}]",
        '18: first and second both give a set the name "same"; uninstall one of them, or write '
        "the name of the distribution that is meant",
    ),
    "several in one": (
        "uses: [{package: several}]",
        '18: the package "several" has several sets; name one: one, two',
    ),
    "version does not hold": (
        'uses: [{package: parcel-events, version: ">=3"}]',
        '18: parcel-events 2.3 is installed, and ">=3" is wanted; run  pip install '
        '"parcel-events>=3", or widen  version:  and have  fakebus fixtures check  say what has '
        "changed",
    ),
    "not a range": (
        "uses: [{package: parcel-events, version: 2.3}]",
        '42: "2.3" is not a range of versions; write ">=2,<3", or "==2.3" for just this one',
    ),
    "not a range either": (
        'uses: [{package: parcel-events, version: "newest"}]',
        '42: "newest" is not a range of versions; write ">=2,<3"',
    ),
    "path with version": (
        'uses: [{path: ../shared, version: ">=3"}]',
        "35: only packages have a range of versions; leave  version:  out",
    ),
    "openedx with version": (
        'uses: [{openedx: true, version: ">=3"}]',
        "33: only packages have a range of versions; leave  version:  out",
    ),
    "twice": (
        "uses: [{path: ../shared}, {path: ../shared/.}]",
        "34: the set uses this one twice; name it once",
    ),
    "itself": ("uses: [{path: .}]", "15: the set uses itself; take the entry out"),
    "circle": (
        "uses: [{path: ../left}]",
        "15: the sets use each other in a circle: own/fakebus.yaml:2 -> left/fakebus.yaml:2 -> "
        "own/fakebus.yaml:2; take one entry out; what several sets need belongs into one of its "
        "own",
    ),
}


@pytest.mark.parametrize(("text", "expected"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_in_uses_is_told_with_its_place_and_the_way_out(
    write: Write, install_set: Install, tmp_path: Path, text: str, expected: str
) -> None:
    write("shared")
    (tmp_path / "empty").mkdir()
    (tmp_path / "some.fbpack").write_text("")
    write("left", yaml("uses: [{path: ../own}]"))
    install_set("parcel-events", yaml(""), version="2.3")
    install_set("plain", {}, entries={})
    install_set("broken", {}, entries={"broken": "nowhere.at_all"})
    install_set("empty", {})
    install_set("first", yaml(""), entries={"same": "first"})
    install_set("second", yaml(""), entries={"same": "second"})
    install_set("several", yaml(""), entries={"one": "several", "two": "several"})
    place = PLACE if "circle" not in expected else "left/fakebus.yaml:2:"
    assert told(write("own", yaml(text))) == [f"{place}{expected}"]


def test_an_unknown_profile_and_a_broken_pack_are_told_where_they_are(
    write: Write, tmp_path: Path
) -> None:
    write("shared")
    assert told(write("own", yaml("uses: [{path: ../shared, profile: a}]"))) == [
        'own/fakebus.yaml:2:35: the set has no profile "a"; it has none'
    ]
    (tmp_path / "some.fbpack").write_text("x")
    assert told(write("own", yaml("uses: [{pack: ../some.fbpack}]"))) == [
        "some.fbpack:1:1: this is not a pack of fixtures; make one with  fakebus fixtures pack DIR"
    ]


def test_sets_that_use_each_other_endlessly_deep_are_told(write: Write) -> None:
    for number in range(30):
        write(f"s{number}", yaml(f"uses: [{{path: ../s{number + 1}}}]"))
    write("s30", yaml(""))
    assert told(write("s0", yaml("uses: [{path: ../s1}]"))) == [
        "s19/fakebus.yaml:2:15: the sets use each other more than 20 deep; let the set use what "
        "it needs itself"
    ]


ANONYMOUS = '{"at": "-2d", "key": "k", "value": {"total": 3}}\n'
COPIES = "uses: [{path: ../shared}, {path: ../copy}]\n"


def test_one_set_that_is_reached_in_several_ways_is_one(write: Write, tmp_path: Path) -> None:
    events = SHARED["orders.ndjson"] + ANONYMOUS
    sets = [write(name, **{"orders.ndjson": events}) for name in ("shared", "copy")]
    pack = tmp_path / "shared.fbpack"
    assert run(["fixtures", "pack", str(sets[0]), "-o", str(pack)]) == 0
    for ways in permutations(["path: ../shared", "path: ../copy", "pack: ../shared.fbpack"]):
        uses = ", ".join(f"{{{way}}}" for way in ways)
        own = write("own", OWN, **yaml(f"uses: [{uses}]\ninclude: more.ndjson"))
        assert told(own) == []
        assert load(own).record_count == 3
        assert [one.label for one in load(own).uses] == ["shared 3"]
    assert load(*sets, pack).record_count == 2


TWO = 'own/fakebus.yaml:2:34: two sets are called "shared": that {} in copy, and that 3 in shared, '
TWO += "which own/fakebus.yaml:2 names{}; use it from one place, or give one of them another  name:"
ORDERS_BEFORE = '; only that in copy has such events for "orders" in orders.ndjson'
BOTH = "; say the same in both, or leave it to one of them"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("release: 3", "release: 4", TWO.format("4", "")),
        (
            "topics:\n",
            "topics:\n  - name: more\n",
            TWO.format("3", '; only that in copy has the topic "more"'),
        ),
        (
            "subjects: [{subject: orders-value, schema: order.avsc, id: 1}",
            "subjects: [{subject: orders-value, schema: order.avsc}, "
            "{subject: more, schema: order.avsc}",
            TWO.format("3", '; only that in copy has the subject "more"'),
        ),
        (
            "groups: [",
            "groups: [{group: more, offsets: {orders: {0: 0}}}, ",
            TWO.format("3", '; only that in copy has the group "more"'),
        ),
        (
            "load: orders.ndjson",
            "load: [orders.ndjson, more.ndjson]",
            TWO.format("3", '; only that in copy has such events for "orders" in more.ndjson'),
        ),
        ("    load: orders.ndjson\n", "", TWO.format("3", ORDERS_BEFORE.replace("copy", "shared"))),
        ("source: shop", "source: shops", TWO.format("3", ORDERS_BEFORE)),
        ("2020-01-02", "2020-01-03", TWO.format("3", ORDERS_BEFORE)),
        (
            "partitions: 5",
            "partitions: 6",
            'copy/fakebus.yaml:8:11: the topic "orders" has partitions: 6 here and 5 in '
            f"shared/fakebus.yaml:8{BOTH}",
        ),
    ],
)
def test_two_sets_of_one_name_are_told_if_they_differ(
    write: Write, before: str, after: str, expected: str
) -> None:
    write("shared")
    write(
        "copy",
        **{"fakebus.yaml": SHARED["fakebus.yaml"].replace(before, after), "more.ndjson": ANONYMOUS},
    )
    assert told(write("own", yaml(COPIES))) == [expected]


def test_what_is_named_to_a_command_is_told_too(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = write("shared")
    assert run(["fixtures", "check", "package:gone"]) == 1
    told = capsys.readouterr().out
    assert told.startswith('package:gone:1:1: there is no package "gone" here; ')
    assert load(shared, shared / ".").record_count == 1


def test_a_package_has_its_name_even_if_a_path_led_to_it_first(
    write: Write, install_set: Install
) -> None:
    root = install_set("parcel-events", yaml("topics: [{name: a}]"), version="2.3")
    write("left", yaml("name: left\nuses: [{package: parcel-events}]"))
    own = write("own", yaml(f"uses: [{{path: {root}}}, {{path: ../left}}]"))
    assert [one.label for one in load(own).uses] == ["parcel-events 2.3", "left"]


def test_a_package_without_a_distribution_has_no_version(
    write: Write, install_set: Install
) -> None:
    root = install_set("parcel-events", yaml(""), version="2.3")
    for path in (root.parent / "parcel_events-2.3.dist-info").iterdir():
        path.unlink()
    (root.parent / "parcel_events-2.3.dist-info").rmdir()
    assert load(write("own", yaml("uses: [{package: parcel-events}]"))).topics == ()
    own = write("own", yaml('uses: [{package: parcel-events, version: ">=1"}]'))
    assert told(own) == [
        'own/fakebus.yaml:2:18: the package "parcel-events" is not installed as a distribution, '
        "so it has no version; leave  version:  out, or install it with pip"
    ]


def test_a_set_that_is_named_and_used_is_loaded_once_in_any_order(write: Write) -> None:
    sets = [write("shared"), write("own", OWN)]
    for each in (sets, sets[::-1]):
        assert check_fixtures(each, now_ms=NOW_MS) == []
        assert load(*each).record_count == 2


def test_a_directory_of_the_shipped_sets_name_comes_first_where_names_begin(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write("openedx")
    assert set_path("openedx") == Path("openedx")
    assert set_path("openedx", tmp_path) == root
    assert load(Path("openedx")).name == "openedx"
    monkeypatch.chdir(tmp_path)
    assert load(Path("openedx")).name == "shared"
    assert set_path("package:a", tmp_path) == Path("package:a")


@pytest.mark.parametrize("where", ["path", "pack", "asyncapi"])
@pytest.mark.parametrize(
    "place", ["https://example.org/a.yaml", "git@example.org:a/b.git", "file:///a.fbpack"]
)
def test_what_lies_on_the_web_is_told_to_be_brought(tmp_path: Path, where: str, place: str) -> None:
    (tmp_path / "fakebus.yaml").write_text(f'version: 1\nuses: [{{{where}: "{place}"}}]\n')
    (problem,) = check_fixtures(tmp_path, now_ms=NOW_MS)
    assert "nothing is fetched: download it" in str(problem)


def test_events_on_the_web_are_told_to_be_brought(tmp_path: Path) -> None:
    (tmp_path / "fakebus.yaml").write_text(
        'version: 1\ntopics: [{name: t, load: "https://example.org/t.ndjson"}]\n'
    )
    (problem,) = check_fixtures(tmp_path, now_ms=NOW_MS)
    assert "fakebus.yaml:2:26: " in str(problem)
    assert "nothing is fetched: download it" in str(problem)


def test_a_home_directory_is_told_to_be_written_out(tmp_path: Path) -> None:
    (tmp_path / "fakebus.yaml").write_text("version: 1\nuses: [{path: ~/shared}]\n")
    (problem,) = check_fixtures(tmp_path, now_ms=NOW_MS)
    assert "neither ~ nor variables are replaced: write the path out" in str(problem)


def test_a_set_on_the_web_is_told_to_be_brought(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fixtures", "check", "https://example.org/set"]) == 1
    assert "nothing is fetched: download it" in capsys.readouterr().out
