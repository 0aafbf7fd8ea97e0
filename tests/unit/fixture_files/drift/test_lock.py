"""``fixtures.lock`` and what it holds against changed schemas."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fakebus.cli.main import run
from fakebus.fixture_files.loader import check_fixtures
from tests.unit.fixture_files.conftest import WriteSet

SCHEMA = '{"type": "record", "name": "O", "fields": []}'
FILES = {
    "fakebus.yaml": "version: 1\nsubjects:\n  - {subject: o, schema: o.avsc}\n"
    "topics: [{name: t, value: {subject: o}, load: t.ndjson}]\n",
    "o.avsc": SCHEMA,
    "t.ndjson": '{"value": {}}\n',
}
HINT = "look at the events of the subject, then run  fakebus fixtures lock"

Lock = Callable[..., str]


@pytest.fixture
def root(write_set: WriteSet) -> Path:
    return write_set(FILES)


@pytest.fixture
def lock(root: Path, capsys: pytest.CaptureFixture[str]) -> Lock:
    def call(*arguments: str, code: int = 0) -> str:
        assert run(["fixtures", "lock", str(root), *arguments]) == code
        output, errors = capsys.readouterr()
        return output or errors

    return call


def problems(root: Path) -> list[str]:
    return [str(one).removeprefix(f"{root}/") for one in check_fixtures(root)]


def test_a_set_without_a_lock_has_no_problem(root: Path, lock: Lock) -> None:
    assert problems(root) == []
    assert lock("--check", code=1) == (
        f"{root}/fixtures.lock:1:1: there is no lock; run  fakebus fixtures lock\n"
    )


def test_a_set_fits_the_lock_that_was_written_for_it(root: Path, lock: Lock) -> None:
    assert lock() == f"{root}/fixtures.lock: 1 schema\n"
    assert problems(root) == []
    assert lock("--check") == ""


def test_white_space_in_a_schema_says_nothing(root: Path, lock: Lock) -> None:
    lock()
    (root / "o.avsc").write_text(SCHEMA.replace(", ", ",\n  "))
    assert problems(root) == []


def test_a_changed_schema_is_a_problem_until_it_is_locked(root: Path, lock: Lock) -> None:
    lock()
    (root / "o.avsc").write_text(SCHEMA.replace('"fields"', '"doc": "new", "fields"'))
    expected = (
        'o.avsc:1:1: version 1 of "o" is not the schema any more that fixtures.lock pins; ' + HINT
    )
    assert problems(root) == [expected]
    assert lock("--check", code=1) == f"{root}/{expected}\n"
    lock()
    assert problems(root) == []


def test_new_and_gone_schemas_are_problems(root: Path, lock: Lock) -> None:
    lock()
    text = FILES["fakebus.yaml"].replace("subject: o", "subject: p")
    (root / "fakebus.yaml").write_text(text)
    assert problems(root) == [
        f'o.avsc:1:1: version 1 of "p" is not in fixtures.lock; {HINT}',
        f'fixtures.lock:4:1: fixtures.lock pins version 1 of "o", which the set does not have; '
        f"{HINT}",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "version: 2\nschemas: []\n",
            "the lock has version 2; this fakebus reads version 1; remove it, and write it again "
            "with  fakebus fixtures lock",
        ),
        *(
            (
                text,
                "this is not a lock of fixtures; remove it, and write it again with  "
                "fakebus fixtures lock",
            )
            for text in (
                "",
                "[]",
                "version: 1\n",
                "version: 1\nschemas: [1]\n",
                "{",
                "version: 1\nschemas: [{subject: o, version: x, sha256: y}]",
                "a: &a0 [1, 1]\n"
                + "".join(f"a{n}: &a{n} [{f'*a{n - 1},' * 9}]\n" for n in range(1, 9))
                + "version: *a8\n",
            )
        ),
    ],
)
def test_what_is_no_lock_is_told(root: Path, lock: Lock, text: str, message: str) -> None:
    (root / "fixtures.lock").write_text(text)
    assert problems(root) == [f"fixtures.lock:1:1: {message}"]
    assert lock(code=2) == f"fakebus: {root}/fixtures.lock:1:1: {message}\n"


def test_the_package_is_kept_from_lock_to_lock(root: Path, lock: Lock) -> None:
    lock("--package", "aiohttp")
    first = (root / "fixtures.lock").read_text()
    assert '\nmade_with: "aiohttp ' in first
    lock()
    assert (root / "fixtures.lock").read_text() == first
    assert lock("--package", "no-such-package", code=2) == (
        "fakebus: there is no package no-such-package here; install it beside fakebus\n"
    )


def test_drift_tells_that_the_package_has_another_version(
    root: Path, lock: Lock, capsys: pytest.CaptureFixture[str]
) -> None:
    lock()
    path = root / "fixtures.lock"
    made_with = 'version: 1\nmade_with: "openedx-events 1.0.0"'
    path.write_text(path.read_text().replace("version: 1", made_with, 1))
    assert run(["fixtures", "drift", str(root), "--package", "openedx-events"]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    message = f"{path}:1: note: the set was made with openedx-events 1.0.0, here is openedx-events "
    assert first.startswith(message)


def test_a_file_with_the_name_of_the_lock_is_not_overwritten(root: Path, lock: Lock) -> None:
    (root / "fixtures.lock").write_text("mine\n")
    told = lock("--package", "pip", code=2)
    assert "fixtures.lock" in told
    assert (root / "fixtures.lock").read_text() == "mine\n"
    (root / "fixtures.lock").unlink()
    (root / "other").write_text("mine\n")
    (root / "fixtures.lock").symlink_to(root / "other")
    lock(code=2)
    assert (root / "other").read_text() == "mine\n"
