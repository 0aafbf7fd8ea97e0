"""Smells that flows of records and the progress of groups show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from statistics import median
from typing import Any

from fakebus.catalogue.smell_facts import Facts, Found
from fakebus.catalogue.subjects import LiveConsumer
from fakebus.wording import counted

Limits = Mapping[str, Any]
Record = Mapping[str, Any]
_SHOWN = 5
_MOST_WAYS = 200
"""From one record on; flows that part and meet again have more ways than anybody can look at."""


def request_and_reply(facts: Facts, limits: Limits) -> Iterator[Found]:
    """Find pairs of topics by which one service asks, and one answers."""
    pairs: dict[tuple[str, str, str, str], list[tuple[str, int]]] = {}
    for edge in facts.edges:
        asked, answer = facts.records[edge["from"]], facts.records[edge["to"]]
        one, other = asked["service"], answer["service"]
        if one == other or asked["topic"] == answer["topic"]:
            continue
        is_private = facts.readers(asked["topic"]) == {other}
        is_for_asker = facts.readers(answer["topic"]) == {one}
        if is_private and is_for_asker and 0 <= edge["delay_ms"] <= limits["within_ms"]:
            key = (one, asked["topic"], other, answer["topic"])
            pairs.setdefault(key, []).append((edge["from"], edge["delay_ms"]))
    for (one, topic, other, back), found in pairs.items():
        if len(found) >= limits["least"]:
            delay = int(median(delay for _, delay in found))
            evidence = [
                f"{one} writes {topic}, which only {other} reads",
                f"{other} answers on {back}, which only {one} reads, after {delay} ms",
                counted(len(found), "such pair"),
            ]
            records = [name for name, _ in found[:_SHOWN]]
            yield Found(about=f"{topic} and {back}", evidence=evidence, records=records)


def waiting_chain(facts: Facts, limits: Limits) -> Iterator[Found]:
    """Find chains of services in which each reacts at once to the one before."""
    told: set[tuple[str, ...]] = set()
    effects = {edge["to"] for edge in facts.edges}
    for start in facts.caused:
        if start in effects:
            continue
        for way in islice(_chains(facts, [start]), _MOST_WAYS):
            services = tuple(str(facts.records[name]["service"]) for name in way)
            took = facts.records[way[-1]]["timestamp_ms"] - facts.records[way[0]]["timestamp_ms"]
            if len(set(services)) < limits["services"] or services in told:
                continue
            if 0 <= took <= limits["within_ms"]:
                told.add(services)
                evidence = [f"{counted(len(way), 'event')}, one caused by the other, in {took} ms"]
                yield Found(about=" -> ".join(services), evidence=evidence, records=way)


def _chains(facts: Facts, way: list[str]) -> Iterator[list[str]]:
    following = [name for name in facts.caused.get(way[-1], ()) if name not in way]
    if not following or len(way) > 50:
        yield way
    for name in following:
        yield from _chains(facts, [*way, name])


def chatty(facts: Facts, limits: Limits) -> Iterator[Found]:
    """Find services that write many events of a type for one cause."""
    worst: dict[tuple[str, str], tuple[int, str]] = {}
    for cause, effects in facts.caused.items():
        counts = Counter(
            (facts.records[name]["service"], facts.records[name]["topic"]) for name in effects
        )
        for key, count in counts.items():
            if count >= limits["events"] and count > worst.get(key, (0, ""))[0]:
                worst[key] = count, cause
    for (service, topic), (count, cause) in worst.items():
        evidence = [f"{service} wrote {counted(count, 'event')} to {topic} because of one"]
        yield Found(about=f"{service} on {topic}", evidence=evidence, records=[cause])


def slow_group(facts: Facts, limits: Limits) -> Iterator[Found]:
    """Find groups that are far behind in topics where others are not."""
    by_topic: dict[str, list[tuple[int, LiveConsumer]]] = {}
    for one in facts.landscape.live:
        if one.lag is not None:
            by_topic.setdefault(one.topic, []).append((one.lag, one))
    for topic, lags in by_topic.items():
        current = [one.group for lag, one in lags if lag * 10 < limits["lag"]]
        for lag, one in lags:
            if lag >= limits["lag"] and current:
                away = "" if one.client_ids else ", and has no member now"
                evidence = [
                    f"{one.group} is {counted(lag, 'record')} behind in {topic}{away}",
                    f"{', '.join(current[:_SHOWN])} {'keeps' if len(current) == 1 else 'keep'} up",
                ]
                yield Found(about=one.group, evidence=evidence)


def bulk_burst(facts: Facts, limits: Limits) -> Iterator[Found]:
    """Find bursts of one service that the events of others in the topic wait behind."""
    by_topic: dict[str, list[Record]] = {}
    for record in facts.records.values():
        if record["service"]:
            by_topic.setdefault(record["topic"], []).append(record)
    for topic, records in by_topic.items():
        ordered = sorted(records, key=lambda each: (each["timestamp_ms"], each["offset"]))
        burst = _burst(ordered, limits)
        if not burst:
            continue
        service, start, end = burst
        others = [each for each in ordered if each["service"] != service]
        before = _delays(each for each in others if each["timestamp_ms"] < start)
        behind = _delays(
            each for each in others if start <= each["timestamp_ms"] <= end + limits["within_ms"]
        )
        if before and behind and median(behind) > limits["slower"] * max(median(before), 1):
            least = counted(limits["events"], "record")
            evidence = [
                f"{service} wrote at least {least} within {end - start} ms",
                f"others waited {median(behind):.0f} ms, and {median(before):.0f} ms before it",
            ]
            yield Found(about=f"{service} on {topic}", evidence=evidence)


def _burst(ordered: Sequence[Record], limits: Limits) -> tuple[str, int, int] | None:
    by_service: dict[str, list[int]] = {}
    for each in ordered:
        times = by_service.setdefault(each["service"], [])
        times.append(each["timestamp_ms"])
        first = times[-limits["events"]] if len(times) >= limits["events"] else None
        if first is not None and times[-1] - first <= limits["within_ms"]:
            return each["service"], first, times[-1]
    return None


def _delays(records: Iterator[Record]) -> list[int]:
    return [
        group["committed_at_ms"] - each["timestamp_ms"]
        for each in records
        for group in each["groups"]
        if group.get("committed_at_ms")
    ]
