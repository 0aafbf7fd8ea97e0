"""What a schema language offers to the registry, to fixtures and to tests.

Everything here is pure: text and data in, text and data out. A language is a file or a
package beside this one and a line in :mod:`fakebus.schemas.languages`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable


class SchemaError(ValueError):
    """A schema text that is not valid; the message is for people.

    Args:
        message: what is wrong.
        place: line and column in the text, counted from 1; the beginning if it is no one place.
    """

    def __init__(self, message: str, place: tuple[int, int] = (1, 1)) -> None:
        super().__init__(message)
        self.place = place


class SchemaDataError(ValueError):
    """Data that does not fit its schema, or bytes that do not; the message names the place."""


class ResolvedReference(NamedTuple):
    """Another schema that a schema builds on, with its text.

    The registry resolves references recursively and hands them over flat: every name once,
    dependencies before what depends on them.
    """

    name: str
    """How the schema names it: an Avro full name, a ``$ref`` URI, a ``.proto`` import path."""
    text: str


class Checks(NamedTuple):
    """Rules that a text is held to, beyond those without which it means nothing."""

    new: bool = True
    """Those for new schemas, such as that defaults fit. What is stored may be older than they
    are, and is not held to them when it is looked up, compared, or referred to."""
    strict: bool = False
    """Those that Confluent's newest registry has and older ones have not, such as for an Avro
    namespace."""
    fields: bool = False
    """Those of ``validateFields``: the types of a Protobuf schema come from its imports, and no
    property of a JSON schema begins with ``$$``."""


NEW = Checks()
"""For what a client brings."""
STORED = Checks(new=False)
"""For what is stored."""


class Incompatibility(NamedTuple):
    """One reason why data of the writer cannot be read."""

    kind: str
    """The kind of change in Confluent's words, such as ``READER_FIELD_MISSING_DEFAULT_VALUE``."""
    path: str
    """Where, as a JSON pointer or a path in the descriptor."""
    message: str
    """What and why, in one sentence."""


class ParsedSchema(Protocol):
    """A valid schema with its references."""

    @property
    def schema_type(self) -> str:
        """``AVRO``, ``JSON`` or ``PROTOBUF``."""

    @property
    def canonical(self) -> str:
        """The text that is stored and served.

        It keeps everything that has a meaning for people or programs (documentation, defaults,
        aliases, logical types) and drops what is only a way of writing.
        """

    @property
    def normalized(self) -> str:
        """The canonical text in a stable order, for ``normalize=true``."""

    @property
    def identity(self) -> str:
        """The text that equal schemas have in common, however they are written and stored."""

    @property
    def name(self) -> str | None:
        """The record's full name for the record name strategies, or ``None`` if it has none."""

    def formatted(self, output_format: str) -> str:
        """Return the schema in another form, such as ``resolved`` or ``serialized``.

        An unknown or empty form is the canonical text, as in Confluent's registry.
        """

    def incompatibilities(self, writer: ParsedSchema) -> list[Incompatibility]:
        """Return why this schema could not read data written with ``writer``; empty if it can.

        BACKWARD asks the new schema about the old one as writer, FORWARD the other way round.
        A writer of another language is one incompatibility.
        """

    def encode(self, data: object) -> bytes:
        """Return the payload that follows the magic byte and the schema id.

        For Protobuf it begins with the message indexes. Data is plain JSON-like data; a value
        that JSON has no type for may be given in the language's own JSON form.

        Raises:
            SchemaDataError: the data does not fit.
        """

    def decode(self, payload: bytes) -> object:
        """Return plain data of a payload; the reverse of :meth:`encode`.

        Raises:
            SchemaDataError: the bytes do not fit, or some are left over.
        """


@runtime_checkable
class PlainEncoding(Protocol):
    """A schema with a quick way to write plain data."""

    def encode_plain(self, data: object) -> bytes | None:
        """Return what ``encode`` returns for plain data, nothing for other data.

        That is data of which it is sure that :meth:`ParsedSchema.decode` gives it back, but for
        fields that are null and were left out, and times in other forms.
        """


@runtime_checkable
class DefaultDecoding(Protocol):
    """A schema whose payloads leave out fields that have their default."""

    def decode_with_defaults(self, payload: bytes) -> object:
        """Return what :meth:`ParsedSchema.decode` returns, and those fields too."""


class SchemaLanguage(Protocol):
    """A schema language."""

    @property
    def schema_type(self) -> str:
        """``AVRO``, ``JSON`` or ``PROTOBUF``."""

    def name_of(self, text: str) -> str | None:
        """Return the name of a valid schema, as :attr:`ParsedSchema.name`, at once.

        It is for those who cannot wait for all of the text to be looked at.

        Raises:
            SchemaError: not even that can be read.
        """

    def parse(
        self, text: str, references: Sequence[ResolvedReference] = (), checks: Checks = NEW
    ) -> ParsedSchema:
        """Return the schema of a text.

        Args:
            text: as a client sent it.
            references: what it builds on; see :class:`ResolvedReference`. They are stored.
            checks: what the text is held to.

        Raises:
            SchemaError: the text is not valid, too deeply nested, or names something that
                is not among the references.
            fakebus.errors.MissingExtraError: the language's libraries are not installed.
        """
