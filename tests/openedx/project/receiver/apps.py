"""Writes every event that comes from the bus to a file, one line each."""

from __future__ import annotations

import json
import os
from typing import Any

from django.apps import AppConfig

from tests.openedx.project.plain import plain


class ReceiverConfig(AppConfig):
    name = "tests.openedx.project.receiver"

    def ready(self) -> None:
        from openedx_events.tooling import OpenEdxPublicSignal, load_all_signals

        load_all_signals()
        for signal in OpenEdxPublicSignal.all_events():
            signal.connect(self.receive, weak=False)

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
