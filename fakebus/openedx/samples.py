"""Sample events for every type: what happened at the university, in the order of time.

Every sample is data in the shape that ``produce_event`` and fixture files take. Times and
ids are ``$`` functions, so that yesterday's events stay yesterday's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fakebus.openedx.world import (
    AMARA,
    BIOLOGY,
    BJORN,
    CHEN,
    COACH,
    COMPUTING,
    COURSES,
    DEMO,
    DILNOZA,
    ENROLLMENTS,
    GRADED,
    LEFT,
    PASSED,
    PEOPLE,
    STAFF,
    Course,
    Data,
    Enrollment,
)

_PREFIX = "org.openedx."


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One event."""

    name: str
    """Unique among the samples of its type."""
    at: str
    """When, from now."""
    data: Data


def _uuid(name: str) -> Data:
    return {"$uuid": name}


def _time(at: str) -> Data:
    return {"$time": at}


def _sample(name: str, at: str, argument: str, data: Data) -> Sample:
    return Sample(name=name, at=at, data={argument: data})


# People


def _registrations() -> Iterator[Sample]:
    for index, person in enumerate(PEOPLE):
        yield _sample(person.username, f"-{30 - index}w", "user", person.user)


def _logins() -> Iterator[Sample]:
    for person in PEOPLE:
        if person.is_active:
            yield _sample(person.username, f"-{person.id}h", "user", person.user)


def _course_roles() -> Iterator[Sample]:
    for index, course in enumerate(COURSES):
        yield _sample(
            f"staff-{course.number.lower()}",
            f"-{28 - index}w",
            "course_access_role_data",
            _role(STAFF.user, course, "instructor"),
        )
    yield _sample(
        "coach-bio101", "-12w", "course_access_role_data", _role(COACH.user, BIOLOGY, "staff")
    )


def _course_roles_removed() -> Iterator[Sample]:
    for days, course, role in ((9, BIOLOGY, "staff"), (6, DEMO, "data_researcher")):
        yield _sample(
            f"coach-{course.number.lower()}",
            f"-{days}d",
            "course_access_role_data",
            _role(COACH.user, course, role),
        )
    yield _sample(
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
        yield _sample(person.username, f"-{days}d", "role_assignment", data)


# Enrolment


def _enrolled() -> Iterator[Sample]:
    for each in ENROLLMENTS:
        yield _sample(each.id, each.when, "enrollment", each.data(mode="audit"))


def _enrollment_changed() -> Iterator[Sample]:
    for each in ENROLLMENTS:
        if each.mode != "audit":
            yield _sample(f"{each.id}-upgraded", each.upgraded, "enrollment", each.data())
        if each.left is not None:
            yield _sample(f"{each.id}-left", each.left, "enrollment", each.data(is_active=False))


def _unenrolled() -> Iterator[Sample]:
    for each in LEFT:
        assert each.left is not None  # noqa: S101 - LEFT holds no others
        yield _sample(each.id, each.left, "enrollment", each.data(is_active=False))


def _cohorts() -> Iterator[Sample]:
    for index, each in enumerate(ENROLLMENTS[:4]):
        yield _sample(
            each.id,
            f"-{9 * 7 - index}d",
            "cohort",
            {
                "user": each.person.user,
                "course": each.course.data,
                "name": ("Vormittag", "Nachmittag")[index % 2],
            },
        )


# Grades, certificates, badges


def _grades() -> Iterator[Sample]:
    for index, each in enumerate(GRADED):
        yield _sample(
            each.id,
            f"-{20 - index}d",
            "grade",
            {
                "user_id": each.person.id,
                "course": each.course.data,
                "course_edited_timestamp": _time("-15w"),
                "course_version": "6512bd43d9caa6e02c990b0a",
                "grading_policy_hash": "VKy+tYp9jLXqgV2pQ7kfFH8CAQM=",
                "percent_grade": each.grade,
                "letter_grade": each.letter,
                "passed_timestamp": _time(f"-{20 - index}d"),
            },
        )


def _passing() -> Iterator[Sample]:
    for index, each in enumerate(GRADED):
        yield _sample(
            each.id,
            f"-{19 - index}d",
            "course_passing_status",
            {"is_passing": each.passed, "course": each.course.data, "user": each.person.user},
        )


def _ccx_passing() -> Iterator[Sample]:
    for index, (person, passing) in enumerate(((AMARA, True), (BJORN, True), (CHEN, False))):
        course: Data = {
            "ccx_course_key": f"ccx-v1:{BIOLOGY.name_key}+ccx@1",
            "master_course_key": BIOLOGY.key,
            "display_name": "Biologie am Abend",
            "coach_email": COACH.user["pii"]["email"],
        }
        if index:
            course |= {
                "start": _time("-8w"),
                "end": _time("+2w"),
                "max_students_allowed": 25,
            }
        yield _sample(
            f"{person.username}-ccx",
            f"-{14 - index}d",
            "course_passing_status",
            {"is_passing": passing, "user": person.user, "course": course},
        )


def _certificates(status: str, previous: str, days: int) -> Callable[[], Iterator[Sample]]:
    def samples() -> Iterator[Sample]:
        for index, each in enumerate(PASSED):
            yield _sample(
                each.id, f"-{days - index}d", "certificate", _certificate(each, status, previous)
            )

    return samples


def _certificate(each: Enrollment, status: str, previous: str) -> Data:
    downloadable = status == "downloadable"
    return {
        "user": each.person.user,
        "course": each.course.data,
        "mode": each.mode,
        "grade": str(each.grade),
        "current_status": status,
        "previous_status": previous,
        "download_url": f"https://certificates.example.org/{each.id}.pdf" if downloadable else "",
        "name": each.person.name,
    }


_PROGRAM = {
    "uuid": _uuid("program-life-sciences"),
    "title": "Lebenswissenschaften: Grundlagen und Übung",
    "program_type": "MicroMasters",
}


def _program_certificates(status: str, days: int) -> Callable[[], Iterator[Sample]]:
    def samples() -> Iterator[Sample]:
        for index, person in enumerate((AMARA, BJORN, CHEN)):
            name = f"program-certificate-{person.username}"
            data: Data = {
                "user": person.user,
                "program": _PROGRAM,
                "uuid": _uuid(name),
                "status": status,
                "url": f"https://credentials.example.org/credentials/{person.username}/",
            }
            if index:
                data["certificate_available_date"] = _time("-3d")
            yield _sample(person.username, f"-{days - index}d", "program_certificate", data)

    return samples


def _badges(days: int) -> Callable[[], Iterator[Sample]]:
    def samples() -> Iterator[Sample]:
        for index, each in enumerate(PASSED):
            template: Data = {
                "uuid": _uuid(f"badge-template-{each.course.number}"),
                "origin": "openedx",
            }
            if index:
                template |= {
                    "name": f"{each.course.name} ✓",
                    "description": "Passed the course",
                    "image_url": "https://badges.example.org/passed.png",
                }
            yield _sample(
                each.id,
                f"-{days - index}d",
                "badge",
                {"uuid": _uuid(f"badge-{each.id}"), "user": each.person.user, "template": template},
            )

    return samples


# Exams, identity, assignments


def _exams(days: int) -> Callable[[], Iterator[Sample]]:
    def samples() -> Iterator[Sample]:
        for index, each in enumerate(GRADED):
            data: Data = {
                "student_user": each.person.user,
                "course_key": each.course.key,
                "usage_key": each.course.block("sequential", "final_exam"),
                "exam_type": ("proctored", "timed")[index % 2],
            }
            if index % 2:
                data["requesting_user"] = STAFF.user
            yield _sample(each.id, f"-{days * 24 - index}h", "exam_attempt", data)

    return samples


def _identity(status: str, days: int) -> Callable[[], Iterator[Sample]]:
    def samples() -> Iterator[Sample]:
        for index, person in enumerate((AMARA, BJORN, DILNOZA)):
            data: Data = {"attempt_id": 100 + index, "user": person.user, "status": status}
            if index:
                data |= {"name": person.name, "expiration_date": _time("+104w")}
            yield _sample(person.username, f"-{days * 24 - index}h", "idv_attempt", data)

    return samples


def _assignments() -> Iterator[Sample]:
    for index, each in enumerate(GRADED):
        answer: Data = {
            "parts": [{"text": f"Zellen teilen sich. ({each.person.username})"}],
            "file_keys": [],
            "file_descriptions": [],
            "file_names": [],
            "file_sizes": [],
            "file_urls": [],
        }
        if index:
            answer |= {
                "file_keys": [f"submissions/{each.id}"],
                "file_descriptions": ["Skizze"],
                "file_names": ["skizze.png"],
                "file_sizes": [20480 + index],
                "file_urls": [f"https://files.example.org/submissions/{each.id}"],
            }
        yield _sample(
            each.id,
            f"-{30 - index}d",
            "submission",
            {
                "uuid": _uuid(f"submission-{each.id}"),
                "anonymous_user_id": f"{each.person.id:032x}",
                "location": each.course.block("openassessment", "essay"),
                "attempt_number": 1,
                "created_at": _time(f"-{30 - index}d1h"),
                "submitted_at": _time(f"-{30 - index}d"),
                "answer": answer,
            },
        )


def _launches() -> Iterator[Sample]:
    for index, each in enumerate(ENROLLMENTS[:4]):
        yield _sample(
            each.id,
            f"-{20 - index}h",
            "launch_data",
            {
                "user": each.person.user,
                "course_key": each.course.key,
                "usage_key": each.course.block("problem", "quiz_1"),
                "launch_params": {
                    "roles": "Learner",
                    "context_id": each.course.key,
                    "user_id": str(each.person.id),
                    "extra_params": {} if index else {"custom_locale": "de"},
                },
            },
        )


# Discussion and notifications


def _discussions() -> Iterator[Sample]:
    for index, course in enumerate(COURSES):
        topic: Data = {"title": "Allgemeines 💬", "context": {}}
        if index:
            topic |= {
                "usage_key": course.block("vertical", "week_1"),
                "group_id": index,
                "external_id": f"{course.number.lower()}-general",
                "ordering": index,
                "context": {"section": "Woche 1"},
            }
        yield _sample(
            course.number.lower(),
            f"-{25 - index}w",
            "configuration",
            {
                "course_key": course.key,
                "provider_type": "openedx",
                "enabled": True,
                "enable_in_context": True,
                "enable_graded_units": bool(index),
                "unit_level_visibility": True,
                "plugin_configuration": {"group_at_subsection": bool(index)},
                "contexts": [topic],
            },
        )


def _posts(kind: str, days: int) -> Callable[[], Iterator[Sample]]:
    def samples() -> Iterator[Sample]:
        for index, each in enumerate(ENROLLMENTS[:3]):
            data: Data = {
                "body": f"Wann ist die Prüfung? — {each.person.username}",
                "commentable_id": "course",
                "id": f"{index:04d}{days:020d}",
                "truncated": False,
                "url": f"https://lms.example.org/courses/{each.course.key}/discussion/{index}",
                "user": each.person.user,
                "course_id": each.course.key,
                "user_course_roles": [],
                "user_forums_roles": ["Student"],
                "options": {"followed": True},
            }
            if kind == "thread":
                data |= {"thread_type": "question", "title": "Prüfung"}
            else:
                data["discussion"] = {"id": f"{index:04d}{15:020d}"}
            if index:
                data |= {"group_id": index, "category_id": 12, "category_name": "Woche 1"}
            yield _sample(f"{kind}-{each.id}", f"-{days}d{index + 1}h", "thread", data)

    return samples


def _user_notifications() -> Iterator[Sample]:
    for index, course in enumerate(COURSES):
        yield _sample(
            course.number.lower(),
            f"-{30 - index}h",
            "notification_data",
            {
                "user_ids": [each.person.id for each in ENROLLMENTS if each.course is course],
                "notification_type": "new_response",
                "content_url": f"https://lms.example.org/courses/{course.key}/discussion/",
                "app_name": "discussion",
                "course_key": course.key,
                "context": {"replier_name": STAFF.username, "post_title": "Prüfung"},
            },
        )


def _course_notifications() -> Iterator[Sample]:
    for index, course in enumerate(COURSES):
        yield _sample(
            course.number.lower(),
            f"-{28 - index}h",
            "course_notification_data",
            {
                "course_key": course.key,
                "app_name": "updates",
                "notification_type": "course_updates",
                "content_url": f"https://lms.example.org/courses/{course.key}/updates/",
                "content_context": {"course_update_content": "Neuer Raum: Hörsaal 3"},
                "audience_filters": {"enrollments": ["audit", "verified"]} if index else {},
            },
        )


def _tracking() -> Iterator[Sample]:
    for index, each in enumerate(ENROLLMENTS[:5]):
        yield _sample(
            each.id,
            f"-{10 - index}h",
            "tracking_log",
            {
                "name": ("edx.course.enrollment.activated", "problem_check")[index % 2],
                "timestamp": _time(f"-{10 - index}h"),
                "data": f'{{"course_id": "{each.course.key}"}}',
                "context": f'{{"user_id": {each.person.id}}}',
            },
        )


# Authoring


def _catalog() -> Iterator[Sample]:
    for index, course in enumerate(COURSES):
        schedule: Data = {"start": _time(course.start), "pacing": ("self", "instructor")[index % 2]}
        if course.end is not None:
            schedule |= {
                "end": _time(course.end),
                "enrollment_start": _time(f"{course.start}1d"),
                "enrollment_end": _time("-1w"),
            }
        yield _sample(
            course.number.lower(),
            f"-{26 - index}w",
            "catalog_info",
            {
                "course_key": course.key,
                "name": course.name,
                "schedule_data": schedule,
                "hidden": False,
                "invitation_only": course is COMPUTING,
            },
        )


def _courses(weeks: int) -> Callable[[], Iterator[Sample]]:
    def samples() -> Iterator[Sample]:
        for index, course in enumerate(COURSES):
            yield _sample(
                course.number.lower(),
                f"-{weeks - index}w",
                "course",
                course.data,
            )

    return samples


_BLOCKS = (("vertical", "week_1"), ("problem", "quiz_1"), ("html", "welcome"))


def _blocks(days: int, *, version: bool = False) -> Callable[[], Iterator[Sample]]:
    def samples() -> Iterator[Sample]:
        for index, (block_type, block_id) in enumerate(_BLOCKS):
            usage_key = BIOLOGY.block(block_type, block_id)
            data: Data = {"usage_key": usage_key, "block_type": block_type}
            if version and index:
                data["version"] = usage_key
            yield _sample(block_id, f"-{days - index}d", "xblock_info", data)

    return samples


def _duplicated() -> Iterator[Sample]:
    for index, (block_type, block_id) in enumerate(_BLOCKS):
        yield _sample(
            block_id,
            f"-{60 - index}d",
            "xblock_info",
            {
                "usage_key": BIOLOGY.block(block_type, f"{block_id}_copy"),
                "block_type": block_type,
                "source_usage_key": BIOLOGY.block(block_type, block_id),
            },
        )


def _skills() -> Iterator[Sample]:
    for index, (block_type, block_id) in enumerate(_BLOCKS):
        yield _sample(
            block_id,
            f"-{40 - index}d",
            "xblock_info",
            {
                "usage_key": BIOLOGY.block(block_type, block_id),
                "verified_skills": [2, 7, 11][: index + 1],
                "ignored_skills": [] if index else [5],
            },
        )


_LIBRARIES = ("lib:Humboldt:BIO-LIB", "lib:UniTokyo:CS-LIB", "lib:OpenedX:DEMO")


def _libraries(days: int) -> Callable[[], Iterator[Sample]]:
    def samples() -> Iterator[Sample]:
        for index, key in enumerate(_LIBRARIES):
            yield _sample(
                key.split(":")[2].lower(),
                f"-{days - index}d",
                "content_library",
                {"library_key": key, "update_blocks": bool(index)},
            )

    return samples


def _library_blocks(days: int) -> Callable[[], Iterator[Sample]]:
    def samples() -> Iterator[Sample]:
        for index, key in enumerate(_LIBRARIES):
            _, org, slug = key.split(":")
            yield _sample(
                slug.lower(),
                f"-{days - index}d",
                "library_block",
                {"library_key": key, "usage_key": f"lb:{org}:{slug}:problem:cell-{index + 1}"},
            )

    return samples


def _collections(days: int) -> Callable[[], Iterator[Sample]]:
    def samples() -> Iterator[Sample]:
        for index, key in enumerate(_LIBRARIES):
            _, org, slug = key.split(":")
            yield _sample(
                slug.lower(),
                f"-{days - index}d",
                "library_collection",
                {
                    "collection_key": f"lib-collection:{org}:{slug}:week-1",
                    "background": bool(index),
                },
            )

    return samples


def _containers(days: int) -> Callable[[], Iterator[Sample]]:
    def samples() -> Iterator[Sample]:
        for index, key in enumerate(_LIBRARIES):
            _, org, slug = key.split(":")
            yield _sample(
                slug.lower(),
                f"-{days - index}d",
                "library_container",
                {"container_key": f"lct:{org}:{slug}:unit:intro", "background": bool(index)},
            )

    return samples


def _objects(days: int, *, changes: bool) -> Callable[[], Iterator[Sample]]:
    def samples() -> Iterator[Sample]:
        keys = (BIOLOGY.key, BIOLOGY.block("problem", "quiz_1"), "lb:Humboldt:BIO-LIB:html:intro")
        for index, key in enumerate(keys):
            data: Data = {"object_id": key}
            if changes:
                data["changes"] = ["tags", "collections"][: index + 1]
            yield _sample(str(index + 1), f"-{days - index}d", "content_object", data)

    return samples


# Enterprise


def _groups() -> Iterator[Sample]:
    for index, name in enumerate(("sales", "r-and-d", "apprentices")):
        yield _sample(name, f"-{9 - index}d", "enterprise_group", {"uuid": _uuid(f"group-{name}")})


def _redemptions(days: int) -> Callable[[], Iterator[Sample]]:
    def samples() -> Iterator[Sample]:
        for index, each in enumerate(PASSED):
            yield _sample(
                each.id,
                f"-{days - index}d",
                "redemption",
                {
                    "subsidy_identifier": _uuid("subsidy-acme"),
                    "content_key": each.course.key,
                    "lms_user_id": each.person.id,
                },
            )

    return samples


def _ledger(state: str, days: int) -> Callable[[], Iterator[Sample]]:
    def samples() -> Iterator[Sample]:
        for index, each in enumerate(PASSED):
            when = f"-{days - index}d"
            data: Data = {
                "uuid": _uuid(f"transaction-{each.id}"),
                "created": _time(when),
                "modified": _time(when),
                "idempotency_key": f"ledger-acme-{each.id}",
                "quantity": -19900,
                "state": "committed" if state == "reversed" else state,
                "ledger_uuid": _uuid("ledger-acme"),
                "subsidy_access_policy_uuid": _uuid("policy-acme"),
                "lms_user_id": each.person.id,
                "content_key": each.course.key,
            }
            if index:
                data |= {
                    "parent_content_key": f"{each.course.org}+{each.course.number}",
                    "fulfillment_identifier": _uuid(f"fulfillment-{each.id}"),
                }
            if state == "reversed":
                data["reversal"] = {
                    "uuid": _uuid(f"reversal-{each.id}"),
                    "created": _time(when),
                    "modified": _time(when),
                    "idempotency_key": f"reversal-acme-{each.id}",
                    "quantity": 19900,
                    "state": "committed",
                }
            yield _sample(each.id, when, "ledger_transaction", data)

    return samples


def _credit_revoked() -> Iterator[Sample]:
    for index, each in enumerate(LEFT):
        when = each.left or "-1w"
        member: Data = {
            "id": 40 + index,
            "created": _time("-40w"),
            "modified": _time("-20w"),
            "enterprise_customer_uuid": _uuid("enterprise-acme"),
            "user_id": each.person.id,
            "active": True,
            "linked": True,
            "is_relinkable": True,
            "should_inactivate_other_customers": False,
        }
        if index:
            member["invite_key"] = _uuid(f"invite-{each.person.username}")
        data: Data = {
            "uuid": _uuid(f"fulfillment-{each.id}"),
            "created": _time(each.when),
            "modified": _time(when),
            "fulfillment_type": "learner_credit",
            "is_revoked": True,
            "enterprise_course_enrollment": {
                "id": 70 + index,
                "created": _time(each.when),
                "modified": _time(when),
                "enterprise_customer_user": member,
                "course_id": each.course.key,
                "saved_for_later": False,
                "source_slug": "enterprise_portal",
                "unenrolled": True,
                "unenrolled_at": _time(when),
            },
        }
        if index:
            data["transaction_id"] = _uuid(f"transaction-{each.id}")
        yield _sample(each.id, when, "learner_credit_course_enrollment", data)


_SAMPLES: Mapping[str, Callable[[], Iterable[Sample]]] = {
    "analytics.tracking.event.emitted.v1": _tracking,
    "authz.role_assignment.created": lambda: _role_assignments("created"),
    "authz.role_assignment.deleted": lambda: _role_assignments("deleted"),
    "content_authoring.content.object.associations.changed.v1": _objects(30, changes=True),
    "content_authoring.content.object.tags.changed.v1": _objects(28, changes=False),
    "content_authoring.content_library.collection.created.v1": _collections(80),
    "content_authoring.content_library.collection.deleted.v1": _collections(10),
    "content_authoring.content_library.collection.updated.v1": _collections(70),
    "content_authoring.content_library.container.created.v1": _containers(80),
    "content_authoring.content_library.container.deleted.v1": _containers(9),
    "content_authoring.content_library.container.published.v1": _containers(60),
    "content_authoring.content_library.container.updated.v1": _containers(70),
    "content_authoring.content_library.created.v1": _libraries(90),
    "content_authoring.content_library.deleted.v1": _libraries(5),
    "content_authoring.content_library.updated.v1": _libraries(85),
    "content_authoring.course.catalog_info.changed.v1": _catalog,
    "content_authoring.course.created.v1": _courses(29),
    "content_authoring.course.import.completed.v1": _courses(28),
    "content_authoring.course.rerun.completed.v1": _courses(27),
    "content_authoring.library_block.created.v1": _library_blocks(78),
    "content_authoring.library_block.deleted.v1": _library_blocks(8),
    "content_authoring.library_block.published.v1": _library_blocks(58),
    "content_authoring.library_block.updated.v1": _library_blocks(68),
    "content_authoring.xblock.created.v1": _blocks(90),
    "content_authoring.xblock.deleted.v1": _blocks(20),
    "content_authoring.xblock.duplicated.v1": _duplicated,
    "content_authoring.xblock.published.v1": _blocks(80, version=True),
    "content_authoring.xblock.updated.v1": _blocks(85),
    "enterprise.enterprise_group.deleted.v1": _groups,
    "enterprise.learner_credit_course_enrollment.revoked.v1": _credit_revoked,
    "enterprise.subsidy.redeemed.v1": _redemptions(70),
    "enterprise.subsidy.redemption-reversed.v1": _redemptions(15),
    "enterprise.subsidy_ledger_transaction.committed.v1": _ledger("committed", 69),
    "enterprise.subsidy_ledger_transaction.created.v1": _ledger("created", 70),
    "enterprise.subsidy_ledger_transaction.failed.v1": _ledger("failed", 60),
    "enterprise.subsidy_ledger_transaction.reversed.v1": _ledger("reversed", 15),
    "learning.auth.session.login.completed.v1": _logins,
    "learning.badge.awarded.v1": _badges(12),
    "learning.badge.revoked.v1": _badges(5),
    "learning.ccx.course.passing.status.updated.v1": _ccx_passing,
    "learning.certificate.changed.v1": _certificates("downloadable", "generating", 17),
    "learning.certificate.created.v1": _certificates("downloadable", "", 18),
    "learning.certificate.revoked.v1": _certificates("unavailable", "downloadable", 6),
    "learning.cohort_membership.changed.v1": _cohorts,
    "learning.course.enrollment.changed.v1": _enrollment_changed,
    "learning.course.enrollment.created.v1": _enrolled,
    "learning.course.notification.requested.v1": _course_notifications,
    "learning.course.passing.status.updated.v1": _passing,
    "learning.course.persistent_grade_summary.changed.v1": _grades,
    "learning.course.unenrollment.completed.v1": _unenrolled,
    "learning.discussions.configuration.changed.v1": _discussions,
    "learning.exam.attempt.errored.v1": _exams(24),
    "learning.exam.attempt.rejected.v1": _exams(22),
    "learning.exam.attempt.reset.v1": _exams(23),
    "learning.exam.attempt.submitted.v1": _exams(25),
    "learning.exam.attempt.verified.v1": _exams(21),
    "learning.forum.thread.created.v1": _posts("thread", 15),
    "learning.forum.thread.response.comment.created.v1": _posts("comment", 13),
    "learning.forum.thread.response.created.v1": _posts("response", 14),
    "learning.idv_attempt.approved.v1": _identity("approved", 72),
    "learning.idv_attempt.created.v1": _identity("created", 75),
    "learning.idv_attempt.denied.v1": _identity("denied", 73),
    "learning.idv_attempt.pending.v1": _identity("pending", 74),
    "learning.lti_provider.launch.success.v1": _launches,
    "learning.ora.submission.created.v1": _assignments,
    "learning.program.certificate.awarded.v1": _program_certificates("awarded", 10),
    "learning.program.certificate.revoked.v1": _program_certificates("revoked", 4),
    "learning.student.registration.completed.v1": _registrations,
    "learning.user.course_access_role.added.v1": _course_roles,
    "learning.user.course_access_role.removed.v1": _course_roles_removed,
    "learning.user.notification.requested.v1": _user_notifications,
    "learning.xblock.skill.verified.v1": _skills,
}


def samples_of(event_type: str, schema: Mapping[str, Any]) -> list[Sample]:
    """Return the sample events of a type; none for a type that is not known here.

    Args:
        event_type: such as ``org.openedx.learning.course.enrollment.created.v1``.
        schema: the Avro schema of the installed version; fields that it does not have are
            left out.
    """
    make = _SAMPLES.get(event_type.removeprefix(_PREFIX))
    if make is None:
        return []
    types: dict[str, Any] = {}
    return [
        Sample(name=each.name, at=each.at, data=_fitted(each.data, schema, types))
        for each in make()
    ]


def _fitted(data: Any, schema: Any, types: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        # Optional values are unions of null and one other type.
        return data if data is None else _fitted(data, schema[-1], types)
    if isinstance(schema, str):
        schema = types.get(schema, schema)
    if not isinstance(schema, dict):
        return data
    if schema["type"] == "array":
        return [_fitted(item, schema["items"], types) for item in data]
    if schema["type"] != "record":
        return data
    types[schema["name"]] = schema
    known = {field["name"]: field["type"] for field in schema["fields"]}
    return {name: _fitted(data[name], kind, types) for name, kind in known.items() if name in data}
