"""Writes every event that comes from the bus to a file, one line each, or does what is wanted."""

from __future__ import annotations

import json
import os
from typing import Any

from django.apps import AppConfig

from tests.openedx.project.plain import plain


class ReceiverConfig(AppConfig):
    name = "tests.openedx.project.receiver"

    def ready(self) -> None:
        from openedx_events.learning.signals import SESSION_LOGIN_COMPLETED
        from openedx_events.tooling import OpenEdxPublicSignal, load_all_signals

        load_all_signals()
        for signal in OpenEdxPublicSignal.all_events():
            signal.connect(self.receive, weak=False)
        what = os.environ.get("RECEIVER", "")
        if what == "registers":
            SESSION_LOGIN_COMPLETED.connect(register)
        elif what == "dies":
            SESSION_LOGIN_COMPLETED.connect(die)
        elif what == "is newer":
            # As after an upgrade of openedx-events that demands more than producers tell.
            SESSION_LOGIN_COMPLETED.init_data = {**SESSION_LOGIN_COMPLETED.init_data, "realm": str}

    def receive(self, signal: Any, metadata: Any, **kwargs: Any) -> None:
        path = os.environ.get("RECEIVED")
        if path is None or not kwargs.pop("from_event_bus", False):
            return
        kwargs.pop("sender", None)
        line = {
            "event_type": signal.event_type,
            "metadata": plain(metadata),
            "data": {name: plain(data) for name, data in kwargs.items()},
            "pid": os.getpid(),
        }
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def register(user: Any, from_event_bus: bool = False, **kwargs: Any) -> None:
    """Answer an event of the bus by another one."""
    from openedx_events.learning.signals import STUDENT_REGISTRATION_COMPLETED

    if from_event_bus:
        STUDENT_REGISTRATION_COMPLETED.send_event(user=user)


def die(from_event_bus: bool = False, **kwargs: Any) -> None:
    """End the process, as a segmentation fault or the kernel does."""
    if from_event_bus:
        os._exit(1)
