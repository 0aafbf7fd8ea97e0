"""Encodes messages with kafka-python; input and output as in ``kio_worker``."""

from __future__ import annotations

import importlib
import pickle
import pkgutil
import sys
from typing import Any

import kafka.protocol  # type: ignore[import-untyped]
from kafka.protocol.schemas.fields.codecs import BitField  # type: ignore[import-untyped]

CONSUMER_PROTOCOL = ("ConsumerProtocolSubscription", "ConsumerProtocolAssignment")


def message_classes() -> dict[str, Any]:
    """Return the library's message classes by name; ``old`` holds its former ones."""
    found = {}
    for module in pkgutil.walk_packages(kafka.protocol.__path__, "kafka.protocol."):
        if ".old" not in module.name and "generate" not in module.name:
            found.update(vars(importlib.import_module(module.name)))
    return {name: cls for name, cls in found.items() if getattr(cls, "_struct", None)}


def to_container(cls: Any, version: int, values: dict[str, Any]) -> Any:
    arguments = {}
    for name, value in values.items():
        if name.endswith("_authorized_operations") and name not in cls._struct.fields:
            name = "authorized_operations"
        field = cls._struct.fields[name]
        if getattr(field, "_type", None) is BitField:
            value = field._type.from_32_bit_field(value)
        elif isinstance(value, dict):
            value = to_container(field.data_class, version, value)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            value = [to_container(field.data_class, version, each) for each in value]
        arguments[name] = value
    return cls(version=version, **arguments)


def encode(cls: Any, version: int, values: dict[str, Any]) -> bytes | str | None:
    if cls is None or version > cls.max_version:
        return None
    try:
        encoded = bytes(to_container(cls, version, values).encode(version=version))
    except Exception as error:  # noqa: BLE001 - reported to the test
        return f"{type(error).__name__}: {error}"
    # The library writes the version in front, which is outside of the message.
    return encoded[2:] if cls.__name__ in CONSUMER_PROTOCOL else encoded


if __name__ == "__main__":
    jobs = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the test
    classes = message_classes()
    pickle.dump([encode(classes.get(n), v, values) for n, v, values in jobs], sys.stdout.buffer)
