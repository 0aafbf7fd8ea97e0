"""All topics, and a new one."""

from __future__ import annotations

from fakebus.errors import ConfigError
from fakebus.web.console.addresses import page_url
from fakebus.web.console.browse import explain, past
from fakebus.web.console.call import Call, Page, Redirect
from fakebus.web.console.pages.start import records_since
from fakebus.web.errors import RequestError

_MAX_ROWS = 500


async def index(call: Call) -> Page:
    """List topics."""
    wanted = call.query.text("q").lower()
    internal = bool(call.query.text("internal"))
    there = await call.cluster.topics()
    topics = [
        topic
        for topic in there
        if wanted in topic.name.lower() and (internal or not topic.is_internal)
    ]
    shown = topics[:_MAX_ROWS]
    now_ms, as_of, problem = call.cluster.now_ms(), call.query.text("as_of"), ""
    since: dict[str, int] | None = None
    try:
        moment = past(as_of, now_ms)
    except ConfigError as error:
        problem = explain(error)
    else:
        if moment is not None:
            since = await records_since(call.cluster, shown, moment.number)
    minute = await records_since(call.cluster, shown, now_ms - 60_000)
    return Page(
        template="topics.html",
        status=400 if problem else 200,
        values={
            "topics": shown,
            "left": len(topics) - len(shown),
            "hidden": len(there) - len(topics),
            "wanted": call.query.text("q"),
            "internal": internal,
            "minute": minute,
            "as_of": as_of,
            "since": since,
            "problem": problem,
        },
    )


def configs_of(text: str) -> dict[str, str]:
    """Return configs that are written as ``name=value``, one a line.

    Raises:
        RequestError: 400, a line is none.
    """
    configs = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, separator, value = line.partition("=")
        if not separator or not name.strip():
            raise RequestError(400, f"write configs as name=value, one a line, not {line!r}")
        configs[name.strip()] = value.strip()
    return configs


async def create(call: Call) -> Redirect:
    """Create a topic."""
    name = call.form.text("name")
    partitions = call.form.number("partitions", 0) or None
    await call.cluster.create_topic(name, partitions, configs_of(call.form.text("configs")))
    return Redirect(url=page_url("topics", name), done=f"The topic {name} has been created.")
