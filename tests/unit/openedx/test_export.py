"""The set that is made from the installed openedx-events, and the one that is shipped."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fakebus.errors import FakebusError
from fakebus.fixture_files.drift.lock import write_lock
from fakebus.fixture_files.loader import check_fixtures, load_fixtures
from fakebus.fixture_files.model import FixtureSet
from fakebus.fixture_files.recording.written_sets import WrittenSet
from fakebus.openedx.catalogue import CatalogueEvent, load_catalogue
from fakebus.openedx.export import MADE_BY, ExportReport, export, files_of_set
from fakebus.openedx.samples import samples_of
from fakebus.openedx.topics import route_of

NOW_MS = 1_760_000_000_000
SHIPPED = Path(__file__).resolve().parents[3] / "fixtures"
CE_HEADERS = {
    *("ce_type", "ce_id", "ce_source", "ce_specversion", "ce_time", "ce_minorversion"),
    *("sourcehost", "sourcelib", "content-type", "ce_datacontenttype"),
}


@pytest.fixture(scope="module")
def catalogue() -> list[CatalogueEvent]:
    return load_catalogue()


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ExportReport]:
    directory = tmp_path_factory.mktemp("export") / "fixtures"
    return directory, export(directory)


@pytest.fixture(scope="module", params=["exported", "shipped"])
def fixture_set(request: pytest.FixtureRequest, exported: tuple[Path, ExportReport]) -> FixtureSet:
    directory = exported[0] if request.param == "exported" else SHIPPED
    return load_fixtures(directory, now_ms=NOW_MS)


def types_of(fixture_set: FixtureSet) -> Counter[str]:
    return Counter(
        dict(event.record.headers)["ce_type"].decode()
        for stream in fixture_set.streams
        for event in stream.events
    )


def test_every_event_of_the_installed_package_is_in_it(
    catalogue: list[CatalogueEvent], exported: tuple[Path, ExportReport]
) -> None:
    report = exported[1]
    assert report.event_types == len(catalogue)
    assert len(catalogue) == {"10.5.0": 63, "11.2.0": 72}[report.version]
    assert report.without_samples == ()


def test_nothing_is_to_be_said_against_it(exported: tuple[Path, ExportReport]) -> None:
    assert check_fixtures(exported[0], now_ms=NOW_MS) == []


def test_nothing_is_to_be_said_against_the_shipped_set() -> None:
    assert check_fixtures(SHIPPED, now_ms=NOW_MS) == []
    assert len(load_fixtures(SHIPPED, now_ms=NOW_MS).topics) == 29


def test_every_type_has_three_events_with_the_headers_of_the_bus(fixture_set: FixtureSet) -> None:
    counts = types_of(fixture_set)
    assert len(counts) in (63, 72)
    assert min(counts.values()) >= 3
    for stream in fixture_set.streams:
        for event in stream.events:
            assert {name for name, _ in event.record.headers} == CE_HEADERS


def test_events_of_a_topic_lie_in_the_order_of_time(fixture_set: FixtureSet) -> None:
    for stream in fixture_set.streams:
        times = [event.record.timestamp_ms for event in stream.events]
        assert times == sorted(times)


def test_every_known_type_has_a_route(catalogue: list[CatalogueEvent]) -> None:
    assert [each.event_type for each in catalogue if route_of(each.event_type) is None] == []


def test_keys_stand_in_the_data(catalogue: list[CatalogueEvent]) -> None:
    for each in catalogue:
        assert each.key_type in ("string", "long")
        for sample in samples_of(each.event_type, each.schema):
            data: Any = sample.data
            for name in each.key_field.split("."):
                data = data[name]
            assert data


def learners(data: Any) -> Iterator[tuple[int, str]]:
    if isinstance(data, dict):
        if "pii" in data:
            yield data["id"], data["pii"]["username"]
        for inner in data.values():
            yield from learners(inner)
    elif isinstance(data, list):
        for inner in data:
            yield from learners(inner)


def test_the_same_learners_are_everywhere(catalogue: list[CatalogueEvent]) -> None:
    by_type: dict[str, set[tuple[int, str]]] = {}
    for each in catalogue:
        for sample in samples_of(each.event_type, each.schema):
            by_type.setdefault(each.event_type, set()).update(learners(sample.data))
    registered = by_type["org.openedx.learning.student.registration.completed.v1"]
    for event_type, found in by_type.items():
        assert found <= registered, event_type
    assert any(
        "ö" in json.dumps(sample.data, ensure_ascii=False)
        for each in catalogue
        for sample in samples_of(each.event_type, each.schema)
    )


def test_who_leaves_or_passes_was_enrolled_before(catalogue: list[CatalogueEvent]) -> None:
    schemas = {each.event_type: each.schema for each in catalogue}

    def pairs(event_type: str, argument: str, user: str = "user") -> set[tuple[str, str]]:
        return {
            (
                sample.data[argument][user]["pii"]["username"],
                sample.data[argument]["course"]["course_key"],
            )
            for sample in samples_of(event_type, schemas[event_type])
        }

    enrolled = pairs("org.openedx.learning.course.enrollment.created.v1", "enrollment")
    for event_type, argument in (
        ("org.openedx.learning.course.enrollment.changed.v1", "enrollment"),
        ("org.openedx.learning.course.unenrollment.completed.v1", "enrollment"),
        ("org.openedx.learning.certificate.created.v1", "certificate"),
        ("org.openedx.learning.cohort_membership.changed.v1", "cohort"),
    ):
        assert pairs(event_type, argument) <= enrolled, event_type


def optional_fields(schema: Any, data: Any, types: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """Yield every optional field of the data as ``Record.field``, and whether it is there."""
    if isinstance(schema, list):
        schema = schema[-1]
    if isinstance(schema, str):
        schema = types.get(schema, schema)
    if not isinstance(schema, dict) or schema["type"] != "record" or data is None:
        return
    types[schema["name"]] = schema
    for field in schema["fields"]:
        inner = data.get(field["name"])
        if isinstance(field["type"], list):
            yield f"{schema['name']}.{field['name']}", inner is not None
        yield from optional_fields(field["type"], inner, types)


def test_optional_fields_are_present_in_some_events_and_absent_in_others(
    catalogue: list[CatalogueEvent],
) -> None:
    seen: dict[str, set[bool]] = {}
    for each in catalogue:
        for sample in samples_of(each.event_type, each.schema):
            for field, there in optional_fields(each.schema, sample.data, {}):
                seen.setdefault(field, set()).add(there)
    assert len(seen) >= 25
    # What Open edX's own producers do not set either.
    never = {
        "DuplicatedXBlockData.version",
        *("DiscussionThreadData.anonymous", "DiscussionThreadData.anonymous_to_peers"),
        *("DiscussionThreadData.title_truncated", "DiscussionThreadData.team_id"),
        "LearnerCreditEnterpriseCourseEnrollment.enterprise_course_entitlement_uuid",
    }
    always = {
        "LearnerCreditEnterpriseCourseEnrollment.enterprise_course_enrollment",
        *("EnterpriseCourseEnrollment.source_slug", "EnterpriseCourseEnrollment.unenrolled"),
        *("EnterpriseCourseEnrollment.unenrolled_at", "CourseData.start"),
    }
    assert {field for field, found in seen.items() if found == {False}} <= never
    assert {field for field, found in seen.items() if found == {True}} <= always


def test_another_set_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "fakebus.yaml").write_text("version: 1\n")
    with pytest.raises(FakebusError, match="was not written by fakebus openedx export"):
        export(tmp_path)
    assert (tmp_path / "fakebus.yaml").read_text() == "version: 1\n"


def test_files_that_are_not_of_the_set_stay(tmp_path: Path) -> None:
    for name in ("events/models.py", "schemas/mine.avsc"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("mine")
    for prefix in ("dev", "stage"):
        export(tmp_path, prefix=prefix)
        assert (tmp_path / "events" / "models.py").read_text() == "mine"
        assert (tmp_path / "schemas" / "mine.avsc").read_text() == "mine"
    events = tmp_path / "events" / "analytics.ndjson"
    events.write_text(events.read_text() + "{}\n")
    with pytest.raises(
        FakebusError, match=r"analytics\.ndjson has been changed since fakebus openedx"
    ):
        export(tmp_path)
    assert events.read_text().endswith("{}\n")


def test_a_file_with_the_name_of_the_lock_stays_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "fixtures.lock").write_text("mine")
    with pytest.raises(
        FakebusError, match=r"fixtures\.lock was not written by fakebus fixtures lock"
    ):
        export(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["fixtures.lock"]


def test_the_shipped_set_comes_out_of_the_data_to_the_byte(tmp_path: Path) -> None:
    catalogue = [
        CatalogueEvent(
            event_type=row["event_type"],
            topic=row["topic"],
            key_field=row["event_key_field"],
            owner=row["owner"],
            consumers=tuple(row["consumers"]),
            schema=json.loads((SHIPPED / "schemas" / f"{row['event_type']}.avsc").read_text()),
        )
        for row in json.loads((SHIPPED / "catalog.json").read_text())
    ]
    for each in catalogue:
        route = route_of(each.event_type)
        assert route is not None
        assert (route.topic, route.key_field, route.owner, route.consumers) == (
            *(each.topic, each.key_field, each.owner, each.consumers),
        )
    WrittenSet(tmp_path, MADE_BY).write(files_of_set(catalogue, "11.2.0"))
    write_lock(load_fixtures(tmp_path, now_ms=NOW_MS), "openedx-events 11.2.0")
    made, shipped = (
        {
            path.relative_to(root).as_posix(): path.read_bytes()
            for path in root.rglob("*")
            if path.is_file()
        }
        for root in (tmp_path, SHIPPED)
    )
    assert made.keys() == shipped.keys()
    assert [name for name, data in made.items() if data != shipped[name]] == []


def test_the_shipped_set_lists_its_files() -> None:
    listed = WrittenSet(SHIPPED, MADE_BY).listed()
    found = {path.relative_to(SHIPPED).as_posix() for path in SHIPPED.rglob("*") if path.is_file()}
    assert found == {*listed, "fakebus.yaml", "fixtures.lock"}


def test_topics_have_the_services_prefix(tmp_path: Path) -> None:
    export(tmp_path / "a", prefix="stage")
    fixture_set = load_fixtures(tmp_path / "a", now_ms=NOW_MS)
    subjects = {schema.subject for schema in fixture_set.schemas}
    export(tmp_path / "b", prefix="")
    plain = load_fixtures(tmp_path / "b", now_ms=NOW_MS)
    names = {topic.name for topic in plain.topics}
    assert "course-catalog-info-changed" in names
    assert {topic.name for topic in fixture_set.topics} == {f"stage-{name}" for name in names}
    assert subjects == {f"stage-{schema.subject}" for schema in plain.schemas}
