"""What enterprises pay for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fakebus.openedx.samples.sample import Sample, Samples, sample, time, uuid
from fakebus.openedx.world import LEFT, PASSED, Data


def _groups() -> Iterator[Sample]:
    for index, name in enumerate(("sales", "r-and-d", "apprentices")):
        yield sample(name, f"-{9 - index}d", "enterprise_group", {"uuid": uuid(f"group-{name}")})


def _redemptions(days: int) -> Callable[[], Iterator[Sample]]:
    def samples() -> Iterator[Sample]:
        for index, each in enumerate(PASSED):
            yield sample(
                each.id,
                f"-{days - index}d",
                "redemption",
                {
                    "subsidy_identifier": uuid("subsidy-acme"),
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
                "uuid": uuid(f"transaction-{each.id}"),
                "created": time(when),
                "modified": time(when),
                "idempotency_key": f"ledger-acme-{each.id}",
                "quantity": -19900,
                "state": "committed" if state == "reversed" else state,
                "ledger_uuid": uuid("ledger-acme"),
                "subsidy_access_policy_uuid": uuid("policy-acme"),
                "lms_user_id": each.person.id,
                "content_key": each.course.key,
            }
            if index:
                data |= {
                    "parent_content_key": f"{each.course.org}+{each.course.number}",
                    "fulfillment_identifier": uuid(f"fulfillment-{each.id}"),
                }
            if state == "reversed":
                data["reversal"] = {
                    "uuid": uuid(f"reversal-{each.id}"),
                    "created": time(when),
                    "modified": time(when),
                    "idempotency_key": f"reversal-acme-{each.id}",
                    "quantity": 19900,
                    "state": "committed",
                }
            yield sample(each.id, when, "ledger_transaction", data)

    return samples


def _credit_revoked() -> Iterator[Sample]:
    for index, each in enumerate(LEFT):
        when = each.left or "-1w"
        member: Data = {
            "id": 40 + index,
            "created": time("-40w"),
            "modified": time("-20w"),
            "enterprise_customer_uuid": uuid("enterprise-acme"),
            "user_id": each.person.id,
            "active": True,
            "linked": True,
            "is_relinkable": True,
            "should_inactivate_other_customers": False,
        }
        if index:
            member["invite_key"] = uuid(f"invite-{each.person.username}")
        data: Data = {
            "uuid": uuid(f"fulfillment-{each.id}"),
            "created": time(each.when),
            "modified": time(when),
            "fulfillment_type": "learner_credit",
            "is_revoked": True,
            "enterprise_course_enrollment": {
                "id": 70 + index,
                "created": time(each.when),
                "modified": time(when),
                "enterprise_customer_user": member,
                "course_id": each.course.key,
                "saved_for_later": False,
                "source_slug": "enterprise_portal",
                "unenrolled": True,
                "unenrolled_at": time(when),
            },
        }
        if index:
            data["transaction_id"] = uuid(f"transaction-{each.id}")
        yield sample(each.id, when, "learner_credit_course_enrollment", data)


SAMPLES: Samples = {
    "enterprise.enterprise_group.deleted.v1": _groups,
    "enterprise.learner_credit_course_enrollment.revoked.v1": _credit_revoked,
    "enterprise.subsidy.redeemed.v1": _redemptions(70),
    "enterprise.subsidy.redemption-reversed.v1": _redemptions(15),
    "enterprise.subsidy_ledger_transaction.committed.v1": _ledger("committed", 69),
    "enterprise.subsidy_ledger_transaction.created.v1": _ledger("created", 70),
    "enterprise.subsidy_ledger_transaction.failed.v1": _ledger("failed", 60),
    "enterprise.subsidy_ledger_transaction.reversed.v1": _ledger("reversed", 15),
}
"""By event type, without its beginning."""
