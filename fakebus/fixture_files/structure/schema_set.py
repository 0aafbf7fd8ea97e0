"""The schemas of a fixture set, parsed: what its records are coded with.

Ids come from a registry. As long as there is none, they are counted as a fresh registry
would: the first new schema is 1, a schema that two subjects share has one id.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fakebus.errors import MissingExtraError
from fakebus.fixture_files.formats import FORMATS
from fakebus.fixture_files.formats.format import Format
from fakebus.fixture_files.formats.registered import registered_format
from fakebus.fixture_files.formats.wrappers import WrittenFormat
from fakebus.fixture_files.problems import (
    DataError,
    Position,
    ProblemList,
    did_you_mean,
    quoted,
)
from fakebus.fixture_files.structure.compatibility import misfits
from fakebus.fixture_files.structure.event_models import Format as FormatSpec
from fakebus.fixture_files.structure.subject_models import Reference, Subject
from fakebus.schemas.interface import (
    NEW,
    STORED,
    ParsedSchema,
    ResolvedReference,
    SchemaError,
)
from fakebus.schemas.languages import language
from fakebus.schemas.payloads import FORMATS as FORMATS_BY_TYPE
from fakebus.schemas.unusable import UnusableSchema

SchemaIds = Mapping[tuple[str, int], int]
"""Schema ids by subject and by the version's number within the set, from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSchema:
    """Version of a subject, parsed."""

    spec: Subject
    version: int
    """Counted from 1 in the order of the set."""
    schema: ParsedSchema
    references: tuple[tuple[Reference, int], ...]
    """With the version in the set that each stands for."""
    schema_id: int
    compatibility: str | None
    """The level that holds from this version on; ``None`` is the registry's own."""


Identity = tuple[object, ...]
"""What makes schemas the same for a registry."""


class SchemaIdTable:
    """Table of the ids of all schemas that are loaded together.

    Args:
        given: known ids; the others are counted.
    """

    def __init__(self, given: SchemaIds | None = None) -> None:
        self._given = given or {}
        self._next_id = 1
        self._id_of: dict[Identity, tuple[int, Position]] = {}
        self._pinned: dict[int, tuple[Identity, Position]] = {}
        self._taken: set[int] = set()
        self.has_skipped = False
        """Whether an id was not given out because a set pins it."""

    def reserve(self, specs: Iterable[Subject]) -> None:
        """Give no schema an id that one of these pins."""
        self._taken |= {spec.pinned_id for spec in specs if spec.pinned_id is not None}

    def id_of(self, spec: Subject, version: int, identity: Identity, problems: ProblemList) -> int:
        """Return the id of a version of a subject; one that does not fit is told."""
        given = self._given.get((spec.subject, version))
        if given is not None:
            return given
        known, first = self._id_of.get(identity, (None, spec.position))
        pinned = spec.pinned_id
        if pinned is not None:
            same, at = self._pinned.setdefault(pinned, (identity, spec.at("id")))
            reason = ""
            if same != identity:
                reason = f"another schema has it, in {at.file}:{at.line}"
            elif known not in (None, pinned):
                reason = f"the same schema has the id {known} already, in {first.file}:{first.line}"
            if reason:
                message = f"the id {pinned} does not fit: {reason}"
                hint = "give each schema one id of its own, in all its subjects the same"
                problems.add(spec.at("id"), message, hint)
            self._id_of[identity] = pinned, spec.at("id")
            return pinned
        if known is None:
            while self._next_id in self._taken:
                self._next_id += 1
                self.has_skipped = True
            known = self._next_id
            self._id_of[identity] = known, spec.position
            self._next_id += 1
        return known


class SchemaSet:
    """Schemas of a set, subject by subject.

    Args:
        specs: in the order of the files.
        ids: which ids they have.
        problems: where mistakes go; a schema with mistakes is left out.
        compatibility: the level of subjects that name none.
        visible: those of other sets that this one sees.
    """

    def __init__(
        self,
        specs: Sequence[Subject],
        ids: SchemaIdTable,
        problems: ProblemList,
        compatibility: str | None = None,
        visible: Iterable[SetSchema] = (),
    ) -> None:
        self._problems = problems
        self._ids = ids
        self._versions: dict[str, list[SetSchema]] = {}
        self._broken: set[str] = set()
        self._compatibility = compatibility
        self._levels: dict[str, str] = {}
        self._all: list[SetSchema] = []
        self._formats: dict[tuple[str, int], Format] = {}
        self.used: set[str] = set()
        """The subjects that a format was asked for."""
        self._own = {spec.subject for spec in specs}
        self.see(visible)
        for spec in specs:
            self._add(spec)

    def see(self, schemas: Iterable[SetSchema]) -> None:
        """Let what the set has refer to schemas of other sets.

        A subject of its own hides theirs; that it is the same is seen when the sets merge.
        """
        for schema in schemas:
            versions = self._versions.setdefault(schema.spec.subject, [])
            if schema.spec.subject not in self._own and len(versions) < schema.version:
                versions.append(schema)

    def __iter__(self) -> Iterator[SetSchema]:
        return iter(self._all)

    def versions(self, subject: str) -> Sequence[SetSchema]:
        """Return the versions of a subject, oldest first; none if it is unknown."""
        return self._versions.get(subject, ())

    def _add(self, spec: Subject) -> None:
        references = self._resolve(spec)
        if references is None:
            self._broken.add(spec.subject)
            return
        texts: dict[str, ResolvedReference] = {}
        for reference, target in references:
            self._collect(reference.name, target, texts)
        try:
            schema = _parsed(spec, tuple(texts.values()))
        except SchemaError as error:
            self._problems.add(
                spec.schema.position(error.place),
                f"the schema of {quoted(spec.subject)} is not valid: {str(error).rstrip('.')}",
                "mend the schema",
            )
            self._broken.add(spec.subject)
            return
        except MissingExtraError as error:
            self._problems.add(spec.position, str(error))
            self._broken.add(spec.subject)
            return
        self._check_readers(spec, tuple(texts.values()))
        versions = self._versions.setdefault(spec.subject, [])
        level = spec.compatibility or self._levels.get(spec.subject, self._compatibility)
        self._check_compatibility(spec, schema, level, versions)
        identity: Identity = (
            spec.schema_type,
            schema.canonical,
            tuple((ref.name, target.schema_id) for ref, target in references),
        )
        version = len(versions) + 1
        found = SetSchema(
            spec=spec,
            version=version,
            schema=schema,
            references=tuple((ref, target.version) for ref, target in references),
            schema_id=self._ids.id_of(spec, version, identity, self._problems),
            compatibility=level,
        )
        versions.append(found)
        self._all.append(found)

    def _check_compatibility(
        self,
        spec: Subject,
        schema: ParsedSchema,
        level: str | None,
        versions: Sequence[SetSchema],
    ) -> None:
        if level is None:
            # Whatever the registry has as its own; it says so when it is seeded.
            return
        self._levels[spec.subject] = level
        if spec.pinned_id is not None:
            # Ids are imported, and what is imported is not compared.
            return
        earlier = [one.schema for one in reversed(versions)]
        reasons = misfits(level, schema, earlier)
        if reasons:
            self._problems.add(
                spec.schema.position(),
                f"version {len(versions) + 1} of {quoted(spec.subject)} is not compatible with "
                f"what came before under {level}: {'; '.join(reasons)}",
                "make it compatible, or set another level with  compatibility:",
            )

    def _check_readers(self, spec: Subject, references: Sequence[ResolvedReference]) -> None:
        for service, reader in spec.readers.items():
            try:
                language(spec.schema_type).parse(reader.text, references)
            except SchemaError as error:
                self._problems.add(
                    reader.position(error.place),
                    f"the schema that {quoted(service)} reads {quoted(spec.subject)} "
                    f"with is not valid: {str(error).rstrip('.')}",
                    "mend the schema",
                )

    def _collect(self, name: str, target: SetSchema, texts: dict[str, ResolvedReference]) -> None:
        for reference, version in target.references:
            inner = self._versions[reference.subject][version - 1]
            self._collect(reference.name, inner, texts)
        texts.setdefault(name, ResolvedReference(name=name, text=target.schema.canonical))

    def _resolve(self, spec: Subject) -> list[tuple[Reference, SetSchema]] | None:
        found = []
        for reference in spec.references:
            versions = self._versions.get(reference.subject, [])
            number = len(versions) if reference.version is None else reference.version
            if not 0 < number <= len(versions):
                if reference.subject not in self._broken:
                    self._report_reference(reference, len(versions))
                return None
            found.append((reference, versions[number - 1]))
        return found

    def _report_reference(self, reference: Reference, count: int) -> None:
        if count:
            self._problems.add(
                reference.position,
                f"there is no version {reference.version} of {quoted(reference.subject)} "
                "before this subject",
                f"it has {count}",
            )
            return
        self._problems.add(
            reference.position,
            f"there is no subject {quoted(reference.subject)} before this one",
            did_you_mean(reference.subject, self._versions)
            if self._versions
            else "define what is referred to first",
        )

    def format(self, spec: FormatSpec | WrittenFormat) -> Format:
        """Return what a topic, a file or an event asks for.

        Raises:
            DataError: there is no such subject, or it is of another kind.
        """
        if spec.subject is None:
            if spec.name in FORMATS_BY_TYPE.values():
                raise DataError(
                    f"the format {spec.name} needs a subject",
                    'add "subject": the name of one under subjects',
                )
            return FORMATS[spec.name or "json"]
        self.used.add(spec.subject)
        versions = self._versions.get(spec.subject)
        if not versions:
            if spec.subject in self._broken:
                raise DataError(f"the schema of {quoted(spec.subject)} is not valid")
            raise DataError(
                f"there is no subject {quoted(spec.subject)}",
                did_you_mean(spec.subject, self._versions)
                if self._versions
                else "add it under subjects",
            )
        number = len(versions) if spec.version is None else spec.version
        if not 0 < number <= len(versions):
            raise DataError(
                f"there is no version {number} of {quoted(spec.subject)}",
                f"it has {len(versions)}",
            )
        chosen = versions[number - 1]
        expected = FORMATS_BY_TYPE[chosen.spec.schema_type]
        if spec.name not in (None, expected):
            raise DataError(
                f"the schema of {quoted(spec.subject)} is {chosen.spec.schema_type}, "
                f"so the format cannot be {spec.name}",
                f"write {expected}, or leave the format out",
            )
        key = (spec.subject, number)
        if key not in self._formats:
            self._formats[key] = registered_format(expected, chosen.schema, chosen.schema_id)
        return self._formats[key]


def _parsed(spec: Subject, references: Sequence[ResolvedReference]) -> ParsedSchema:
    # A schema with its id is stored somewhere, and need not keep the rules for new ones; the
    # registry takes it as it is, too.
    checks = NEW if spec.pinned_id is None else STORED
    schema = language(spec.schema_type).parse(spec.schema.text, references, checks)
    if isinstance(schema, UnusableSchema):
        raise SchemaError(schema.problem)
    return schema
