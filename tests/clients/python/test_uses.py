"""A set of one repository with the events of another one, seen by a real client."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakebus.testing.embedded_bus import running_bus
from tests.clients.python.test_seeding_ledger import bus, seed, values
from tests.unit.fixture_files.packages import install

pytestmark = pytest.mark.clients
SHARED = {
    "fakebus.yaml": "version: 1\ntopics: [{name: t, value: {format: string}, load: t.ndjson}]\n",
    "t.ndjson": '{"value": "theirs"}\n',
}
PACKAGE = Path("package:parcel-events")


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    site = tmp_path / "site"
    root = install(site, "parcel-events", SHARED, version="2.3")
    monkeypatch.syspath_prepend(str(site))
    return root


@pytest.fixture
def own(tmp_path: Path, shared: Path) -> Path:
    root = tmp_path / "own"
    root.mkdir()
    (root / "fakebus.yaml").write_text(
        "version: 1\nuses: [{package: parcel-events, version: '>=2,<3'}]\ninclude: more.ndjson\n"
    )
    (root / "more.ndjson").write_text('{"topic": "t", "value": "mine"}\n')
    return root


def test_a_client_reads_the_events_of_a_package_and_those_of_its_user(own: Path) -> None:
    with bus(None, own) as servers:
        assert values(servers) == ["theirs", "mine"]


def test_the_events_of_a_package_are_seeded_once_whoever_uses_it(
    own: Path, shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "fakebus.yaml").write_text("version: 1\nuses: [{package: parcel-events}]\n")
    data = tmp_path / "bus.db"
    with bus(data, PACKAGE) as servers:
        seed(servers, own)
        assert "1 event written, 1 already there" in capsys.readouterr().out
        seed(servers, other)
        assert "0 events written, 1 already there" in capsys.readouterr().out
    with bus(data, own, other) as servers:
        # By its directory alone the set has no name, and is still the one that was seeded.
        seed(servers, shared)
        assert "0 events written, 1 already there" in capsys.readouterr().out
        assert values(servers) == ["theirs", "mine"]


def test_what_was_seeded_before_the_set_had_a_name_is_not_seeded_again(
    shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with bus(None, shared) as servers:
        seed(servers, PACKAGE)
        assert "0 events written, 1 already there" in capsys.readouterr().out
        (shared / "t.ndjson").write_text('{"value": "theirs"}\n{"value": "new"}\n')
        seed(servers, PACKAGE)
        assert values(servers) == ["theirs", "new"]


def test_ids_that_a_user_pins_are_free_although_other_schemas_come_first(tmp_path: Path) -> None:
    """The registry counts from 1, and has to come to the pinned schema before it gives 1 away."""
    for name, text in {
        "shared": "topics: [{name: t, value: {subject: a}, load: t.ndjson}]\n"
        "subjects: [{subject: a, schema: a.avsc}]\n",
        "own": "uses: [{path: ../shared}]\n"
        "topics: [{name: own, value: {subject: b}, load: t.ndjson}]\n"
        "subjects: [{subject: b, schema: a.avsc, id: 1}]\n",
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "fakebus.yaml").write_text(f"version: 1\n{text}")
        (tmp_path / name / "a.avsc").write_text('"string"' if name == "own" else '"long"')
        (tmp_path / name / "t.ndjson").write_text(
            '{"value": "v"}\n' if name == "own" else '{"value": 1}\n'
        )
    with running_bus(fixtures=tmp_path / "own", http=True) as running:
        servers = running.bootstrap_servers
        assert values(servers) == ["\0\0\0\0\2\2"]
        assert values(servers, "own") == ["\0\0\0\0\1\2v"]
