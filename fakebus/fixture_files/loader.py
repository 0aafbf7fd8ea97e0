"""From directories of fixture files to a checked :class:`FixtureSet`.

Nothing here talks to a broker. All files are read, all mistakes are collected, and only a
set without any mistake comes out. A set brings along those that it uses.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.clock import SystemClock
from fakebus.fixture_files.directory_loading import DirectoryLoader
from fakebus.fixture_files.model import FixtureSet
from fakebus.fixture_files.problems import INVALID, FixtureError, FixtureProblem
from fakebus.fixture_files.scenarios.playing import Scenario
from fakebus.fixture_files.set_loading import SetLoading
from fakebus.fixture_files.set_parts import LoadSettings
from fakebus.fixture_files.structure.schema_set import SchemaIds, SchemaIdTable

Sets = Path | Sequence[Path]
"""Directories, packs, or names as :func:`fakebus.fixture_files.set_sources.set_path` gives them;
several are loaded as one."""


def load_fixtures(
    sets: Sets,
    *,
    now_ms: int,
    config: BrokerConfig | None = None,
    schema_ids: SchemaIds | None = None,
    verify: bool = False,
    profile: str | None = None,
    keep_calls: bool = False,
    keep_written: bool = False,
) -> FixtureSet:
    """Read fixture sets with all that they use.

    Args:
        sets: each is a directory that holds ``fakebus.yaml``, a file that
            :mod:`fakebus.fixture_files.packs` has written, or a name.
        now_ms: the present in milliseconds since the epoch, for ``anchor: now``.
        config: the broker's configs, which bound the size and age of events; Kafka's
            defaults when left out.
        schema_ids: the ids that a registry gave; counted from 1 when left out.
        verify: whether every record with a schema is decoded again and compared, and the
            rules of :mod:`fakebus.fixture_files.lint` are applied.
        profile: the profile to load; the whole set when left out.
        keep_calls: whether events keep the data whose calls give something else at another time.
        keep_written: whether events keep their data with a schema as they are written.

    Raises:
        FixtureError: a set has problems, or no such profile; all of them are in the error.
    """
    config = config or BrokerConfig()
    ids = SchemaIdTable(schema_ids)
    settings = LoadSettings(
        now_ms, config, ids, verify=verify, keep_calls=keep_calls, keep_written=keep_written
    )
    return _loaded(sets, settings, profile)[0]


def load_whole(sets: Sets, *, now_ms: int) -> Iterator[FixtureSet]:
    """Yield fixture sets with all that they use, and again what profiles have or leave out.

    That is each set of which only a profile is used, as a whole, and each profile that brings files
    of its own.

    Raises:
        FixtureError: a set has problems.
    """
    settings = LoadSettings(now_ms, BrokerConfig(), SchemaIdTable())
    found, loading = _loaded(sets, settings)
    yield found
    for part in loading.parts():
        profiles: list[str | None] = [] if part.profile is None else [None]
        profiles += [one.name for one in part.spec.root.profiles.values() if one.include]
        for profile in profiles:
            yield load_fixtures(part.source.root, now_ms=now_ms, profile=profile)


def load_onto(
    there: Sequence[Path],
    sets: Sequence[Path],
    *,
    now_ms: int,
    config: BrokerConfig,
    schema_ids: SchemaIds | None = None,
) -> FixtureSet:
    """Read fixture sets that may add to others; these are in the result only if it takes them.

    Args:
        there: sets that are seeded already.
        sets: as for :func:`load_fixtures`, like the rest.
        now_ms: the present in milliseconds since the epoch.
        config: the broker's configs.
        schema_ids: the ids that a registry gave.

    Raises:
        FixtureError: the sets have problems, with the others too.
    """
    load = partial(load_fixtures, now_ms=now_ms, config=config, schema_ids=schema_ids)
    try:
        return load(sets)
    except FixtureError:
        if not there:
            raise
        return load([*there, *sets])


def set_labels(sets: Sets) -> list[str]:
    """Return the names and versions of fixture sets and of all that they use.

    Only YAML and schemas are read. What is wrong with a set is told where it is loaded.

    Args:
        sets: as for :func:`load_fixtures`.
    """
    settings = LoadSettings(SystemClock().now_ms(), BrokerConfig(), SchemaIdTable())
    loading = SetLoading(settings)
    loading.open([(path, None) for path in _paths(sets)])
    return [part.label for part in loading.parts()]


class CheckedSets(NamedTuple):
    """Sets after a check."""

    problems: list[FixtureProblem]
    used: list[str]
    """Names and versions of the sets that they use."""
    notes: list[FixtureProblem]
    """What is no mistake, and may surprise."""


def check_fixtures(
    sets: Sets, *, now_ms: int | None = None, profile: str | None = None
) -> list[FixtureProblem]:
    """Return every problem of fixture sets and of those that they use; none if they can be seeded.

    Args:
        sets: as for :func:`load_fixtures`.
        now_ms: the present; the machine's clock when left out.
        profile: the profile to check; when left out the whole set, and every profile that
            has files of its own.
    """
    return check_used(sets, now_ms=now_ms, profile=profile).problems


def check_used(sets: Sets, *, now_ms: int | None = None, profile: str | None = None) -> CheckedSets:
    """Return every problem as :func:`check_fixtures`, and what the sets were checked with."""
    now_ms = SystemClock().now_ms() if now_ms is None else now_ms
    paths = [(path, profile) for path in _paths(sets)]
    found, loading = _check(paths, now_ms)
    named = [root.part for root in loading.roots]
    labels = list(dict.fromkeys(part.label for part in loading.parts() if part not in named))
    if profile is None and len(named) == len(paths):
        _check_profiles(loading, paths, now_ms, found)
    notes = [note for part in loading.parts() for note in part.notes.sorted()]
    return CheckedSets(found, labels, notes)


def _check_profiles(
    loading: SetLoading,
    paths: Sequence[tuple[Path, str | None]],
    now_ms: int,
    found: list[FixtureProblem],
) -> None:
    """Add what is wrong with the profiles that have files, and the files that no profile loads."""
    roots = [root for root in loading.roots if isinstance(root, DirectoryLoader)]
    named = {root.part.source.root: set(root.named) for root in roots}
    for index, root in enumerate(loading.roots):
        for other in root.part.spec.root.profiles.values():
            if other.include:
                wanted = [*paths]
                wanted[index] = paths[index][0], other.name
                more, loaded = _check(wanted, now_ms)
                found += [one for one in more if one not in found]
                for each in loaded.roots:
                    if isinstance(each, DirectoryLoader):
                        named[each.part.source.root] |= each.named
    if all(one.rule != INVALID for one in found):
        from fakebus.fixture_files.lint import unused_files

        for root in roots:
            directory, lint = root.part.source.root, root.part.spec.root.lint
            found += unused_files(directory, named[directory], lint.ignore).sorted()


def _check(
    paths: Sequence[tuple[Path, str | None]], now_ms: int
) -> tuple[list[FixtureProblem], SetLoading]:
    loading = SetLoading(LoadSettings(now_ms, BrokerConfig(), SchemaIdTable(), verify=True))
    with _collector_paused():
        loading.load(paths)
    found = loading.problems()
    from fakebus.fixture_files.drift.lock import lock_problems

    for part in loading.parts():
        whole = loading.whole(part)
        if part.profile is None and whole is not None:
            only_uses = part.problems.has_invalid
            found += lock_problems(part.source.root, whole, only_uses=only_uses)
    return found, loading


def load_scenarios(
    sets: Sets, *, now_ms: int, schema_ids: SchemaIds | None = None
) -> dict[str, Scenario]:
    """Return the scenarios of fixture sets, and of those that they use; see :func:`load_fixtures`.

    They go by their names; those of a set that has a name by ``SET/NAME`` as well, for where
    another set has a scenario of the same name. The sets that are asked for come first.

    Raises:
        FixtureError: the sets have problems; all of them are in the error.
    """
    settings = LoadSettings(now_ms, BrokerConfig(), SchemaIdTable(schema_ids))
    _, loading = _loaded(sets, settings)
    found: dict[str, Scenario] = {}
    for each in (*loading.roots, *reversed(loading.loaders())):
        if isinstance(each, DirectoryLoader):
            for name, scenario in each.scenarios.items():
                found.setdefault(name, scenario)
                if each.part.name is not None:
                    found.setdefault(f"{each.part.name}/{name}", scenario)
    return found


def generate_lines(sets: Sets, topic: str, *, now_ms: int, count: int | None = None) -> list[str]:
    """Return the events that a topic has generated, as lines for an events file.

    Args:
        sets: the set.
        topic: its topic.
        now_ms: the present in milliseconds since the epoch.
        count: how many events to make, instead of what ``generate`` says. A topic without
            ``generate`` has them made from its schema.

    Raises:
        FixtureError: the set has problems, or no such topic.
    """
    settings = LoadSettings(now_ms, BrokerConfig(), SchemaIdTable())
    _, loading = _loaded(sets, settings, generate=(topic, count))
    return [
        line
        for root in loading.roots
        if isinstance(root, DirectoryLoader)
        for line in root.generated
    ]


def _paths(sets: Sets) -> Sequence[Path]:
    return [sets] if isinstance(sets, Path) else sets


def _loaded(
    sets: Sets,
    settings: LoadSettings,
    profile: str | None = None,
    generate: tuple[str, int | None] | None = None,
) -> tuple[FixtureSet, SetLoading]:
    loading = SetLoading(settings)
    with _collector_paused():
        found = loading.load([(path, profile) for path in _paths(sets)], generate)
    if found is None:
        raise FixtureError(loading.problems())
    return found, loading


_MANY_OBJECTS = 100_000
"""How many new ones the collector had better not look at."""


@contextmanager
def _collector_paused() -> Iterator[None]:
    # Loading makes millions of objects that all live on; looking for garbage among them
    # again and again takes a quarter of the time.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            # Counting what others have frozen takes longer than loading a small set.
            if gc.get_count()[0] > _MANY_OBJECTS and not gc.get_freeze_count():
                # They go to the old objects without being looked at, which takes half a second.
                gc.freeze()
                gc.unfreeze()
            gc.enable()
