"""People, their roles and their enrolments."""

from __future__ import annotations

from collections.abc import Iterator

from fakebus.openedx.samples.sample import Sample, Samples, sample
from fakebus.openedx.world import (
    AMARA,
    BIOLOGY,
    BJORN,
    COACH,
    COURSES,
    DEMO,
    ENROLLMENTS,
    LEFT,
    PEOPLE,
    STAFF,
    Course,
    Data,
)


def _registrations() -> Iterator[Sample]:
    for index, person in enumerate(PEOPLE):
        yield sample(person.username, f"-{30 - index}w", "user", person.user)


def _logins() -> Iterator[Sample]:
    for person in PEOPLE:
        if person.is_active:
            yield sample(person.username, f"-{person.id}h", "user", person.user)


def _course_roles() -> Iterator[Sample]:
    for index, course in enumerate(COURSES):
        yield sample(
            f"staff-{course.number.lower()}",
            f"-{28 - index}w",
            "course_access_role_data",
            _role(STAFF.user, course, "instructor"),
        )
    yield sample(
        "coach-bio101", "-12w", "course_access_role_data", _role(COACH.user, BIOLOGY, "staff")
    )


def _course_roles_removed() -> Iterator[Sample]:
    for days, course, role in ((9, BIOLOGY, "staff"), (6, DEMO, "data_researcher")):
        yield sample(
            f"coach-{course.number.lower()}",
            f"-{days}d",
            "course_access_role_data",
            _role(COACH.user, course, role),
        )
    yield sample(
        "staff-demox", "-2d", "course_access_role_data", _role(STAFF.user, DEMO, "instructor")
    )


def _role(user: Data, course: Course, role: str) -> Data:
    return {"user": user, "org_key": course.org, "course_key": course.key, "role": role}


def _role_assignments(operation: str) -> Iterator[Sample]:
    for days, person, role in (
        (8, COACH, "library_author"),
        (6, AMARA, "library_user"),
        (4, BJORN, "library_contributor"),
    ):
        data: Data = {
            "operation": operation,
            "subject": f"user^{person.username}",
            "role": f"role^{role}",
            "scope": "lib^lib:Humboldt:BIO-LIB",
        }
        if person is not BJORN:
            data["actor_id"] = STAFF.id
        yield sample(person.username, f"-{days}d", "role_assignment", data)


# Enrolment


def _enrolled() -> Iterator[Sample]:
    for each in ENROLLMENTS:
        yield sample(each.id, each.when, "enrollment", each.data(mode="audit"))


def _enrollment_changed() -> Iterator[Sample]:
    for each in ENROLLMENTS:
        if each.mode != "audit":
            yield sample(f"{each.id}-upgraded", each.upgraded, "enrollment", each.data())
        if each.left is not None:
            yield sample(f"{each.id}-left", each.left, "enrollment", each.data(is_active=False))


def _unenrolled() -> Iterator[Sample]:
    for each in LEFT:
        assert each.left is not None  # noqa: S101 - LEFT holds no others
        yield sample(each.id, each.left, "enrollment", each.data(is_active=False))


def _cohorts() -> Iterator[Sample]:
    for index, each in enumerate(ENROLLMENTS[:4]):
        yield sample(
            each.id,
            f"-{9 * 7 - index}d",
            "cohort",
            {
                "user": each.person.user,
                "course": each.course.data,
                "name": ("Vormittag", "Nachmittag")[index % 2],
            },
        )


SAMPLES: Samples = {
    "authz.role_assignment.created": lambda: _role_assignments("created"),
    "authz.role_assignment.deleted": lambda: _role_assignments("deleted"),
    "learning.auth.session.login.completed.v1": _logins,
    "learning.cohort_membership.changed.v1": _cohorts,
    "learning.course.enrollment.changed.v1": _enrollment_changed,
    "learning.course.enrollment.created.v1": _enrolled,
    "learning.course.unenrollment.completed.v1": _unenrolled,
    "learning.student.registration.completed.v1": _registrations,
    "learning.user.course_access_role.added.v1": _course_roles,
    "learning.user.course_access_role.removed.v1": _course_roles_removed,
}
"""By event type, without its beginning."""
