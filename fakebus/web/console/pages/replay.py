"""Records that are written once more: what would be written, and writing it."""

from __future__ import annotations

from typing import Any

from fakebus.cluster.header_policies import POLICIES
from fakebus.cluster.interface import ClusterError
from fakebus.cluster.replay import ReplayRequest, ReplayStep, replay_step
from fakebus.errors import ConfigError
from fakebus.real_time import monotonic
from fakebus.web.console.addresses import page_url
from fakebus.web.console.browse import explain
from fakebus.web.console.call import Call, Fields, Page, Redirect

_REPLAY_S = 20.0
"""How long a form may take; a longer replay is for the command."""
_SHOWN = 50


def _request(fields: Fields, *, dry_run: bool) -> ReplayRequest:
    return ReplayRequest(
        ranges=[text for each in fields.all("range") for text in each.split()],
        since=fields.text("since"),
        until=fields.text("until"),
        to=fields.text("to"),
        filter=fields.text("filter"),
        headers=fields.text("headers", "new"),
        dry_run=dry_run,
    )


async def _replay(call: Call, request: ReplayRequest) -> ReplayStep:
    """Return what was done in all, with the cursor of what is left."""
    until, done = monotonic() + _REPLAY_S, await replay_step(call.cluster, request)
    while done.cursor is not None and monotonic() < until and not call.is_abandoned:
        step = await replay_step(call.cluster, request, done.cursor)
        done.replayed += step.replayed
        done.cursor, done.problem = step.cursor, step.problem
    return done


async def preview(call: Call) -> Page:
    """Show what would be written, with the form that writes it."""
    return await _page(call, call.query)


async def _page(call: Call, fields: Fields, problem: str = "") -> Page:
    request, step = _request(fields, dry_run=True), ReplayStep()
    if request.ranges or request.since:
        try:
            step = await replay_step(call.cluster, request)
        except (ClusterError, ConfigError) as error:
            problem = problem or explain(error)
    values: dict[str, Any] = {
        "wanted": request,
        "step": step,
        "shown": step.records[:_SHOWN],
        "policies": POLICIES,
        "problem": problem,
    }
    return Page(template="replay.html", status=400 if problem else 200, values=values)


async def write(call: Call) -> Page | Redirect:
    """Write the records once more."""
    request = _request(call.form, dry_run=False)
    try:
        done = await _replay(call, request)
    except (ClusterError, ConfigError) as error:
        return await _page(call, call.form, explain(error))
    told = f"{done.replayed} of the records have been written once more."
    if done.problem is not None:
        return await _page(call, call.form, f"{told} {done.problem}")
    if done.cursor is not None:
        return await _page(call, call.form, f"{told} The others are too many for a form.")
    topic = request.to or (done.records[0]["to"].partition("[")[0] if done.records else "")
    return Redirect(url=page_url("topics", *([topic] if topic else [])), done=told)
