"""Causes outside the group: faults on purpose, addresses, topics that are not there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fakebus.broker.activity import Origin
from fakebus.broker.fault import Fault
from fakebus.broker.groups.history import Search
from fakebus.lineage.why.cause import MOST_LISTED, SEARCH_MS, Cause, ago, in_shell, short, some
from fakebus.lineage.why.view import GroupView, Program
from fakebus.wording import close_names, counted


def fault_or_throttle(view: GroupView) -> Iterator[Cause]:
    """Faults on purpose are switched on for what the group's clients ask."""
    if not view.faults:
        return
    faults = list(view.faults)
    fired = sum(fault.fired for fault in faults)
    what = "; ".join(short(fault.description) for fault in faults[:3])
    yield Cause(
        "fault_or_throttle",
        f"{counted(len(faults), 'fault')} on purpose for what the clients of group {view.name} ask "
        f"for: {what} (happened {counted(fired, 'time')} so far)",
        (
            f"switch it off: fakebus faults {_removal(faults)}",
            "in a test end its with block, or call its remove()",
        ),
        {
            "faults": [
                {
                    "number": fault.number,
                    "fault": fault.description,
                    "fired": fault.fired,
                    "count": fault.count,
                }
                for fault in faults[:MOST_LISTED]
            ]
        },
    )


def _removal(faults: Sequence[Fault]) -> str:
    return f"remove {faults[0].number}" if len(faults) == 1 else "clear"


def unreachable_address(view: GroupView) -> Iterator[Cause]:
    """Clients are told an address of the coordinator, and never come there."""
    search = view.search
    if search is None or view.members or view.ago_ms(search.since_ms) < SEARCH_MS:
        return
    seeker = _seeker(search)
    if any(_may_have_asked(seeker, each.origin) for each in view.missing_topics):
        return  # it waits for its topic before it joins
    what = "the brokers are" if search.only_brokers else f"group {view.name} is coordinated"
    yield Cause(
        "unreachable_address",
        f"{search.client_id or 'a client'} has asked {counted(search.times, 'time')} in the last "
        f"{ago(view.ago_ms(search.since_ms))} where {what}, was told "
        f"{search.address}, and has not come there: that address cannot be reached from where it "
        "runs",
        (
            "advertise an address that the client can reach, or auto: "
            "fakebus up --advertise HOST:PORT",
            "try it from there: fakebus doctor --bootstrap-server HOST:PORT",
        ),
        {
            "address": search.address,
            "client_id": search.client_id,
            "times": search.times,
            "since_ms": search.since_ms,
        },
    )


def _seeker(search: Search) -> Program:
    """Return the program that looks for a group's coordinator."""
    peer = search.peer
    process = None if peer is None else peer.process
    return Program(
        client_id=search.client_id,
        process=None if process is None else {"pid": process.pid},
        address="" if peer is None else peer.host,
    )


def _may_have_asked(program: Program, origin: Origin) -> bool:
    """Whether something was asked by a program: many call themselves ``rdkafka``."""
    process, host = origin.process, "" if origin.peer is None else origin.peer.host
    is_another = process and program.process and process.pid != program.process["pid"]
    is_elsewhere = host and program.address and host != program.address
    return program.client_id == origin.client_id and not is_another and not is_elsewhere


def unknown_topic(view: GroupView) -> Iterator[Cause]:
    """Members read a topic that is not there, or that only their asking has made."""
    programs = [member.program for member in view.members]
    if view.search is not None and not view.members:
        programs.append(_seeker(view.search))
    asked = {
        each.topic: each
        for each in view.missing_topics
        if any(_may_have_asked(program, each.origin) for program in programs)
    }
    subscribed = {topic for member in view.members for topic in member.topics or ()}
    wanted = {topic for topic in subscribed if topic not in view.topics} | {
        topic for topic in asked if topic not in view.topics
    }
    # Made because it was asked for: there is no better sign that another one was meant than that
    # nothing was ever written to it.
    made = {topic for topic in asked if not view.topics.get(topic, 1) and topic in subscribed}
    for topic in sorted(wanted | made)[:MOST_LISTED]:
        others = (name for name, records in view.topics.items() if name != topic and records)
        meant = close_names(topic, others, 1)
        if topic in made and not meant:
            continue
        since_ms = asked[topic].at_ms if topic in asked else None
        readers = [each for each in view.members if topic in (each.topics or ())]
        who = some(each.client_id for each in readers) if readers else asked[topic].origin.client_id
        is_made = "was made only because it was asked for, and is empty"
        yield Cause(
            "unknown_topic",
            f"{who or 'a client'} reads topic {topic}, which "
            f"{is_made if topic in made else 'is not there'}"
            + (f"; did you mean {meant[0]}?" if meant else ""),
            (
                f"put the topic's exact name into the consumer{f': {meant[0]}' if meant else ''}",
                f"or make the topic: fakebus topics --create {in_shell(topic)}",
            ),
            {
                "topic": topic,
                "did_you_mean": meant[0] if meant else None,
                "since_ms": since_ms,
                "members": [each.facts() for each in readers[:MOST_LISTED]],
            },
        )
