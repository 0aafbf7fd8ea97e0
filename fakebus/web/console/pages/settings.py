"""What a topic is made of: its partitions and configs, and how it is emptied and deleted."""

from __future__ import annotations

from fakebus.web.console.addresses import page_url
from fakebus.web.console.call import Call, Page, Redirect
from fakebus.web.console.pages.topics import configs_of
from fakebus.web.errors import RequestError
from fakebus.wording import counted


async def show(call: Call) -> Page:
    """Show partitions and configs."""
    topic = await call.cluster.topic(call.parts["topic"])
    groups = [g for g in await call.cluster.groups() if topic.name in g.topics]
    every = bool(call.query.text("all"))
    configs = [c for c in topic.configs if every or not c.is_default]
    return Page(
        template="settings.html",
        values={"topic": topic, "configs": configs, "every": every, "groups": groups},
    )


async def change(call: Call) -> Redirect:
    """Set configs, and take others back to their defaults."""
    name = call.parts["topic"]
    configs = configs_of(call.form.raw("configs"))
    removed = [each for each in call.form.all("remove") if each]
    if not configs and not removed:
        raise RequestError(400, "no config is named: write name=value")
    await call.cluster.set_topic_configs(name, configs, removed)
    return _back(name, f"The configs of {name} have been changed.")


async def grow(call: Call) -> Redirect:
    """Add partitions."""
    name = call.parts["topic"]
    count = call.form.number("partitions", 0)
    await call.cluster.add_partitions(name, count)
    return _back(name, f"{name} has {counted(count, 'partition')} now.")


async def empty(call: Call) -> Redirect:
    """Delete all records."""
    name = _confirmed(call)
    await call.cluster.empty_topic(name)
    return _back(name, f"{name} has been emptied.")


async def delete(call: Call) -> Redirect:
    """Delete the topic."""
    name = _confirmed(call)
    await call.cluster.delete_topic(name)
    return Redirect(url=page_url("topics"), done=f"The topic {name} has been deleted.")


def _confirmed(call: Call) -> str:
    """Return the topic's name, which had to be typed."""
    name = call.parts["topic"]
    if call.form.text("confirm") != name:
        raise RequestError(400, f"nothing was done: type the topic's name, {name}, to confirm")
    return name


def _back(name: str, done: str) -> Redirect:
    return Redirect(url=page_url("topics", name, "settings"), done=done)
