"""ACLs in the console: what clients were refused, and what allows it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fakebus.app import FakeBus
from fakebus.broker.security.resources import Operation, ResourceType
from fakebus.bus_thread import BusThread
from tests.unit.web.console.pages import Browser
from tests.unit.web.server import bus_thread, connect

HOSTILE = "<script>alert(1)</script>\u202e"


@pytest.fixture(scope="module")
def guarded() -> Iterator[BusThread[FakeBus]]:
    """A bus with an authorizer."""
    configs = {"authorizer.class.name": "StandardAuthorizer", "super.users": "User:admin"}
    with bus_thread(configs=configs) as thread:
        yield thread


@pytest.fixture
def guard(guarded: BusThread[FakeBus]) -> Iterator[Browser]:
    """A browser of that bus."""
    connection = connect(guarded.bus)
    yield Browser(connection)
    connection.close()


def may_write(bus: FakeBus, name: str, user: str) -> bool:
    authorizer = bus.broker.security.authorizer
    assert authorizer is not None
    asked = f"User:{user}", "127.0.0.1", Operation.WRITE, ResourceType.TOPIC, name
    return authorizer.allows(*asked)


def test_what_was_refused_is_told_and_allowed_by_its_link(
    guarded: BusThread[FakeBus], guard: Browser
) -> None:
    assert [may_write(guarded.bus, "orders", "shop") for _ in range(2)] == [False, False]
    page = guard.get("/ui/access")
    assert "User:shop 127.0.0.1 write topic orders 2 allow it" in page.text
    assert "Super users: User:admin" in page.text
    (link,) = [each for each in page.links if "principal=User%3Ashop" in each]
    page = guard.send(guard.get(link.partition("#")[0]).form("/ui/access"))
    assert "User:shop * allow write topic orders" in page.text
    assert may_write(guarded.bus, "orders", "shop")
    page = guard.send(page.form("/ui/access/delete"))
    assert "The ACL for User:shop is gone" in page.text
    assert not may_write(guarded.bus, "orders", "shop")


def test_what_is_no_acl_is_refused(guard: Browser) -> None:
    form = guard.get("/ui/access").form("/ui/access")
    page = guard.send(form, principal="alice", name="t")
    assert (page.status, "is no principal" in page.text) == (400, True)
    page = guard.send(form, principal="User:a", name="t", operation="DANCE")
    assert (page.status, "there is no operation 'DANCE'" in page.text) == (400, True)


def test_names_of_strangers_are_inert(guarded: BusThread[FakeBus], guard: Browser) -> None:
    may_write(guarded.bus, HOSTILE, HOSTILE)
    page = guard.get("/ui/access")
    assert (page.runs_own_scripts_only, "\u202e" in page.text) == (True, False)
    assert "<script>alert(1)</script>\\u202e" in page.text


def test_a_bus_without_an_authorizer_says_so(browser: Browser) -> None:
    page = browser.get("/ui/access")
    assert "every client may do everything" in page.text
