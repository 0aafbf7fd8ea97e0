"""Schema files that lie in a folder and may build on each other."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from fakebus.errors import FakebusError, MissingExtraError
from fakebus.input_files import read_text_at_most
from fakebus.schemas.interface import (
    ParsedSchema,
    ResolvedReference,
    SchemaError,
)
from fakebus.schemas.languages import LANGUAGES, language

_TYPES = {f".{one.suffix}": name for name, one in LANGUAGES.items()}
_MAX_FILES = 10_000
_MAX_BYTES = 10 * 1024 * 1024


def read_folder(folder: Path) -> list[tuple[str, str]]:
    """Return path and text of every schema file in a folder and the folders within.

    Args:
        folder: holds ``.avsc``, ``.proto`` or ``.schema.json`` files.

    Raises:
        FakebusError: there is no such folder, it holds none, or one cannot be read.
    """
    if not folder.is_dir():
        raise FakebusError(f"there is no folder {folder}; name one that holds schema files")
    found: list[tuple[str, str]] = []
    for path in sorted(folder.rglob("*")):
        if _type(path.name) is None or not path.is_file():
            continue
        if len(found) == _MAX_FILES:
            raise FakebusError(f"{folder} holds more than {_MAX_FILES} schema files")
        found.append((path.relative_to(folder).as_posix(), read_schema_file(path)[0]))
    if not found:
        raise FakebusError(
            f"{folder} holds no schema files: they end with .avsc, .proto or .schema.json"
        )
    return found


def _type(name: str) -> str | None:
    for suffix, schema_type in _TYPES.items():
        if name.endswith(suffix):
            return schema_type
    return None


def parse_files(
    files: Iterable[tuple[str, str]],
) -> tuple[list[tuple[str, ParsedSchema]], list[tuple[str, str]]]:
    """Parse schema files that may build on each other.

    Returns:
        Path and schema of each that is valid, and path and reason of each that is not.
    """
    by_type: dict[str, dict[str, str]] = {}
    for path, text in files:
        by_type.setdefault(_type(path) or "AVRO", {})[path] = text
    parsed: list[tuple[str, ParsedSchema]] = []
    broken: list[tuple[str, str]] = []
    for schema_type, texts in by_type.items():
        names = {name: path for path, text in texts.items() for name in _names(schema_type, path)}
        if schema_type == "AVRO":
            names = {name: path for path, text in texts.items() for name in _avro_names(text)}
        for path, text in texts.items():
            references = [
                ResolvedReference(name=name, text=texts[other])
                for name, other in _needed(schema_type, path, texts, names)
            ]
            try:
                parsed.append((path, language(schema_type).parse(text, references)))
            except (SchemaError, MissingExtraError) as error:
                broken.append((path, str(error)))
    return parsed, broken


def _names(schema_type: str, path: str) -> Iterator[str]:
    if schema_type != "AVRO":
        yield path
        yield path.rpartition("/")[2]


def _avro_names(text: str) -> Iterator[str]:
    try:
        contents: Any = json.loads(text)
    except ValueError:
        return
    if isinstance(contents, dict) and isinstance(contents.get("name"), str):
        name, namespace = contents["name"], contents.get("namespace")
        yield name if "." in name or not namespace else f"{namespace}.{name}"


def _needed(
    schema_type: str, path: str, texts: dict[str, str], names: dict[str, str]
) -> list[tuple[str, str]]:
    """Return name and path of what a file builds on, dependencies first."""
    found: dict[str, str] = {}

    def add(of: str, within: tuple[str, ...]) -> None:
        for name, other in names.items():
            mentioned = f'"{name}"' in texts[of] or (schema_type == "JSON" and name in texts[of])
            if mentioned and other not in within:
                add(other, (*within, other))
                found.setdefault(name, other)

    add(path, (path,))
    return list(found.items())


def read_schema_file(path: Path) -> tuple[str, str | None]:
    """Return the text of one schema file, and its type if the name says it.

    Raises:
        FakebusError: it cannot be read.
    """
    try:
        text = read_text_at_most(path, _MAX_BYTES)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise FakebusError(f"{path} cannot be read: {reason}") from None
    return text, _type(path.name) or ("JSON" if path.name.endswith(".json") else None)
