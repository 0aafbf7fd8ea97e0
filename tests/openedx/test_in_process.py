"""The bus in the process of a service's own tests, without a Kafka client."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SERVICE_TESTS = """
import threading
from datetime import UTC, datetime

import attr
import pytest
from opaque_keys.edx.keys import CourseKey
from openedx_events.learning.data import (
    CourseData, CourseEnrollmentData, UserData, UserPersonalData,
)
from openedx_events.learning.signals import COURSE_ENROLLMENT_CREATED, SESSION_LOGIN_COMPLETED

from fakebus.openedx.bus import plain_data

DEMO = CourseKey.from_string("course-v1:edX+DemoX+1")
ENROLLED = "org.openedx.learning.course.enrollment.created.v1"

LOGIN = "org.openedx.learning.auth.session.login.completed.v1"
ADA = UserData(id=5, is_active=True, pii=UserPersonalData(username="ada", email="a@b.c", name="Ä"))


def test_a_login_sends_an_event(openedx_events):
    SESSION_LOGIN_COMPLETED.send_event(user=ADA)
    event = openedx_events.expect(LOGIN, {"user": {"pii": {"username": "ada"}}})
    assert event.key_data == "ada"
    assert event.header("ce_source") == b"openedx/lms/web"
    openedx_events.expect_none(LOGIN, {"user": {"pii": {"username": "bob"}}})
    assert len(openedx_events.emitted()) == 1


def test_every_test_begins_with_an_empty_bus(openedx_events):
    assert openedx_events.emitted() == []


def test_a_missing_event_is_explained(openedx_events):
    SESSION_LOGIN_COMPLETED.send_event(user=ADA)
    with pytest.raises(AssertionError) as failure:
        openedx_events.expect(LOGIN, {"user": {"pii": {"username": "bob"}}}, timeout=0.1)
    assert "ada" in str(failure.value)
    with pytest.raises(AssertionError, match="sends .* nowhere"):
        openedx_events.expect("org.openedx.learning.badge.awarded.v1")


def test_an_event_of_another_service_reaches_the_receivers(openedx_events):
    got = []

    def receive(signal, metadata, user, **kwargs):
        got.append((metadata.source, user))

    SESSION_LOGIN_COMPLETED.connect(receive)
    data = {"user": {"id": 5, "is_active": True,
                     "pii": {"username": "ada", "email": "a@b.c", "name": "Ä"}}}
    openedx_events.send(LOGIN, data)
    SESSION_LOGIN_COMPLETED.disconnect(receive)
    assert got == [("openedx/another/web", ADA)]


def test_attrs_objects_are_taken_as_signals_take_them(openedx_events):
    got = []

    def receive(signal, metadata, enrollment, **kwargs):
        got.append(enrollment)

    enrollment = CourseEnrollmentData(
        user=ADA, course=CourseData(course_key=DEMO), mode="audit", is_active=True,
        creation_date=datetime(2026, 1, 2, tzinfo=UTC),
    )
    COURSE_ENROLLMENT_CREATED.connect(receive)
    openedx_events.send(ENROLLED, {"enrollment": enrollment})
    COURSE_ENROLLMENT_CREATED.disconnect(receive)
    assert got == [enrollment]

    SESSION_LOGIN_COMPLETED.send_event(user=ADA)
    openedx_events.expect(LOGIN, {"user": ADA})
    event = openedx_events.expect(LOGIN, {"user": {"pii": ADA.pii}})
    assert event.json() == event.data
    bob = attr.evolve(ADA, pii=attr.evolve(ADA.pii, username="bob"))
    openedx_events.expect_none(LOGIN, {"user": bob}, within=0)
    with pytest.raises(AssertionError, match="value.user.pii.username is 'ada', not 'bob'"):
        openedx_events.expect(LOGIN, {"user": bob}, timeout=0)
    with pytest.raises(TypeError, match="no serializer for object"):
        openedx_events.expect(LOGIN, {"user": object()}, timeout=0)
    assert plain_data(ENROLLED, {"course_key": DEMO, "at": [enrollment.creation_date]}) == {
        "course_key": "course-v1:edX+DemoX+1", "at": ["2026-01-02T00:00:00+00:00"]}


def test_a_consumer_gets_what_a_producer_sends(openedx_events):
    from openedx_events.event_bus import make_single_consumer

    got = []

    def receive(signal, metadata, user, from_event_bus=False, **kwargs):
        if from_event_bus:
            got.append((metadata, user))

    SESSION_LOGIN_COMPLETED.send_event(user=ADA)
    SESSION_LOGIN_COMPLETED.connect(receive)
    consumer = make_single_consumer(topic="user-login", group_id="g")
    assert consumer.consume() == 1
    assert consumer.consume() == 0
    thread = threading.Thread(target=consumer.consume_indefinitely)
    thread.start()
    SESSION_LOGIN_COMPLETED.send_event(user=ADA)
    openedx_events.bus.wait_for_group("g")
    consumer.stop()
    thread.join()
    SESSION_LOGIN_COMPLETED.disconnect(receive)
    assert [user for _, user in got] == [ADA, ADA]


def test_an_event_that_cannot_be_delivered_keeps_no_other_back(openedx_events, caplog):
    from openedx_events.event_bus import make_single_consumer

    got = []

    def receive(signal, metadata, user, from_event_bus=False, **kwargs):
        if from_event_bus:
            got.append(user)

    SESSION_LOGIN_COMPLETED.connect(receive)
    consumer = make_single_consumer(topic="user-login", group_id="g")
    headers = {"ce_type": "org.openedx.nobody.knows.it.v1", "ce_id": "0" * 32}
    openedx_events.bus.publish("dev-user-login", {}, headers=headers)
    SESSION_LOGIN_COMPLETED.send_event(user=ADA)
    with pytest.raises(ExceptionGroup, match="cannot be delivered"):
        consumer.consume()
    assert got == [ADA]
    thread = threading.Thread(target=consumer.consume_indefinitely)
    thread.start()
    openedx_events.bus.publish("dev-user-login", {}, headers=headers)
    SESSION_LOGIN_COMPLETED.send_event(user=ADA)
    openedx_events.bus.wait_for_group("g")
    consumer.stop()
    thread.join()
    SESSION_LOGIN_COMPLETED.disconnect(receive)
    assert got == [ADA, ADA]
    assert "an event cannot be delivered: dev-user-login[0]@2" in caplog.text


def test_no_kafka_client_was_needed():
    import sys

    assert "confluent_kafka" not in sys.modules
    assert "edx_event_bus_kafka" not in sys.modules
"""
CONFTEST = """
import django
from django.conf import settings

settings.configure(
    INSTALLED_APPS=["openedx_events"],
    SECRET_KEY="x",
    EVENTS_SERVICE_NAME="lms",
    EVENT_BUS_TOPIC_PREFIX="dev",
    EVENT_BUS_CONSUMER="fakebus.openedx.bus.FakebusEventConsumer",
    EVENT_BUS_PRODUCER_CONFIG={
        "org.openedx.learning.auth.session.login.completed.v1": {
            "user-login": {"event_key_field": "user.pii.username", "enabled": True}
        }
    },
)
django.setup()
"""


@pytest.mark.timeout(120)
def test_the_tests_of_a_service_run_on_it(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_service.py").write_text(SERVICE_TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "8 passed" in done.stdout
