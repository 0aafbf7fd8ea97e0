"""From ``fakebus.yaml`` and what it includes to a set as written; events are not read here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from fakebus.fixture_files.inputs.input_names import is_events_file
from fakebus.fixture_files.problems import Position, ProblemList, did_you_mean, quoted
from fakebus.fixture_files.sources import MAX_YAML_BYTES, ROOT_FILE, FixtureDirectory
from fakebus.fixture_files.structure.declarations import WRONG, Origin, Reading, read_object
from fakebus.fixture_files.structure.event_models import Load
from fakebus.fixture_files.structure.lineage_models import IdField, IdHeader, Service
from fakebus.fixture_files.structure.models import (
    Group,
    IncludedFile,
    Place,
    Profile,
    RootFile,
    Topic,
)
from fakebus.fixture_files.structure.subject_models import Subject
from fakebus.fixture_files.structure.yaml_tree import YamlMapping, parse_yaml
from fakebus.fixture_files.times import parse_instant

_MAX_YAML_FILES = 1000


@dataclass(slots=True, kw_only=True)
class SetSpec:
    """Set as written: all its YAML files together."""

    anchor_ms: int
    root: RootFile = field(default_factory=RootFile)
    """What holds for the whole set."""
    subjects: list[Subject] = field(default_factory=list)
    topics: list[Topic] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    services: list[Service] = field(default_factory=list)
    ids: list[IdHeader | IdField] = field(default_factory=list)
    loads: list[Load] = field(default_factory=list)
    """Events files that are included directly; their lines name their topics."""
    scenarios: list[Load] = field(default_factory=list)
    """Files with scenarios."""
    profile: Profile | None = None
    """The profile that was asked for."""


def read_structure(
    directory: FixtureDirectory,
    problems: ProblemList,
    spec: SetSpec,
    profile: str | None = None,
    profile_at: Position | None = None,
) -> None:
    """Read ``fakebus.yaml`` and every YAML file that it includes.

    Args:
        directory: the set.
        problems: where mistakes go; what is wrong is left out of the result.
        spec: where it is written down.
        profile: which of the set's profiles to read; the whole set when left out.
        profile_at: where another set asks for it.
    """
    _StructureReader(directory, problems, spec, profile, profile_at).read()


class _StructureReader:
    def __init__(
        self,
        directory: FixtureDirectory,
        problems: ProblemList,
        spec: SetSpec,
        profile: str | None,
        profile_at: Position | None,
    ) -> None:
        self._profile = profile
        self._profile_at = profile_at
        self._directory = directory
        self._problems = problems
        self._spec = spec
        self._seen: set[str] = set()

    def read(self) -> None:
        position = Position(self._directory.display(ROOT_FILE))
        queue = [_load(ROOT_FILE, position)]
        while queue:
            load = queue.pop(0)
            if load.file in self._seen:
                self._problems.add(
                    load.position,
                    f"the file {quoted(load.file)} is included twice",
                    "include it once",
                )
                continue
            if len(self._seen) >= _MAX_YAML_FILES:
                self._problems.add(load.position, f"more than {_MAX_YAML_FILES} files are included")
                return
            self._seen.add(load.file)
            text = self._directory.read_text(load.file, load.position, MAX_YAML_BYTES)
            if text is not None:
                queue += self._read_document(text, load.file)

    def _read_document(self, text: str, relative: str) -> list[Load]:
        node = parse_yaml(text, self._directory.display(relative), self._problems)
        if node is None:
            return []
        if not isinstance(node, YamlMapping):
            self._problems.add(
                node.position, "the file must be an object", "begin with the line  version: 1"
            )
            return []
        reading = Reading(self._directory, self._problems, relative)
        model = RootFile if relative == ROOT_FILE else IncludedFile
        file: IncludedFile = read_object(model, node, "", reading)
        if file is WRONG:
            return []
        self._spec.subjects += file.subjects
        self._spec.topics += file.topics
        self._spec.groups += file.groups
        self._spec.services += file.services.values()
        self._spec.ids += (*file.lineage.headers, *file.lineage.fields)
        included = self._read_includes(file.include, relative)
        return included + self._read_root(file) if isinstance(file, RootFile) else included

    def _read_root(self, root: RootFile) -> list[Load]:
        self._spec.root = root
        if root.clock.anchor != "now":
            self._spec.anchor_ms = parse_instant(root.clock.anchor, root.clock.zone)
        for pattern, position in root.scenarios:
            paths = self._directory.matching(ROOT_FILE, pattern)
            if not paths:
                self._problems.add(
                    position, f"no file is called {quoted(pattern)}", "mend the pattern"
                )
            for path in paths:
                file = self._directory.resolve(ROOT_FILE, path, position)
                if file is not None:
                    self._spec.scenarios.append(_load(file, position))
        if self._profile is None:
            return []
        self._spec.profile = root.profiles.get(self._profile)
        if self._spec.profile is None:
            if root.profiles:
                hint = did_you_mean(self._profile, root.profiles)
            else:
                hint = "add it under profiles" if self._profile_at is None else "it has none"
            self._problems.add(
                self._profile_at or root.at("profiles"),
                f"the set has no profile {quoted(self._profile)}",
                hint,
            )
            return []
        return self._read_includes(self._spec.profile.include, ROOT_FILE)

    def _read_includes(self, paths: Iterable[Place], relative: str) -> list[Load]:
        documents = []
        for path, position in paths:
            file = self._directory.resolve(relative, path, position)
            if file is None:
                continue
            load = _load(file, position)
            if file.endswith((".yaml", ".yml")):
                documents.append(load)
            elif is_events_file(file):
                self._spec.loads.append(load)
            else:
                self._problems.add(
                    position,
                    f"{quoted(path)} cannot be included",
                    "include .yaml files, or .ndjson files with events",
                )
        return documents


def _load(file: str, position: Position) -> Load:
    return Load(origin=Origin(position, {}, ROOT_FILE), file=file)
