"""``fixtures.lock``: the schemas that a set's events were made with, and the sets that it uses.

Whoever changes a schema, or takes over another version of a set, has to look at the events, and
says so by writing the lock again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fakebus.errors import FakebusError
from fakebus.fixture_files.drift.findings import NOTE, DriftFinding
from fakebus.fixture_files.drift.pins import Pin, fingerprint, pin_changes, pins
from fakebus.fixture_files.model import FixtureSet
from fakebus.fixture_files.problems import FixtureProblem, Position, quoted
from fakebus.input_files import read_text_at_most
from fakebus.output_files import check_output, write_output

LOCK_FILE = "fixtures.lock"
LOCK_VERSION = 1
_MOST_BYTES = 64 * 1024 * 1024
RULE = "lock"
_MADE_BY = "fakebus fixtures lock"
_MARK = f"# Written by: {_MADE_BY}. The schemas that the events were made with."
_HINT = "look at the events of the subject, then run  fakebus fixtures lock"
_USE_HINT = "look at what it means here, then run  fakebus fixtures lock --update"
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """Contents of a lock file."""

    made_with: str | None
    """The package that the schemas come from, with its version."""
    fingerprints: dict[tuple[str, int], str]
    """By subject and version."""
    lines: dict[tuple[str, int], int]
    uses: dict[str, Pin]
    """By the name of the set."""
    use_lines: dict[str, int]


def write_lock(fixture_set: FixtureSet, made_with: str | None = None) -> Path:
    """Write the lock of a set and return its path.

    Args:
        fixture_set: the set.
        made_with: the package that its schemas come from, with its version.

    Raises:
        FakebusError: the file cannot be written, or is no lock.
    """
    lines = [_MARK, f"version: {LOCK_VERSION}"]
    if made_with is not None:
        lines.append(f"made_with: {_scalar(made_with)}")
    own = fixture_set.own
    lines.append("schemas:" if own.schemas else "schemas: []")
    for schema in own.schemas:
        lines.append(
            f"  - {{subject: {_scalar(schema.subject)}, version: {schema.version}, "
            f"sha256: {fingerprint(schema)}}}"
        )
    text = "\n".join([*lines, ""])
    uses = [
        {"set": name, "version": pin.pop("version"), "sha256": _sum(pin), **pin}
        for name, pin in pins(fixture_set).items()
    ]
    if uses:
        text += yaml.safe_dump({"uses": uses}, allow_unicode=True, sort_keys=False, width=100)
    path = fixture_set.root / LOCK_FILE
    write_output(path, text.encode(), is_ours=_is_lock, made_by=_MADE_BY)
    return path


def _sum(pin: Pin) -> str:
    return hashlib.sha256(json.dumps(pin, sort_keys=True).encode()).hexdigest()


def check_lock_target(directory: Path) -> None:
    """Refuse a directory where the name of the lock is taken by something else.

    Raises:
        FakebusError: it is.
    """
    check_output(directory / LOCK_FILE, None, is_ours=_is_lock, made_by=_MADE_BY)


def _is_lock(content: bytes) -> bool:
    return content.startswith(f"# Written by: {_MADE_BY}".encode())


def _scalar(text: str) -> str:
    return str(yaml.safe_dump(text, width=10_000, allow_unicode=True, default_style='"')).strip()


def read_lock(directory: Path) -> Lock | None:
    """Return the lock of a set; ``None`` if it has none.

    Raises:
        FakebusError: the file is none, or of another version.
    """
    path = directory / LOCK_FILE
    if not path.is_file():
        return None
    try:
        text = read_text_at_most(path, _MOST_BYTES)
        # An alias for an alias for a list is more than can be held or told.
        if "*" in text and any(
            isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=_LOADER)
        ):
            raise ValueError("fakebus writes no aliases")
        contents: Any = yaml.load(text, Loader=_LOADER)  # noqa: S506 - a safe one
        if contents["version"] != LOCK_VERSION:
            raise FakebusError(
                f"{path}:1:1: the lock has version {contents['version']}; this fakebus reads "
                f"version {LOCK_VERSION}; remove it, and write it again with  fakebus fixtures lock"
            )
        fingerprints = {
            (str(each["subject"]), int(each["version"])): str(each["sha256"])
            for each in contents["schemas"]
        }
        uses = {str(each["set"]): _pinned(each) for each in contents.get("uses", ())}
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, ValueError):
        raise FakebusError(
            f"{path}:1:1: this is not a lock of fixtures; "
            "remove it, and write it again with  fakebus fixtures lock"
        ) from None
    made_with = contents.get("made_with")
    return Lock(
        made_with=None if made_with is None else str(made_with),
        fingerprints=fingerprints,
        lines=dict(zip(fingerprints, _numbers(text, "  - {subject:"), strict=False)),
        uses=uses,
        use_lines=dict(zip(uses, _numbers(text, "- set:"), strict=False)),
    )


def _pinned(entry: dict[str, Any]) -> Pin:
    pin = {name: value for name, value in entry.items() if name not in ("set", "version", "sha256")}
    if _sum(pin) != entry["sha256"]:
        raise ValueError
    return {"version": str(entry["version"]), **pin}


def _numbers(text: str, begin: str) -> list[int]:
    lines = enumerate(text.splitlines(), 1)
    return [number for number, line in lines if line.startswith(begin)]


def lock_problems(
    directory: Path, fixture_set: FixtureSet, *, only_uses: bool = False
) -> list[FixtureProblem]:
    """Return where a set and its lock differ; nothing if it has no lock.

    Args:
        directory: the set's.
        fixture_set: the set, with all that it uses.
        only_uses: whether only what it uses is looked at.
    """
    try:
        lock = read_lock(directory)
    except FakebusError as error:
        message = str(error).partition(":1:1: ")[2]
        return [_problem(str(directory / LOCK_FILE), 1, message, "")]
    if lock is None:
        return []
    own = () if only_uses else _differences(directory, fixture_set.own, lock)
    return [*own, *_use_differences(directory / LOCK_FILE, fixture_set, lock)]


def _use_differences(file: Path, fixture_set: FixtureSet, lock: Lock) -> Iterator[FixtureProblem]:
    found = pins(fixture_set)
    for name, pin in found.items():
        old = lock.uses.get(name)
        line = lock.use_lines.get(name, 1)
        if old is None:
            message = f"the set {quoted(name)}, which is used, is not in {LOCK_FILE}"
            yield _problem(str(file), line, message, _USE_HINT)
        elif old != pin:
            versions = name if old["version"] == pin["version"] else _versions(name, old, pin)
            for change in list(pin_changes(old, pin, fixture_set)) or ["nothing else has changed"]:
                yield _problem(str(file), line, f"{versions}: {change}", _USE_HINT)
    for name in lock.uses.keys() - found.keys():
        message = f"{LOCK_FILE} pins the set {quoted(name)}, which is not used any more"
        yield _problem(str(file), lock.use_lines[name], message, _USE_HINT)


def _versions(name: str, old: Pin, new: Pin) -> str:
    before, after = (one["version"] or "without a version" for one in (old, new))
    return f"{name} is {after} now, was {before}"


def version_findings(directory: Path, package: str) -> Iterator[DriftFinding]:
    """Tell if a set was made with another version of a package.

    Raises:
        FakebusError: the lock is none.
    """
    lock = read_lock(directory)
    made_with = None if lock is None else lock.made_with
    if made_with is None or made_with == package:
        return
    if made_with.partition(" ")[0] == package.partition(" ")[0]:
        yield DriftFinding(
            severity=NOTE,
            subject=LOCK_FILE,
            file=str(directory / LOCK_FILE),
            message=f"the set was made with {made_with}, here is {package}",
        )


def _differences(directory: Path, fixture_set: FixtureSet, lock: Lock) -> Iterator[FixtureProblem]:
    left = dict(lock.lines)
    for schema in fixture_set.schemas:
        key = (schema.subject, schema.version)
        left.pop(key, None)
        pinned = lock.fingerprints.get(key)
        name = f"version {schema.version} of {quoted(schema.subject)}"
        if pinned is None:
            yield _problem(schema.display_file, 1, f"{name} is not in {LOCK_FILE}", _HINT)
        elif pinned != fingerprint(schema):
            yield _problem(
                schema.display_file,
                1,
                f"{name} is not the schema any more that {LOCK_FILE} pins",
                _HINT,
            )
    for (subject, version), line in left.items():
        yield _problem(
            str(directory / LOCK_FILE),
            line,
            f"{LOCK_FILE} pins version {version} of {quoted(subject)}, which the set does not have",
            _HINT,
        )


def _problem(file: str, line: int, message: str, hint: str) -> FixtureProblem:
    return FixtureProblem.at(Position(file, line), message, hint, RULE)
