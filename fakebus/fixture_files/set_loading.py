"""Sets that are loaded together: those that are named, and all that they use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from fakebus.fixture_files.directory_loading import DirectoryLoader
from fakebus.fixture_files.events.timeline import Timeline
from fakebus.fixture_files.merging import conflicts, merged, once, only_in_one
from fakebus.fixture_files.model import FixtureSet
from fakebus.fixture_files.pack_loading import PackLoader
from fakebus.fixture_files.problems import (
    DataError,
    FixtureProblem,
    Position,
    ProblemList,
    quoted,
)
from fakebus.fixture_files.set_parts import LoadSettings, Part, PartLoader, deepest_first
from fakebus.fixture_files.set_sources import SetSource, source_of
from fakebus.fixture_files.sources import is_asyncapi, is_pack, not_a_directory
from fakebus.fixture_files.structure.schema_set import SchemaSet
from fakebus.fixture_files.structure.set_reader import SetSpec

MAX_DEPTH = 20
_Way = tuple[tuple[Path, Position], ...]
"""The sets that lead to one, with the places where they are named."""


class _Naming(NamedTuple):
    """Place where a set is named."""

    position: Position
    problems: ProblemList
    """Where it is told what is wrong with the set that is named."""
    profile: str | None = None
    profile_at: Position | None = None


class SetLoading:
    """Loading of sets, step by step for all of them: structure, schemas, events, records."""

    def __init__(self, settings: LoadSettings) -> None:
        self.roots: list[PartLoader] = []
        """Loaders of the sets that are named, in their order."""
        self._settings = settings
        self._loaders: dict[Path, PartLoader] = {}
        self._own_problems = ProblemList()
        self._is_complete = True

    def load(
        self,
        sets: Sequence[tuple[Path, str | None]],
        generate: tuple[str, int | None] | None = None,
    ) -> FixtureSet | None:
        """Return all sets as one; ``None`` if there are problems.

        Args:
            sets: where sets are that are named, each with the profile that is wanted.
            generate: a topic to generate events for, whatever the sets say, and how many.
        """
        self.open(sets)
        self._check_versions()
        if not self._is_complete:
            # What a set that is not there would have said is not complained about as well.
            return None
        named = [root.part for root in self.roots]
        for part in named:
            part.generate = generate
            part.beside = [other for other in named if other is not part]
        parts = self.parts()
        self._read_schemas(parts)
        self._read_events(self.loaders())
        results = [result for part in parts for result in part.results]
        for problem in conflicts(results):
            self._own_problems.append(problem)
        if not any(each.has_invalid for each in self._lists()):
            self._check_equality()
        if self.problems():
            return None
        own = once([part.results[0] for part in named])
        return merged(own, once(results), self._settings.ids, self._settings.now_ms)

    def open(self, sets: Sequence[tuple[Path, str | None]]) -> None:
        """Read what sets consist of, and all that they use; as for :meth:`load`."""
        for path, profile in sets:
            self._open_named(path, profile)

    def parts(self) -> list[Part]:
        """Return all sets, each behind those that it builds on."""
        return list(deepest_first(_by_need([root.part for root in self.roots]), {}))

    def loaders(self) -> list[PartLoader]:
        """Return the loaders of all sets, each behind those that it builds on."""
        return [self._loaders[part.source.root.resolve()] for part in self.parts()]

    def _read_events(self, loaders: Sequence[PartLoader]) -> None:
        for loader in loaders:
            loader.read_events()
        for loader in loaders:
            loader.encode()
        for loader in loaders:
            loader.check()

    def _read_schemas(self, parts: Sequence[Part]) -> None:
        for part in parts:
            self._settings.ids.reserve(part.spec.subjects)
        for part in parts:
            part.schemas = SchemaSet(
                part.spec.subjects,
                self._settings.ids,
                part.problems,
                part.spec.root.compatibility,
                part.visible_schemas(),
            )
        # A set that is reached in several ways has each event once.
        again = {part for part, _ in self._of_one_name()}
        for part in parts:
            if part.beside:
                # Some of these were read only after it.
                part.schemas.see(part.visible_schemas())
            part.timeline.starts(part.spec.anchor_ms, part.spec.root.clock.zone)
            used = [other for other in part.used() if other not in again]
            part.timeline.used = [other.timeline for other in used]
            part.timeline.beside = [
                other.timeline for other in part.seen() if other not in again and other not in used
            ]

    def whole(self, part: Part) -> FixtureSet | None:
        """Return a set with all that it uses, if these have no problems.

        If the set itself has problems, it is what it uses.
        """
        seen = part.seen()
        if not part.results or any(one.problems.has_invalid for one in seen):
            return None
        own = part.results[0]
        if part.problems.has_invalid:
            own = replace(own, schemas=(), streams=(), topics=(), groups=())
        # What is only beside it may be referred to, but is not used.
        used = once([result for one in part.used() for result in one.results])
        every = [*once([result for one in seen for result in one.results]), own]
        found = merged([own], every, self._settings.ids, self._settings.now_ms)
        return replace(found, parts=(*used, own) if used else ())

    def problems(self) -> list[FixtureProblem]:
        """Return what is wrong, set by set."""
        return list(dict.fromkeys(one for each in self._lists() for one in each.sorted()))

    def _lists(self) -> list[ProblemList]:
        return [*(part.problems for part in self.parts()), self._own_problems]

    def _open_named(self, path: Path, profile: str | None) -> None:
        naming = _Naming(Position(str(path)), self._own_problems, profile)
        try:
            source = source_of(path)
        except DataError as error:
            self._missing(naming, str(error), error.hint)
            return
        if not (source.root.is_dir() or is_pack(source.root) or is_asyncapi(source.root)):
            position, *told = not_a_directory(source.root)
            self._missing(naming._replace(position=position), *told)
            return
        if self._open(source, naming, ()) is not None:
            loader = self._loaders[source.root.resolve()]
            if loader not in self.roots:
                self.roots.append(loader)

    def _open(self, source: SetSource, naming: _Naming, way: _Way) -> Part | None:
        root = source.root.resolve()
        if root in [each for each, _ in way]:
            self._missing(naming, *_circle(root, way))
            return None
        if root in self._loaders:
            return self._known(self._loaders[root].part, source, naming)
        if len(way) >= MAX_DEPTH:
            message = f"the sets use each other more than {MAX_DEPTH} deep"
            self._missing(naming, message, "let the set use what it needs itself")
            return None
        part = self._new_part(source, naming)
        loader = self._new_loader(part)
        loader.read()
        for use in part.spec.root.uses:
            used = _Naming(use.place, part.problems, use.profile, use.at("profile"))
            try:
                found = use.source(source.root)
            except DataError as error:
                self._missing(used, str(error), error.hint)
                continue
            inner = self._open(found, used, (*way, (root, use.place)))
            if inner in part.uses:
                part.problems.add(use.place, "the set uses this one twice", "name it once")
            elif inner is not None:
                part.uses.append(inner)
        self._loaders[root] = loader
        return part

    def _known(self, part: Part, source: SetSource, naming: _Naming) -> Part:
        """Return a set that is named once more, after telling if another profile is wanted."""
        if part.profile != naming.profile:
            here, there = (
                "as a whole" if one is None else f"with the profile {quoted(one)}"
                for one in (naming.profile, part.profile)
            )
            first = part.position
            naming.problems.add(
                naming.position,
                f"the set {part.name or part.source.root} is used {here} here and {there} in "
                f"{first.file}:{first.line}",
                "a set is loaded once; ask for the same in both places",
            )
        if part.source.parameters != source.parameters:
            first = part.position
            naming.problems.add(
                naming.position,
                f"the set {part.name or part.source.root} is used with other parameters here than "
                f"in {first.file}:{first.line}",
                "a set is loaded once; give the same in both places",
            )
        if part.source.name is None:
            # As a package it has a name, whichever way it was found first.
            part.source = source._replace(root=part.source.root)
        return part

    def _new_loader(self, part: Part) -> PartLoader:
        if is_pack(part.source.root):
            return PackLoader(part, self._settings)
        if is_asyncapi(part.source.root):
            from fakebus.fixture_files.asyncapi.loading import AsyncApiLoader

            return AsyncApiLoader(part, self._settings)
        return DirectoryLoader(part, self._settings)

    def _new_part(self, source: SetSource, naming: _Naming) -> Part:
        problems = ProblemList()
        return Part(
            source=source,
            position=naming.position,
            profile=naming.profile,
            profile_at=naming.profile_at,
            problems=problems,
            spec=SetSpec(anchor_ms=self._settings.now_ms),
            schemas=SchemaSet((), self._settings.ids, problems),
            timeline=Timeline(problems),
        )

    def _missing(self, naming: _Naming, message: str, hint: str = "") -> None:
        naming.problems.add(naming.position, message, hint)
        self._is_complete = False

    def _of_one_name(self) -> Iterator[tuple[Part, Part]]:
        """Yield the sets whose name another one has, and that which is found first."""
        by_name: dict[str, Part] = {}
        for loader in self._loaders.values():
            part = loader.part
            first = by_name.setdefault(part.name or str(part.source.root), part)
            if first is not part:
                yield part, first

    def _check_versions(self) -> None:
        for part, first in self._of_one_name():
            if part.version != first.version:
                self._two_of_one_name(part, first, "")
                self._is_complete = False

    def _check_equality(self) -> None:
        """Tell if sets of one name and version are not the same: a copy, or a pack of it."""
        for part, first in self._of_one_name():
            for here, there in ((part, first), (first, part)):
                for what in only_in_one(here.results[0], there.results[0]):
                    self._two_of_one_name(part, first, f"; only that in {here.source.root} {what}")
                    return

    def _two_of_one_name(self, part: Part, first: Part, more: str) -> None:
        part.problems.add(
            part.position,
            f"two sets are called {quoted(part.name or '')}: {_described(part)}, and "
            f"{_described(first)}, which {first.position.where} names{more}",
            "use it from one place, or give one of them another  name:",
        )


def _described(part: Part) -> str:
    version = f" {part.version}" if part.version else ""
    return f"that{version} in {part.source.root}"


def _circle(root: Path, way: _Way) -> tuple[str, str]:
    inside = way[[each for each, _ in way].index(root) :]
    if len(inside) == 1:
        return "the set uses itself", "take the entry out"
    places = [f"{place.file}:{place.line}" for _, place in inside]
    message = f"the sets use each other in a circle: {' -> '.join([*places, places[0]])}"
    return message, "take one entry out; what several sets need belongs into one of its own"


def _by_need(roots: Sequence[Part]) -> list[Part]:
    """Return sets in an order in which schemas that others refer to come first."""
    waiting, ordered = list(roots), list[Part]()
    subjects = {
        part: {spec.subject for each in (part, *part.used()) for spec in each.spec.subjects}
        for part in roots
    }
    needs = {
        part: {reference.subject for spec in part.spec.subjects for reference in spec.references}
        - subjects[part]
        for part in roots
    }
    while waiting:
        free = (
            part
            for part in waiting
            if not any(needs[part] & subjects[other] for other in waiting if other is not part)
        )
        ordered.append(next(free, waiting[0]))
        waiting.remove(ordered[-1])
    return ordered
