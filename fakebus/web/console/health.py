"""What is not well on a cluster, and how much of it was looked at to say so."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from fakebus.catalogue.event_types import catalogue_of
from fakebus.catalogue.of_cluster import cluster_landscape, shared
from fakebus.client.groups import REBALANCING
from fakebus.cluster.browsing import ReadRequest, read_page
from fakebus.cluster.interface import Cluster, GroupSummary, NotOnThisCluster, TopicSummary
from fakebus.lineage.why.broker_view import explain_group
from fakebus.real_time import monotonic
from fakebus.servers import Bus
from fakebus.web.console.addresses import page_url
from fakebus.web.console.payload_views import view
from fakebus.web.console.service_map import links_of
from fakebus.wording import counted

_MOST_GROUPS = 200
_GROUPS_S = 0.5
"""For how long groups are asked what is the matter with them."""
_MOST_NAMED = 10
_RECORDS = 100
"""The newest records, which are decoded."""
_RECORD_BYTES = 1 << 20
_LARGE = 1 << 20
"""Bytes of a record on an average, from which on those of a topic are not looked at."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Finding that something is not well."""

    kind: str
    """``fault``, ``group``, ``unread``, ``client`` or ``schema``."""
    text: str
    url: str
    """The page that tells more."""
    about: str
    """Name of what it is about, which the link has as its text."""
    detail: str = ""
    links: Sequence[tuple[str, str]] = ()
    """Names and pages of several that it is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Findings, and what was looked at for them."""

    findings: Sequence[Finding]
    looked_at: Sequence[str]
    passed_over: Sequence[str]
    """What would have taken too long, or cannot be known of this cluster."""
    unwell_groups: frozenset[str]
    clients: Sequence[Mapping[str, Any]]
    """The clients that are connected."""
    undecodable: int
    """The newest records that their schemas do not decode."""
    drift: int
    """Services that were seen to write or read an event type, and are not declared to."""

    def count(self, kind: str) -> int:
        """Return how many findings are of a kind."""
        return sum(each.kind == kind for each in self.findings)


def is_stuck(group: GroupSummary) -> bool:
    """Return whether a group is behind and nobody is there to catch up."""
    return bool(group.lag) and (group.members == 0 or group.state in REBALANCING)


async def health_of(
    cluster: Cluster, topics: Sequence[TopicSummary], groups: Sequence[GroupSummary]
) -> Health:
    """Look for what is not well.

    Args:
        cluster: which.
        topics: whose newest records are decoded.
        groups: of the cluster.
    """
    look = _Look(cluster)
    try:
        bus = cluster.bus("what is the matter with a group")
    except NotOnThisCluster:
        look.stuck(groups)
        look.passed_over.append("why groups are behind, faults, and clients: only a fakebus knows")
    else:
        look.faults(bus)
        await look.groups(bus, groups)
        await look.clients_of(bus)
    await look.records(topics)
    await look.declared()
    return Health(
        findings=look.found,
        looked_at=look.looked_at,
        passed_over=look.passed_over,
        unwell_groups=frozenset(look.unwell),
        clients=look.clients,
        undecodable=look.undecodable,
        drift=look.drift,
    )


class _Look:
    """Look at a cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.found: list[Finding] = []
        self.looked_at: list[str] = []
        self.passed_over: list[str] = []
        self.unwell: list[str] = []
        self.clients: list[Mapping[str, Any]] = []
        self.undecodable = self.drift = 0

    def stuck(self, groups: Sequence[GroupSummary]) -> None:
        """Find groups that are behind while nobody reads."""
        for group in filter(is_stuck, groups):
            self.unwell.append(group.name)
            text = f"is {group.lag} behind, and no member reads"
            url = page_url("group", name=group.name)
            self.found.append(Finding("group", text, url, group.name or "(empty name)"))
        self.looked_at.append(counted(len(groups), "group"))

    def faults(self, bus: Bus) -> None:
        """Find faults that somebody has switched on."""
        for fault in bus.broker.faults.active:
            self.found.append(
                Finding("fault", "is on", page_url("faults"), f"Fault: {fault.description}")
            )
        self.looked_at.append("faults")

    async def groups(self, bus: Bus, groups: Sequence[GroupSummary]) -> None:
        """Ask groups what is the matter with them, those first that are furthest behind."""
        until, asked = monotonic() + _GROUPS_S, 0
        unread: list[str] = []
        for group in sorted(groups, key=lambda each: -(each.lag or 0))[:_MOST_GROUPS]:
            if monotonic() > until:
                break
            asked += 1
            told = await explain_group(bus.broker, bus.lineage, group.name)
            if told is None or told["well"]:
                continue
            first = told["causes"][0]
            if first["code"] == "no_member" and not first["evidence"]["was_read"]:
                unread.append(group.name)
                continue
            self.unwell.append(group.name)
            more = len(told["causes"]) - 1
            self.found.append(
                Finding(
                    "group",
                    first["text"] + (f"; and {counted(more, 'more cause')}" if more else ""),
                    page_url("group", "why", name=group.name),
                    f"Group {group.name or '(empty name)'}:",
                    first["remedy"],
                )
            )
        if unread:
            text = (
                "waits for its first consumer"
                if len(unread) == 1
                else "wait for their first consumer"
            )
            links = [
                (name or "(empty name)", page_url("group", "why", name=name))
                for name in unread[:_MOST_NAMED]
            ]
            many = counted(len(unread), "group")
            self.found.append(Finding("unread", text, page_url("groups"), many, links=links))
        self.looked_at.append(counted(asked, "group"))
        if asked < len(groups):
            self.passed_over.append(counted(len(groups) - asked, "group"))

    async def clients_of(self, bus: Bus) -> None:
        """Find clients that ask for topics that are not there."""
        listed = await bus.lineage.list_clients()
        self.clients = [each for each in listed if each["connected"]]
        known = {topic.name for topic in bus.broker.topics}
        for client in listed:
            missing = [name for name in client["asked_for_unknown"] if name not in known]
            if missing:
                more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
                text = f"asked for topics that are not there: {', '.join(missing[:3])}{more}"
                name = client["service"] or client["client_id"] or "a client without a name"
                self.found.append(Finding("client", text, page_url("clients"), name))
        self.looked_at.append(counted(len(listed), "client"))

    async def records(self, topics: Sequence[TopicSummary]) -> None:
        """Find records among the newest that their schemas do not decode."""
        names = tuple(topic.name for topic in topics if topic.mean_bytes < _LARGE)
        if len(names) < len(topics):
            left = counted(len(topics) - len(names), "topic")
            self.passed_over.append(f"records of {left}, as they are large")
        broken: dict[str, list[str]] = defaultdict(list)
        request = ReadRequest(
            topics=names, newest_first=True, limit=_RECORDS, max_bytes=_RECORD_BYTES
        )
        events = (await read_page(self._cluster, request)).events if names else ()
        for event in events:
            problem = (await view(event)).problem or (await view(event, is_key=True)).problem
            if problem:
                broken[event.topic].append(f"{event.name}: {problem}")
                self.undecodable += 1
        for topic, problems in broken.items():
            text = f"has {counted(len(problems), 'record')} that cannot be decoded"
            self.found.append(
                Finding("schema", text, page_url("topics", topic), topic, problems[0])
            )
        self.looked_at.append(
            f"the newest {counted(len(events), 'record')}" if events else "records"
        )

    async def declared(self) -> None:
        """Count what services were seen to do with event types and are not declared to."""
        links, self.drift = await shared(self._cluster, "drift", partial(_drift, self._cluster))
        self.looked_at.append(counted(links, "link") + " of services and event types")


async def _drift(cluster: Cluster) -> tuple[int, int]:
    """Return how many links of services and event types there are, and how many undeclared."""
    landscape = await cluster_landscape(cluster)
    # Comparing schemas takes its time, which clients need not wait for.
    found = await asyncio.to_thread(lambda: links_of(catalogue_of(landscape).event_types))
    return len(found), sum(link.seen and not link.declared for link in found)
