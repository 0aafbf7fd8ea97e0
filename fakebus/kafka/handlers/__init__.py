"""What answers Kafka's APIs: a file for each line of ``kafka/served.py``."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from fakebus.kafka.api import Handler
from fakebus.protocol.api_keys import ApiKey


def handler_of(api_key: ApiKey) -> Handler:
    """Return the handler of an API that is served, whose file is loaded if it is the first time."""
    name = api_key.name.lower()
    return cast(Handler, getattr(import_module(f"{__name__}.{name}"), f"handle_{name}"))
