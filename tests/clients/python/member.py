"""A group member in a process of its own, so that it can die without leaving.

    python -m tests.clients.python.member CLIENT BOOTSTRAP_SERVERS GROUP TOPIC SESSION_TIMEOUT_MS

Prints its partitions, as a JSON list, at each change.
"""

from __future__ import annotations

import json
import sys

from tests.clients.python.clients import CLIENTS


def main() -> None:
    """Read for ever."""
    name, bootstrap_servers, group, topic, session_timeout_ms = sys.argv[1:]
    client = CLIENTS[name](bootstrap_servers)
    consumer = client.consumer(group, session_timeout_ms=int(session_timeout_ms))
    consumer.subscribe(topic)
    shown: list[int] | None = None
    while True:
        consumer.poll(0.1)
        assigned = sorted(partition.number for partition in consumer.assignment())
        if assigned != shown:
            print(json.dumps(assigned), flush=True)
            shown = assigned


if __name__ == "__main__":
    main()
