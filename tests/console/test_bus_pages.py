"""Pages of what only a bus knows, after services have used it, in a real browser."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from confluent_kafka import Consumer, Producer
from playwright.sync_api import Page, expect

from fakebus.app import FakeBus
from tests.console.test_frame import assert_fits


def test_the_flow_of_an_order_leads_from_a_record_to_what_it_caused(page: Page, shop: str) -> None:
    topic, _, offset = shop.partition("[")
    page.goto(f"/ui/topics/{topic}/{offset.replace(']@', '/')}")
    page.get_by_role("link", name="Flow", exact=True).click()
    steps = page.locator("#steps tbody tr")
    expect(steps.nth(0)).to_contain_text("billing handled")
    expect(steps.nth(0)).to_contain_text(shop)
    # Other tests write copies of the order.
    effect = steps.filter(has_text=f"observed {shop}")
    expect(effect).to_have_count(1)
    expect(effect).to_contain_text("mail fetched")
    expect(page.locator("svg .work").nth(1)).to_be_visible()
    page.locator("svg a").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(shop)
    page.go_back()
    assert_fits(page)


def test_the_overview_leads_to_why_a_group_does_not_get_on(page: Page, shop: str) -> None:
    page.goto("/ui")
    page.get_by_role("link", name="Group late:", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Why late does not get on")
    expect(page.get_by_role("heading", name="No member")).to_be_visible()
    assert_fits(page)


def test_a_service_is_named_on_the_page_of_clients(page: Page, shop: str) -> None:
    page.goto("/ui/clients?q=shop")
    page.get_by_role("link", name="Wrong service?").click()
    page.get_by_label("Service", exact=True).fill("the shop")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("belong to the shop now")
    expect(page.locator("#clients tr").filter(has_text="the shop")).to_contain_text(
        "console-orders"
    )
    assert_fits(page)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "faults",
        "catalogue?q=badges",
        "map?q=badges",
        "smells",
        "snapshots",
        "fixtures",
        "access",
        "sql",
    ],
)
def test_pages_fit(page: Page, shop: str, name: str) -> None:
    page.goto(f"/ui/{name}")
    assert_fits(page)


def test_the_map_leads_to_the_event_types_that_services_were_seen_to_write(
    page: Page, shop: str
) -> None:
    page.goto("/ui/map?q=console-invoices")
    expect(page.locator("#links tbody tr").first).to_contain_text("seen, not declared")
    page.locator("svg a").filter(has_text="console-invoices").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("console-invoices")
    assert_fits(page)


def test_a_fault_is_switched_on_and_ended_by_keyboard(page: Page, shop: str) -> None:
    page.goto("/ui/faults")
    page.get_by_label("Requests").select_option("come later")
    page.get_by_label("By seconds").fill("0.01")
    page.get_by_label("Only topic").fill("nowhere")
    page.keyboard.press("Enter")
    expect(page.locator("#faults tbody tr")).to_contain_text("delay any request by 0.01 s")
    assert_fits(page)
    page.goto("/ui/topics")
    banner = page.get_by_role("status").filter(has_text="1 fault is on")
    banner.get_by_role("link").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="End fault").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#faults tbody")).to_have_text("Nothing goes wrong on purpose.")


def test_a_record_is_replayed_and_tells_of_which_it_is_a_copy(page: Page, shop: str) -> None:
    topic, _, offset = shop.partition("[")
    page.goto(f"/ui/topics/{topic}/{offset.replace(']@', '/')}")
    page.get_by_role("link", name="Replay", exact=True).click()
    expect(page.locator("#copies tbody tr")).to_contain_text(shop)
    assert_fits(page)
    page.get_by_role("button", name="Write 1 copy").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("have been written once more")
    page.locator("#records tbody a").first.click()
    expect(page.locator("dl")).to_contain_text(f"replayed from {shop}")
    page.goto("/ui/topics/" + topic)
    page.get_by_role("link", name="Replay these").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Replay")


def test_a_group_is_shown_as_it_was_before_its_member_left(page: Page, bus: FakeBus) -> None:
    clients = {"bootstrap.servers": bus.bootstrap_servers}
    producer = Producer(clients)
    producer.produce("console-past", b"1")
    producer.flush(10)
    settings = {"group.id": "past", "client.id": "historian", "auto.offset.reset": "earliest"}
    consumer = Consumer({**clients, **settings, "enable.auto.commit": False})
    consumer.subscribe(["console-past"])
    assert consumer.poll(20) is not None
    consumer.commit(asynchronous=False)
    then = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    time.sleep(0.01)
    consumer.close()
    page.goto("/ui/groups?q=past")
    page.get_by_label("As of").fill(then)
    page.keyboard.press("Enter")
    page.get_by_role("link", name="past", exact=True).click()
    expect(page.locator("#past-members tbody tr")).to_contain_text("historian")
    expect(page.locator("#past tbody tr")).to_have_count(1)
    assert_fits(page)
    page.get_by_role("link", name="As it is now").click()
    expect(page.get_by_text("None is connected.")).to_be_visible()


def test_records_are_filtered_by_their_writer_and_tell_who_it_was(page: Page, shop: str) -> None:
    page.goto("/ui/topics/console-orders")
    page.get_by_label("Written by").select_option(index=1)
    page.get_by_role("button", name="Show").click()
    page.locator("#records a").last.click()
    expect(page.locator("#origin")).to_contain_text("live by")
    expect(page.locator("#groups")).to_contain_text("billing")
    assert_fits(page)


STOPPED = """() => new Promise((tell) => {
    const form = document.querySelector('form.panel');
    form.querySelector('button.main').click();
    const runs = form.innerText;
    setTimeout(() => {  // when the browser has asked
        [...form.querySelectorAll('button')].at(-1).click();
        tell([runs, form.innerText]);
    }, 1000);
})"""
"""Asks and stops; what is expected of a page waits until the page that was asked for has come."""


def test_a_query_that_takes_long_can_be_stopped(page: Page) -> None:
    page.goto("/ui/sql")
    query = page.get_by_label("Query", exact=True)
    query.fill("select sum(a.range * b.range) from range(1000000000) a, range(1000000000) b")
    runs, stopped = page.evaluate(STOPPED)
    assert "The query runs." in runs
    assert "The query was stopped." in stopped
    assert_fits(page)
    query.fill("select 6 * 7 as answer")
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("#answer tbody")).to_have_text("42")
