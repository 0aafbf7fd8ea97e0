"""Settings that make clients quick enough for tests, in the spelling of their library."""

from __future__ import annotations

from typing import Any, Literal, get_args

Library = Literal["librdkafka", "java", "aiokafka", "kafka-python"]

_FOR_ALL: dict[str, Any] = {
    # A topic that is created later is found in half a second, not in five minutes.
    "metadata.max.age.ms": 500,
}
_FOR_MEMBERS: dict[str, Any] = {
    # What was written before the consumer came is read, too.
    "auto.offset.reset": "earliest",
    "enable.auto.commit": True,
    "auto.commit.interval.ms": 100,
    # Rebalances and rollbacks are noticed by the next heartbeat.
    "heartbeat.interval.ms": 200,
}
_IN_LIBRDKAFKA = {"metadata.max.age.ms": "topic.metadata.refresh.interval.ms"}


def client_config(
    bootstrap_servers: str, group: str | None = None, library: Library = "librdkafka"
) -> dict[str, Any]:
    """Return the settings of a client in tests, which may be changed.

    Args:
        bootstrap_servers: where the cluster is.
        group: the group of a consumer; without one they fit producers and admin clients, too.
        library: whose spelling: ``librdkafka`` (confluent-kafka and many others), ``java``,
            whose values are texts, ``aiokafka`` or ``kafka-python``, as keyword arguments.

    Raises:
        ValueError: the library is none of them.
    """
    if library not in get_args(Library):
        raise ValueError(f"library is one of {', '.join(get_args(Library))}, not {library!r}")
    settings = {"bootstrap.servers": bootstrap_servers, **_FOR_ALL}
    if group is not None:
        settings |= {"group.id": group, **_FOR_MEMBERS}
    if library == "librdkafka":
        return {_IN_LIBRDKAFKA.get(name, name): value for name, value in settings.items()}
    if library == "java":
        # As in a file of properties, where truth is written in lower case.
        return {
            name: str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in settings.items()
        }
    return {name.replace(".", "_"): value for name, value in settings.items()}
