"""Grades, certificates and badges."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fakebus.openedx.samples.sample import Sample, Samples, sample, time, uuid
from fakebus.openedx.world import (
    AMARA,
    BIOLOGY,
    BJORN,
    CHEN,
    COACH,
    GRADED,
    PASSED,
    Data,
    Enrollment,
)


def _grades() -> Iterator[Sample]:
    for index, each in enumerate(GRADED):
        yield sample(
            each.id,
            f"-{20 - index}d",
            "grade",
            {
                "user_id": each.person.id,
                "course": each.course.data,
                "course_edited_timestamp": time("-15w"),
                "course_version": "6512bd43d9caa6e02c990b0a",
                "grading_policy_hash": "VKy+tYp9jLXqgV2pQ7kfFH8CAQM=",
                "percent_grade": each.grade,
                "letter_grade": each.letter,
                "passed_timestamp": time(f"-{20 - index}d"),
            },
        )


def _passing() -> Iterator[Sample]:
    for index, each in enumerate(GRADED):
        yield sample(
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
                "start": time("-8w"),
                "end": time("+2w"),
                "max_students_allowed": 25,
            }
        yield sample(
            f"{person.username}-ccx",
            f"-{14 - index}d",
            "course_passing_status",
            {"is_passing": passing, "user": person.user, "course": course},
        )


def _certificates(status: str, previous: str, days: int) -> Callable[[], Iterator[Sample]]:
    def samples() -> Iterator[Sample]:
        for index, each in enumerate(PASSED):
            yield sample(
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
    "uuid": uuid("program-life-sciences"),
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
                "uuid": uuid(name),
                "status": status,
                "url": f"https://credentials.example.org/credentials/{person.username}/",
            }
            if index:
                data["certificate_available_date"] = time("-3d")
            yield sample(person.username, f"-{days - index}d", "program_certificate", data)

    return samples


def _badges(days: int) -> Callable[[], Iterator[Sample]]:
    def samples() -> Iterator[Sample]:
        for index, each in enumerate(PASSED):
            template: Data = {
                "uuid": uuid(f"badge-template-{each.course.number}"),
                "origin": "openedx",
            }
            if index:
                template |= {
                    "name": f"{each.course.name} ✓",
                    "description": "Passed the course",
                    "image_url": "https://badges.example.org/passed.png",
                }
            yield sample(
                each.id,
                f"-{days - index}d",
                "badge",
                {"uuid": uuid(f"badge-{each.id}"), "user": each.person.user, "template": template},
            )

    return samples


SAMPLES: Samples = {
    "learning.badge.awarded.v1": _badges(12),
    "learning.badge.revoked.v1": _badges(5),
    "learning.ccx.course.passing.status.updated.v1": _ccx_passing,
    "learning.certificate.changed.v1": _certificates("downloadable", "generating", 17),
    "learning.certificate.created.v1": _certificates("downloadable", "", 18),
    "learning.certificate.revoked.v1": _certificates("unavailable", "downloadable", 6),
    "learning.course.passing.status.updated.v1": _passing,
    "learning.course.persistent_grade_summary.changed.v1": _grades,
    "learning.program.certificate.awarded.v1": _program_certificates("awarded", 10),
    "learning.program.certificate.revoked.v1": _program_certificates("revoked", 4),
}
"""By event type, without its beginning."""
