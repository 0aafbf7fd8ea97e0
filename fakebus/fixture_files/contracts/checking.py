"""Who breaks whom: what services produce, held against what others were seen to accept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from fakebus.escaping import printable
from fakebus.fixture_files.contracts.reports import Observation, ServiceReport
from fakebus.fixture_files.shapes import misfits, unknown_fields

Severity = Literal["breaks", "note"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractFinding:
    """Finding about a producer and a consumer of a topic."""

    severity: Severity
    topic: str
    event_type: str
    producer: str
    consumer: str
    message: str

    def __str__(self) -> str:
        """Return the finding on one line."""
        kind = f" ({self.event_type})" if self.event_type else ""
        return printable(f"{self.severity}: {self.topic}{kind}: {self.message}")


def contract_findings(reports: Mapping[str, ServiceReport]) -> Iterator[ContractFinding]:
    """Yield everything that services say differently of the topics that they share.

    Args:
        reports: the services' reports by their names.
    """
    for producer in reports.values():
        for topic, types in producer.produces.items():
            readers = [one for one in reports.values() if topic in one.accepts]
            for event_type, seen in types.items():
                for consumer in readers:
                    yield from _findings(producer, consumer, topic, event_type, seen)
                if not readers:
                    message = f"no report tells of anybody who accepts what {producer.service} "
                    message += "produces"
                    yield ContractFinding(
                        severity="note",
                        topic=topic,
                        event_type=event_type,
                        producer=producer.service,
                        consumer="",
                        message=message,
                    )
    yield from _set_versions([*reports.values()])


def _findings(
    producer: ServiceReport,
    consumer: ServiceReport,
    topic: str,
    event_type: str,
    seen: Observation,
) -> Iterator[ContractFinding]:
    def finding(severity: Severity, message: str) -> ContractFinding:
        return ContractFinding(
            severity=severity,
            topic=topic,
            event_type=event_type,
            producer=producer.service,
            consumer=consumer.service,
            message=message,
        )

    accepted = consumer.accepts[topic].get(event_type)
    ours, theirs = producer.service, consumer.service
    if accepted is None:
        yield finding("breaks", f"{ours} produces it, and {theirs} was never seen to accept it")
        return
    for misfit in misfits(seen.shape, accepted.shape):
        message = f"{misfit} in what {ours} produces, and {theirs} was never seen to accept "
        yield finding("breaks", message + ("that" if misfit.types else "an event without it"))
    new = unknown_fields(seen.shape, accepted.shape)
    if new and not accepted.unknown_fields:
        message = f"{ours} produces {', '.join(sorted(new))}, and {theirs} was never seen to "
        yield finding("breaks", f"{message}accept a field that it does not know")
    others = sorted(seen.schemas - accepted.schemas)
    if others and accepted.schemas:
        message = f"{ours} writes with {', '.join(others)}, and {theirs} was tested with "
        yield finding("note", message + ", ".join(sorted(accepted.schemas)))


def _set_versions(reports: Sequence[ServiceReport]) -> Iterator[ContractFinding]:
    versions: dict[str, dict[str, list[str]]] = {}
    for report in reports:
        for name, version in report.sets.items():
            versions.setdefault(name, {}).setdefault(version, []).append(report.service)
    for name, users in versions.items():
        if len(users) > 1:
            words = ", ".join(
                f"{' and '.join(services)} with {version}" for version, services in users.items()
            )
            yield ContractFinding(
                severity="note",
                topic="",
                event_type="",
                producer="",
                consumer="",
                message=f"the set {name} was tested in different versions: {words}",
            )
