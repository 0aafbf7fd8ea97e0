"""``python -m tests.openedx.project``: Django's commands, and three that only tests want."""

from __future__ import annotations

import json
import os
import sys
import threading
from datetime import UTC
from typing import Any

from tests.openedx.project.plain import plain

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.openedx.project.settings"


def samples() -> list[tuple[Any, dict[str, Any]]]:
    """Return every sample event as its signal and the objects that a service sends."""
    from openedx_events.event_bus.avro.deserializer import deserialize_bytes_to_event_data
    from openedx_events.tooling import OpenEdxPublicSignal

    from fakebus.fixture_files.functions import FunctionContext, expand
    from fakebus.openedx.catalogue import load_catalogue
    from fakebus.openedx.samples import samples_of
    from fakebus.schemas.languages import language

    context = FunctionContext(seed=1, anchor_ms=1_760_000_000_000, zone=UTC, event_ms=0)
    found = []
    for event in load_catalogue():
        signal = OpenEdxPublicSignal.get_signal_by_type(event.event_type)
        schema = language("AVRO").parse(json.dumps(event.schema))
        for sample in samples_of(event.event_type, event.schema):
            payload = schema.encode(expand(sample.data, context))
            found.append((signal, deserialize_bytes_to_event_data(payload, signal)))
    return found


def send_all() -> None:
    """Send every sample event by its signal, and tell what was sent."""
    from openedx_events.event_bus import get_producer

    sent: list[dict[str, Any]] = []

    def note(signal: Any, metadata: Any, **kwargs: Any) -> None:
        sent.append(
            {
                "event_type": signal.event_type,
                "metadata": plain(metadata),
                "data": {
                    name: plain(data)
                    for name, data in kwargs.items()
                    if name not in ("sender", "from_event_bus")
                },
            }
        )

    for signal, data in samples():
        signal.connect(note, dispatch_uid="note")
        signal.send_event(**data)
        signal.disconnect(dispatch_uid="note")
    stop = getattr(get_producer(), "prepare_for_shutdown", None)
    if stop is not None:
        stop()
    print(json.dumps(sent))


def consume_all(topics: list[str], group: str) -> None:
    """Consume several topics, each by the consumer of the event bus in a thread of its own."""
    from openedx_events.event_bus import make_single_consumer

    threads = [
        threading.Thread(
            target=make_single_consumer(topic=topic, group_id=group).consume_indefinitely
        )
        for topic in topics
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def run_commands() -> None:
    """Run commands of Django that come as lines of JSON, and say of each when it is done."""
    from django.core.management import call_command

    for line in sys.stdin:
        call_command(*json.loads(line))
        print("done", flush=True)


def main() -> None:
    import django

    if sys.argv[1] not in ("send-all", "consume-all", "run-commands"):
        from django.core.management import execute_from_command_line

        execute_from_command_line(sys.argv)
        return
    django.setup()
    if sys.argv[1] == "send-all":
        send_all()
    elif sys.argv[1] == "run-commands":
        run_commands()
    else:
        consume_all(sys.argv[3:], sys.argv[2])


if __name__ == "__main__":
    main()
