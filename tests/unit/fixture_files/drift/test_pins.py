"""What a lock says when a used set has changed and nobody has looked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakebus.cli.main import run
from fakebus.fixture_files.loader import check_fixtures
from tests.unit.fixture_files.packages import Install

ORDER: dict[str, Any] = {
    "type": "record",
    "name": "Order",
    "fields": [{"name": "id", "type": "int"}, {"name": "total", "type": "double"}],
}
READER = {**ORDER, "fields": ORDER["fields"][:1]}
SHARED = {
    "fakebus.yaml": """\
version: 1
name: shared
release: 3
lint: {ignore: unused-schema}
subjects: [{subject: orders-value, schema: order.avsc, readers: {mail: mail.avsc}}]
topics:
  - name: orders
    value: {subject: orders-value}
    load: orders.ndjson
    owner: shop
    consumers: [billing, mail]
  - {name: parcels, load: parcels.ndjson, owner: depot, consumers: [billing]}
""",
    "order.avsc": json.dumps(ORDER),
    "mail.avsc": json.dumps(READER),
    "orders.ndjson": '{"id": "order-1", "value": {"id": 1, "total": 1.5}}\n',
    "parcels.ndjson": '{"value": {"weight": 5, "to": "x"}}\n',
}
HINT = "; look at what it means here, then run  fakebus fixtures lock --update"
WHO = "; billing (this service) reads it, shop writes it, mail reads it"
PARCELS_WHO = "; billing (this service) reads it, depot writes it"
Call = Callable[..., list[str]]


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    return _write(tmp_path / "shared", SHARED)


def _write(root: Path, files: dict[str, str]) -> Path:
    root.mkdir(exist_ok=True)
    for path, text in files.items():
        (root / path).write_text(text)
    return root


@pytest.fixture
def own(tmp_path: Path, shared: Path) -> Path:
    text = "version: 1\nname: billing\nuses: [{path: ../shared}]\n"
    return _write(tmp_path / "own", {"fakebus.yaml": text})


@pytest.fixture
def lock(own: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    def call(*arguments: str, code: int = 0) -> list[str]:
        assert run(["fixtures", "lock", str(own), *arguments]) == code
        output, errors = capsys.readouterr()
        return (output + errors).replace(f"{own}/", "").splitlines()

    return call


def told(own: Path) -> list[str]:
    found = check_fixtures(own)
    return [str(one).removeprefix(f"{own}/fixtures.lock:5:1: ") for one in found]


def test_a_set_that_has_not_changed_is_no_problem(own: Path, lock: Call) -> None:
    assert lock() == ["fixtures.lock: 0 schemas, shared 3"]
    assert told(own) == []
    assert lock("--check") == []
    text = (own / "fixtures.lock").read_text()
    assert "- set: shared\n  version: '3'\n" in text


CHANGES: dict[str, tuple[dict[str, tuple[str, str]], list[str]]] = {
    "field gone": (
        {
            "order.avsc": (', {"name": "total", "type": "double"}', ""),
            "orders.ndjson": (', "total": 1.5', ""),
        },
        [
            '"total" (double) is gone, in orders-value; billing (this service) reads it, shop '
            "writes it, mail does not read it, as {root}/mail.avsc has no such field",
            f"in orders.ndjson for orders: 1 event changed (order-1){WHO}",
        ],
    ),
    "field of a reader": (
        {"order.avsc": ('"name": "id", "type": "int"', '"name": "id", "type": "long"')},
        [
            '"id" is long now, was int, in orders-value; billing (this service) reads it, shop '
            "writes it, mail reads it by {root}/mail.avsc",
        ],
    ),
    "new field": (
        {
            "order.avsc": ('"fields": [', '"fields": [{"name": "n", "type": "int"}, '),
            "orders.ndjson": ('"id": 1', '"n": 1, "id": 1'),
        },
        [
            '"n" (int) is new and has no default, in orders-value; billing (this service) reads '
            "it, shop writes it, mail does not read it, as {root}/mail.avsc has no such field",
            f"in orders.ndjson for orders: 1 event changed (order-1){WHO}",
        ],
    ),
    "field without a schema": (
        {"parcels.ndjson": ('"weight": 5', '"grams": 5000')},
        [
            '"weight" (integer, required) is gone, in the events of parcels; billing (this '
            "service) reads it, depot writes it",
            '"grams" (integer, required) is new, in the events of parcels; billing (this service) '
            "reads it, depot writes it",
            f"in parcels.ndjson for parcels: 1 event added; 1 event removed{PARCELS_WHO}",
        ],
    ),
    "documentation": (
        {"order.avsc": ('"fields"', '"doc": "new", "fields"')},
        [f'the schema of "orders-value" is written otherwise, with the same fields{WHO}'],
    ),
    "topic new": (
        {"fakebus.yaml": ("topics:\n", "topics:\n  - {name: refunds, owner: shop}\n")},
        ['the topic "refunds" is new; shop writes it'],
    ),
    "topic gone": (
        {
            "fakebus.yaml": (
                "  - {name: parcels, load: parcels.ndjson, owner: depot, consumers: [billing]}\n",
                "",
            )
        },
        ['the topic "parcels" is gone; billing (this service) reads it, depot writes it'],
    ),
    "partitions": (
        {"fakebus.yaml": ("name: orders\n", "name: orders\n    partitions: 3\n")},
        [f'the topic "orders" has partitions: 3 now, was 1{WHO}'],
    ),
    "subject new": (
        {"fakebus.yaml": ("subjects: [", "subjects: [{subject: refund, schema: mail.avsc}, ")},
        ['the subject "refund" is new'],
    ),
    "subject gone": (
        {"fakebus.yaml": ("orders-value", "o")},
        [
            f'the topic "orders" has values: o now, was orders-value{WHO}',
            f'the subject "orders-value" is gone{WHO}',
            f'the subject "o" is new{WHO}',
        ],
    ),
    "version of a subject": (
        {
            "fakebus.yaml": (
                "subjects: [",
                "subjects: [{subject: orders-value, schema: order.avsc}, ",
            ),
            "order.avsc": ("id", "id"),
        },
        [f'the subject "orders-value" has 2 versions now, was 1{WHO}'],
    ),
    "events": (
        {
            "orders.ndjson": (
                '{"id": "order-1", "value": {"id": 1, "total": 1.5}}\n',
                "".join(
                    f'{{"id": "order-{n}", "value": {{"id": {n}, "total": 1.5}}}}\n'
                    for n in range(2, 9)
                ),
            )
        },
        [
            "in orders.ndjson for orders: 7 events added (order-2, order-3, order-4, order-5, "
            f"order-6, …); 1 event removed (order-1){WHO}"
        ],
    ),
    "clock": (
        {"fakebus.yaml": ("release: 3\n", "release: 3\nseed: 5\n")},
        [
            "in orders.ndjson for orders: the headers, formats, seed, clock or partitioner are "
            f"others{WHO}",
            "in parcels.ndjson for parcels: the headers, formats, seed, clock or partitioner are "
            f"others{PARCELS_WHO}",
        ],
    ),
}


@pytest.mark.parametrize(("changed", "expected"), CHANGES.values(), ids=CHANGES.keys())
def test_what_has_changed_is_said_in_words_until_it_is_locked(
    own: Path,
    shared: Path,
    lock: Call,
    changed: dict[str, tuple[str, str]],
    expected: list[str],
) -> None:
    lock()
    for path, (old, new) in changed.items():
        change(shared / path, old, new)
    words = [f"shared: {one}".replace("{root}", str(shared)) for one in expected]
    assert told(own) == [f"{one}{HINT}" for one in words]
    # Writing the lock without having looked is refused.
    assert lock(code=1) == [f"fixtures.lock:5:1: {one}{HINT}" for one in words]
    assert lock("--update")[:-1] == words
    assert told(own) == []


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_another_version_is_to_be_looked_at_even_if_all_is_the_same(
    own: Path, shared: Path, lock: Call
) -> None:
    lock()
    change(shared / "fakebus.yaml", "release: 3", "release: 3.1")
    assert told(own) == [f"shared is 3.1 now, was 3: nothing else has changed{HINT}"]
    change(shared / "orders.ndjson", "1.5", "2.5")
    assert told(own) == [
        "shared is 3.1 now, was 3: in orders.ndjson for orders: 1 event changed (order-1)"
        + WHO
        + HINT
    ]
    change(shared / "fakebus.yaml", "release: 3.1\n", "")
    assert told(own)[0].startswith("shared is without a version now, was 3: in orders.ndjson")


def test_sets_that_are_used_newly_or_no_more_are_told(
    own: Path, tmp_path: Path, lock: Call
) -> None:
    lock()
    _write(tmp_path / "other", {"fakebus.yaml": "version: 1\n"})
    change(own / "fakebus.yaml", "../shared", "../other")
    assert sorted(told(own)) == [
        f'{own}/fixtures.lock:1:1: the set "../other", which is used, is not in fixtures.lock'
        + HINT,
        f'fixtures.lock pins the set "shared", which is not used any more{HINT}',
    ]
    lock("--update")
    assert told(own) == []
    # The way to a set without a name is the same on all machines.
    assert "- set: ../other\n" in (own / "fixtures.lock").read_text()


def test_what_the_service_itself_has_wrong_does_not_hide_what_has_changed(
    own: Path, shared: Path, lock: Call
) -> None:
    change(own / "fakebus.yaml", "uses:", "include: more.ndjson\nuses:")
    (own / "more.ndjson").write_text('{"topic": "orders", "value": {"id": 7, "total": 1}}\n')
    lock()
    change(shared / "order.avsc", '"total"', '"sum"')
    change(shared / "orders.ndjson", '"total"', '"sum"')
    found = told(own)
    assert any('"value": ' in one and "more.ndjson:1:" in one for one in found)
    assert any(one.startswith('shared: "total" (double) is gone, in orders-value') for one in found)


def test_the_lock_of_a_used_set_is_checked_as_that_sets(
    own: Path, shared: Path, lock: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["fixtures", "lock", str(shared)]) == 0
    change(shared / "order.avsc", '"fields"', '"doc": "new", "fields"')
    assert [one.rule for one in check_fixtures(own)] == ["lock"]
    assert check_fixtures(own)[0].file == f"{shared}/order.avsc"


def test_the_shipped_set_whose_events_name_their_schemas_can_be_pinned(
    own: Path, lock: Call
) -> None:
    change(own / "fakebus.yaml", "{path: ../shared}", "openedx")
    assert lock()[0].startswith("fixtures.lock: 0 schemas, openedx ")
    assert told(own) == []


def test_a_lock_that_was_edited_is_no_lock(own: Path, lock: Call) -> None:
    lock()
    change(own / "fixtures.lock", "type: double", "type: float")
    assert [str(one).partition(": ")[2] for one in check_fixtures(own)] == [
        "this is not a lock of fixtures; remove it, and write it again with  fakebus fixtures lock"
    ]


def test_the_check_says_with_what_it_was_made(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["fixtures", "check", str(own)]) == 0
    assert capsys.readouterr().out == (
        f"tested with shared 3\nto pin them, run  fakebus fixtures lock {own}\n{own}: no problems\n"
    )


def test_a_file_of_very_many_events_has_one_fingerprint(
    own: Path, shared: Path, lock: Call
) -> None:
    line = '{"value": {"id": 1, "total": 1.5}, "at": "-%ds"}\n'
    (shared / "orders.ndjson").write_text("".join(line % n for n in range(1001)))
    lock()
    assert len((own / "fixtures.lock").read_text()) < 5000
    change(shared / "orders.ndjson", '"-1s"', '"-2000s"')
    assert told(own) == [
        "shared: in orders.ndjson for orders: 1001 events now, were 1001, and not all the same"
        + WHO
        + HINT
    ]


def test_a_lock_says_what_has_changed_when_an_own_event_no_longer_fits(
    own: Path, shared: Path, lock: Call
) -> None:
    _write(
        own,
        {"more.ndjson": '{"topic": "orders", "after": "order-1", "value": {"id": 2, "total": 2}}'},
    )
    with (own / "fakebus.yaml").open("a") as file:
        file.write("include: more.ndjson\n")
    lock()
    change(shared / "orders.ndjson", '"id": "order-1", ', "")
    change(shared / "orders.ndjson", "1.5", "2.5")
    for arguments in ((), ("--check",), ("--update",)):
        told = lock(*arguments, code=2)
        assert told == [
            "fixtures.lock:5:1: shared: in orders.ndjson for orders: 1 event added; 1 event "
            f"removed (order-1){WHO}{HINT}",
            'fakebus: more.ndjson:1:30: there is no event with the id "order-1"; there are none',
        ]


def test_the_lock_of_an_installed_set_is_written_where_the_set_is(
    install_set: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    root = install_set("parcel-events", {"fakebus.yaml": "version: 1\n"})
    assert run(["fixtures", "lock", "package:parcel-events"]) == 2
    assert "lock it where it is written, and install it again" in capsys.readouterr().err
    assert not (root / "fixtures.lock").exists()
