"""Sets that are loaded together and speak of one topic or group."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.cli.main import run
from fakebus.fixture_files.problems import FixtureError
from fakebus.fixture_files.seeding.bus_seed import BusSeed

NOW_MS = 1_700_000_000_000
SHARED = (
    "version: 1\nsubjects: [{subject: v, schema: v.avsc}]\n"
    "topics: [{name: orders, partitions: 3, value: {subject: v}}]\n"
    'groups: [{group: g, offsets: {orders: {"*": earliest}}}]\n'
)


@pytest.fixture
def check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> object:
    def call(second: str, code: int, first: str = SHARED) -> list[str]:
        for name, text in (("shared", first), ("second", second)):
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / "fakebus.yaml").write_text(text)
            (tmp_path / name / "v.avsc").write_text('"string"')
        sets = [tmp_path / "shared", tmp_path / "second"]
        assert run(["fixtures", "check", *map(str, sets)]) == code
        told = capsys.readouterr().out.replace(f"{tmp_path}/", "").splitlines()[:-1]
        if code:
            with pytest.raises(FixtureError) as raised:
                BusSeed(sets, now_ms=NOW_MS, config=BrokerConfig())
            assert str(raised.value).replace(f"{tmp_path}/", "").splitlines() == told
        else:
            BusSeed(sets, now_ms=NOW_MS, config=BrokerConfig())
        return told

    return call


def test_the_same_may_be_said_twice(check: object) -> None:
    assert check(SHARED, 0) == []  # type: ignore[operator]


HINT = "say the same in both, or leave it to one of them"


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (
            "topics: [{name: orders, partitions: 1, config: {cleanup.policy: compact}}]",
            [
                'second/fakebus.yaml:2:17: the topic "orders" has partitions: 1 here and 3 in',
                'second/fakebus.yaml:2:17: the topic "orders" has values in json here and v in',
                'second/fakebus.yaml:2:17: the topic "orders" has cleanup.policy: compact here and '
                "not set in",
            ],
        ),
        (
            "topics: [{name: orders, partitions: 3, key: {format: json}, value: {subject: v}}]\n"
            "subjects: [{subject: v, schema: v.avsc}]",
            ['second/fakebus.yaml:2:17: the topic "orders" has keys in json here and string in'],
        ),
        (
            'topics: [{name: b}]\ngroups: [{group: g, offsets: {b: {"*": latest}}}]',
            [],
        ),
    ],
)
def test_what_is_said_differently_is_told_with_both_places(
    check: object, second: str, expected: list[str]
) -> None:
    told = check(f"version: 1\n{second}\n", 1 if expected else 0)  # type: ignore[operator]
    assert told == [f"{one} shared/fakebus.yaml:3; {HINT}" for one in expected]


def test_a_header_that_has_two_kinds_of_ids_is_told(check: object) -> None:
    ids = "lineage: {headers: [{name: x-order, kind: %s}]}\n"
    assert check(SHARED + ids % "cause", 0) == []  # type: ignore[operator]
    both = [f"version: 1\n{ids % kind}" for kind in ("cause", "trace")]
    assert check(both[1], 1, both[0]) == [  # type: ignore[operator]
        "second/fakebus.yaml:2:28: the header x-order has the id trace in text here and "
        f"cause in text in shared/fakebus.yaml:2; {HINT}"
    ]


def test_a_group_with_two_beginnings_is_told(check: object) -> None:
    second = SHARED.replace("earliest", "latest")
    assert check(second, 1) == [  # type: ignore[operator]
        'second/fakebus.yaml:4:18: the group "g" begins to read orders at latest here and at '
        f"earliest in shared/fakebus.yaml:4; {HINT}"
    ]
