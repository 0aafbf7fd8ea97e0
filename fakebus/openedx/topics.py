"""Which topic and which key Open edX's services use for an event, who sends and who reads.

The names are those of the services' own ``EVENT_BUS_PRODUCER_CONFIG`` where a service has
one, and follow the same pattern where none has. The prefix (``EVENT_BUS_TOPIC_PREFIX``) is
not part of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where the events of some types go."""

    topic: str
    key_field: str
    """Path of the key in the event's data."""
    owner: str
    """The one service that sends them."""
    consumers: tuple[str, ...] = ()


_LIBRARIES = "content-authoring-library-lifecycle"
_ENTERPRISE = "enterprise-subsidies-transaction-lifecycle"
_BADGES = "learning-badges-lifecycle"

_ROUTES: Mapping[str, Route] = {
    "analytics.tracking.event.emitted": Route(
        topic="analytics",
        key_field="tracking_log.name",
        owner="lms",
        consumers=("event-routing-backends",),
    ),
    "authz.role_assignment": Route(
        topic="authz-role-assignment-lifecycle", key_field="role_assignment.subject", owner="lms"
    ),
    "content_authoring.content.object": Route(
        topic="content-authoring-object-lifecycle",
        key_field="content_object.object_id",
        owner="cms",
    ),
    "content_authoring.content_library.collection": Route(
        topic=_LIBRARIES, key_field="library_collection.collection_key", owner="cms"
    ),
    "content_authoring.content_library.container": Route(
        topic=_LIBRARIES, key_field="library_container.container_key", owner="cms"
    ),
    "content_authoring.content_library": Route(
        topic=_LIBRARIES, key_field="content_library.library_key", owner="cms"
    ),
    "content_authoring.library_block": Route(
        topic=_LIBRARIES, key_field="library_block.usage_key", owner="cms"
    ),
    "content_authoring.course.catalog_info": Route(
        topic="course-catalog-info-changed",
        key_field="catalog_info.course_key",
        owner="cms",
        consumers=("discovery",),
    ),
    "content_authoring.course": Route(
        topic="course-authoring-course-lifecycle",
        key_field="course.course_key",
        owner="cms",
        consumers=("discovery",),
    ),
    "content_authoring.xblock": Route(
        topic="course-authoring-xblock-lifecycle",
        key_field="xblock_info.usage_key",
        owner="cms",
        consumers=("discovery",),
    ),
    "enterprise.enterprise_group": Route(
        topic="enterprise-group-lifecycle",
        key_field="enterprise_group.uuid",
        owner="lms",
        consumers=("enterprise-access",),
    ),
    "enterprise.learner_credit_course_enrollment": Route(
        topic="enterprise-learner-credit-enrollment-lifecycle",
        key_field="learner_credit_course_enrollment.uuid",
        owner="lms",
        consumers=("enterprise-subsidy",),
    ),
    "enterprise.subsidy_ledger_transaction": Route(
        topic=_ENTERPRISE,
        key_field="ledger_transaction.uuid",
        owner="enterprise-subsidy",
        consumers=("enterprise-access",),
    ),
    "enterprise.subsidy": Route(
        topic="enterprise-subsidies-redemption-lifecycle",
        key_field="redemption.subsidy_identifier",
        owner="enterprise-subsidy",
        consumers=("enterprise-access",),
    ),
    "learning.auth.session.login": Route(
        topic="user-login", key_field="user.pii.username", owner="lms"
    ),
    "learning.badge": Route(
        topic=_BADGES, key_field="badge.uuid", owner="credentials", consumers=("lms",)
    ),
    "learning.ccx.course.passing": Route(
        topic=_BADGES,
        key_field="course_passing_status.course.ccx_course_key",
        owner="lms",
        consumers=("credentials",),
    ),
    "learning.course.passing": Route(
        topic=_BADGES,
        key_field="course_passing_status.course.course_key",
        owner="lms",
        consumers=("credentials",),
    ),
    "learning.certificate": Route(
        topic="learning-certificate-lifecycle",
        key_field="certificate.course.course_key",
        owner="lms",
        consumers=("credentials",),
    ),
    "learning.program.certificate": Route(
        topic="learning-program-certificate-lifecycle",
        key_field="program_certificate.program.uuid",
        owner="credentials",
        consumers=("lms",),
    ),
    "learning.cohort_membership": Route(
        topic="learning-cohort-lifecycle", key_field="cohort.course.course_key", owner="lms"
    ),
    "learning.course.enrollment": Route(
        topic="learning-course-enrollment-lifecycle",
        key_field="enrollment.course.course_key",
        owner="lms",
        consumers=("credentials", "enterprise-access"),
    ),
    "learning.course.unenrollment": Route(
        topic="course-unenrollment-lifecycle",
        key_field="enrollment.course.course_key",
        owner="lms",
        consumers=("enterprise-access",),
    ),
    "learning.course.notification": Route(
        topic="learning-notification-requested",
        key_field="course_notification_data.course_key",
        owner="lms",
    ),
    "learning.user.notification": Route(
        topic="learning-notification-requested",
        key_field="notification_data.course_key",
        owner="lms",
    ),
    "learning.course.persistent_grade_summary": Route(
        topic="learning-course-grade-lifecycle",
        key_field="grade.course.course_key",
        owner="lms",
        consumers=("credentials",),
    ),
    "learning.discussions.configuration": Route(
        topic="learning-discussions-configuration-changed",
        key_field="configuration.course_key",
        owner="cms",
        consumers=("lms",),
    ),
    "learning.exam.attempt": Route(
        topic="learning-exam-attempt-lifecycle",
        key_field="exam_attempt.course_key",
        owner="edx-exams",
        consumers=("lms",),
    ),
    "learning.forum": Route(
        topic="learning-forum-lifecycle", key_field="thread.course_id", owner="lms"
    ),
    "learning.idv_attempt": Route(
        topic="learning-idv-attempt-lifecycle", key_field="idv_attempt.user.id", owner="lms"
    ),
    "learning.lti_provider": Route(
        topic="learning-lti-launch", key_field="launch_data.course_key", owner="lms"
    ),
    "learning.ora.submission": Route(
        topic="learning-ora-submission-lifecycle", key_field="submission.location", owner="lms"
    ),
    "learning.student.registration": Route(
        topic="user-registration", key_field="user.pii.username", owner="lms"
    ),
    "learning.user.course_access_role": Route(
        topic="learning-course-access-role-lifecycle",
        key_field="course_access_role_data.course_key",
        owner="lms",
        consumers=("discovery",),
    ),
    "learning.xblock.skill": Route(
        topic="learning-xblock-skill-verified",
        key_field="xblock_info.usage_key",
        owner="lms",
        consumers=("discovery",),
    ),
}
"""By the beginning of the event type; the longest that fits counts."""

_PREFIX = "org.openedx."


def route_of(event_type: str) -> Route | None:
    """Return where events of a type go, or ``None`` for a type that is not known here."""
    words = event_type.removeprefix(_PREFIX).split(".")
    for length in range(len(words), 0, -1):
        route = _ROUTES.get(".".join(words[:length]))
        if route is not None:
            return route
    return None
