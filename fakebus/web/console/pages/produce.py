"""A record that is written by hand, or sent again with changes."""

from __future__ import annotations

from fakebus.cluster.browsing import ReadRequest, read_page
from fakebus.cluster.events import Event
from fakebus.cluster.header_policies import POLICIES
from fakebus.cluster.interface import NotOnThisCluster, TopicDetails
from fakebus.errors import FakebusError
from fakebus.web.console.addresses import page_url
from fakebus.web.console.call import Call, Page, Redirect
from fakebus.web.console.drafts import (
    KINDS,
    SCHEMA,
    Draft,
    draft_of_event,
    draft_of_form,
    record_of_draft,
)
from fakebus.web.console.pages.messages import is_large
from fakebus.web.console.pages.record import record_of
from fakebus.web.errors import RequestError


async def form(call: Call) -> Page:
    """Show the form, empty."""
    topic = await call.cluster.topic(call.parts["topic"])
    subjects = await _subjects(call, topic.name)
    own = SCHEMA + topic.name + "-value"
    kind = own if own.removeprefix(SCHEMA) in subjects else "json"
    request = ReadRequest(topics=(topic.name,), newest_first=True, limit=1)
    found = () if is_large(topic) else (await read_page(call.cluster, request)).events
    return await _page(call, topic, Draft(value_kind=kind), newest=found[0] if found else None)


async def again(call: Call) -> Page:
    """Show the form with a record that is there."""
    event, _ = await record_of(call)
    policy = call.query.text("headers", "new")
    if policy not in POLICIES:
        raise RequestError(400, f"headers are taken over as one of {', '.join(POLICIES)}")
    draft = draft_of_event(event, policy, call.cluster.now_ms())
    target = call.query.text("to") or event.topic
    return await _page(call, await call.cluster.topic(target), draft, event=event, policy=policy)


async def send(call: Call) -> Page | Redirect:
    """Check what was written, and write it to the topic unless only the check is wanted."""
    topic = await call.cluster.topic(call.parts["topic"])
    draft = draft_of_form(call.form)
    try:
        record = await record_of_draft(call.cluster, draft)
        partition = call.form.number("partition", -1) if call.form.text("partition") else None
        if call.form.text("do") == "check":
            size = len(record.value) if record.value is not None else 0
            return await _page(call, topic, draft, fits=f"It fits: a value of {size} bytes.")
        event = await call.cluster.produce(topic.name, partition, record)
    except (FakebusError, RequestError) as error:
        return await _page(call, topic, draft, problem=str(error))
    url = page_url("topics", topic.name, event.partition, event.offset)
    return Redirect(url=url, done=f"{event.name} has been written.")


async def _subjects(call: Call, topic: str) -> list[str]:
    try:
        subjects = await call.cluster.schemas.subjects()
    except NotOnThisCluster:
        return []
    return sorted(subjects, key=lambda subject: (not subject.startswith(f"{topic}-"), subject))


async def _page(
    call: Call,
    topic: TopicDetails,
    draft: Draft,
    *,
    event: Event | None = None,
    newest: Event | None = None,
    policy: str = "",
    problem: str = "",
    fits: str = "",
) -> Page:
    schemas = [SCHEMA + subject for subject in await _subjects(call, topic.name)]
    return Page(
        template="produce.html",
        status=400 if problem else 200,
        values={
            "topic": topic,
            "draft": draft,
            "kinds": [*KINDS, *schemas],
            "event": event,
            "newest": newest,
            "policy": policy,
            "policies": POLICIES,
            "problem": problem,
            "fits": fits,
        },
    )
