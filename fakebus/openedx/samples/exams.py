"""Exams, identity checks, assignments and LTI launches."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fakebus.openedx.samples.sample import Sample, Samples, sample, time, uuid
from fakebus.openedx.world import AMARA, BJORN, DILNOZA, ENROLLMENTS, GRADED, STAFF, Data


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
            yield sample(each.id, f"-{days * 24 - index}h", "exam_attempt", data)

    return samples


def _identity(status: str, days: int) -> Callable[[], Iterator[Sample]]:
    def samples() -> Iterator[Sample]:
        for index, person in enumerate((AMARA, BJORN, DILNOZA)):
            data: Data = {"attempt_id": 100 + index, "user": person.user, "status": status}
            if index:
                data |= {"name": person.name, "expiration_date": time("+104w")}
            yield sample(person.username, f"-{days * 24 - index}h", "idv_attempt", data)

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
        yield sample(
            each.id,
            f"-{30 - index}d",
            "submission",
            {
                "uuid": uuid(f"submission-{each.id}"),
                "anonymous_user_id": f"{each.person.id:032x}",
                "location": each.course.block("openassessment", "essay"),
                "attempt_number": 1,
                "created_at": time(f"-{30 - index}d1h"),
                "submitted_at": time(f"-{30 - index}d"),
                "answer": answer,
            },
        )


def _launches() -> Iterator[Sample]:
    for index, each in enumerate(ENROLLMENTS[:4]):
        yield sample(
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


SAMPLES: Samples = {
    "learning.exam.attempt.errored.v1": _exams(24),
    "learning.exam.attempt.rejected.v1": _exams(22),
    "learning.exam.attempt.reset.v1": _exams(23),
    "learning.exam.attempt.submitted.v1": _exams(25),
    "learning.exam.attempt.verified.v1": _exams(21),
    "learning.idv_attempt.approved.v1": _identity("approved", 72),
    "learning.idv_attempt.created.v1": _identity("created", 75),
    "learning.idv_attempt.denied.v1": _identity("denied", 73),
    "learning.idv_attempt.pending.v1": _identity("pending", 74),
    "learning.lti_provider.launch.success.v1": _launches,
    "learning.ora.submission.created.v1": _assignments,
}
"""By event type, without its beginning."""
