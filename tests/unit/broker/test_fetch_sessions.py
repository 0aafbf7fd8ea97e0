"""Fetch sessions take up a bounded number of places, and those that rest give theirs up."""

from __future__ import annotations

import pytest

from fakebus.broker.fetch_sessions import NO_SESSION, FetchPlan, FetchSessions
from fakebus.broker.fetching import FetchTarget
from fakebus.errors import ErrorCode
from tests.manual_clock import ManualClock


@pytest.fixture
def sessions(clock: ManualClock) -> FetchSessions:
    return FetchSessions(clock, slots=2, eviction_ms=120_000)


def ask(sessions: FetchSessions, session_id: int = NO_SESSION, epoch: int = 0) -> FetchPlan:
    target = FetchTarget(None, 0, 1000)
    return sessions.plan(session_id, epoch, [(("t", 0), target)], (), uses_topic_ids=False)


def test_a_client_is_served_without_a_session_while_all_are_in_use(
    sessions: FetchSessions, clock: ManualClock
) -> None:
    first, _ = ask(sessions), ask(sessions)
    clock.advance(119)
    late = ask(sessions)

    assert (late.error, late.session_id, len(late.partitions)) == (ErrorCode.NONE, NO_SESSION, 1)
    assert ask(sessions, first.session_id, 1).error is ErrorCode.NONE
    assert len(sessions) == 2


def test_the_session_that_has_rested_longest_gives_way(
    sessions: FetchSessions, clock: ManualClock
) -> None:
    first, second = ask(sessions), ask(sessions)
    clock.advance(60)
    assert ask(sessions, first.session_id, 1).error is ErrorCode.NONE
    clock.advance(60)
    third = ask(sessions)

    assert third.session_id != NO_SESSION
    assert ask(sessions, second.session_id, 1).error is ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    assert ask(sessions, first.session_id, 2).error is ErrorCode.NONE


def test_who_opens_another_session_gives_back_its_own(sessions: FetchSessions) -> None:
    first = ask(sessions)
    for _ in range(5):
        first = ask(sessions, first.session_id)
    assert len(sessions) == 1
