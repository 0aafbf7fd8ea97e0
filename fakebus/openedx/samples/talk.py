"""Discussions, notifications and tracking."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fakebus.openedx.samples.sample import Sample, Samples, sample, time
from fakebus.openedx.world import COURSES, ENROLLMENTS, STAFF, Data


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
        yield sample(
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
            yield sample(f"{kind}-{each.id}", f"-{days}d{index + 1}h", "thread", data)

    return samples


def _user_notifications() -> Iterator[Sample]:
    for index, course in enumerate(COURSES):
        yield sample(
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
        yield sample(
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
        yield sample(
            each.id,
            f"-{10 - index}h",
            "tracking_log",
            {
                "name": ("edx.course.enrollment.activated", "problem_check")[index % 2],
                "timestamp": time(f"-{10 - index}h"),
                "data": f'{{"course_id": "{each.course.key}"}}',
                "context": f'{{"user_id": {each.person.id}}}',
            },
        )


SAMPLES: Samples = {
    "analytics.tracking.event.emitted.v1": _tracking,
    "learning.course.notification.requested.v1": _course_notifications,
    "learning.discussions.configuration.changed.v1": _discussions,
    "learning.forum.thread.created.v1": _posts("thread", 15),
    "learning.forum.thread.response.comment.created.v1": _posts("comment", 13),
    "learning.forum.thread.response.created.v1": _posts("response", 14),
    "learning.user.notification.requested.v1": _user_notifications,
}
"""By event type, without its beginning."""
