"""Encodes messages with kio, in a process of its own: some input makes kio abort.

Reads a pickled list of (message name, version, values) from stdin, and writes a pickled
list of bytes, or of the text of the exception, or of ``None`` where kio has no such
message.
"""

from __future__ import annotations

import dataclasses
import datetime
import importlib
import io
import pickle
import re
import sys
import typing
from typing import Any

from kio.schema.errors import ErrorCode
from kio.serial import entity_writer

UNITS = {"timedelta_i32": "_ms", "timedelta_i64": "_ms"}


def entity_class(name: str, version: int) -> Any:
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    api, _, kind = snake.rpartition("_")
    package = f"kio.schema.{snake}.v{version}.data"
    if kind in {"request", "response"}:
        package = f"kio.schema.{api}.v{version}.{kind}"
    try:
        return getattr(importlib.import_module(package), name)
    except ModuleNotFoundError:
        return None


def nested_class(hint: Any) -> Any:
    """Return the class inside ``X | None``, ``tuple[X, ...]`` and both at once."""
    while arguments := [a for a in typing.get_args(hint) if a not in {type(None), ...}]:
        hint = arguments[0]
    return hint


def to_kio(entity: Any, values: dict[str, Any]) -> Any:
    arguments = {}
    left = dict(values)
    hints = typing.get_type_hints(entity)
    for field in dataclasses.fields(entity):
        kind = field.metadata.get("kafka_type", "")
        names = [field.name, field.name + "_ms"]
        name = next(name for name in names if name in left)
        arguments[field.name] = convert(kind, nested_class(hints[field.name]), left.pop(name))
    if left:
        raise LookupError(f"{entity.__name__} has no {sorted(left)}")
    return entity(**arguments)


def convert(kind: str, inner: Any, value: Any) -> Any:
    if isinstance(value, list):
        return tuple(convert(kind, inner, each) for each in value)
    if isinstance(value, dict):
        return to_kio(inner, value)
    if kind == "error_code":
        return ErrorCode(value)
    if kind.startswith("timedelta"):
        return datetime.timedelta(milliseconds=value)
    if kind.startswith("datetime"):
        return datetime.datetime.fromtimestamp(value / 1000, datetime.UTC)
    if kind == "uuid":
        return value if value.int else None
    return value


def encode(name: str, version: int, values: dict[str, Any]) -> bytes | str | None:
    entity = entity_class(name, version)
    if entity is None:
        return None
    buffer = io.BytesIO()
    try:
        entity_writer(entity)(buffer, to_kio(entity, values))
    except Exception as error:  # noqa: BLE001 - reported to the test
        return f"{type(error).__name__}: {error}"
    return buffer.getvalue()


if __name__ == "__main__":
    jobs = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the test
    pickle.dump([encode(*job) for job in jobs], sys.stdout.buffer)
