"""Avro as a schema language."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from fakebus.schemas.avro.canonical_text import canonical_text, identity_text, normalized_text
from fakebus.schemas.avro.decoder import decoder_of
from fakebus.schemas.avro.encoder import MAX_SIZE, encoder_of
from fakebus.schemas.avro.json_text import load
from fakebus.schemas.avro.nodes import Named, Node
from fakebus.schemas.avro.parser import Parser, defined_name
from fakebus.schemas.interface import (
    NEW,
    STORED,
    Checks,
    Incompatibility,
    ParsedSchema,
    ResolvedReference,
    SchemaError,
)

_COMPILED_AT = 500
"""Values after which the quick way has paid for its making."""


class AvroSchema:
    """A valid Avro schema.

    Args:
        node: its type.
        known: full names of the types that the references define.
    """

    schema_type = "AVRO"

    def __init__(self, node: Node, known: frozenset[str] = frozenset()) -> None:
        self.node = node
        self.known = known
        self.canonical = canonical_text(node, known)
        """What ``Schema.toString()`` prints in Java."""
        self._encode: Callable[[object], bytes] | None = None
        self._encode_plain: Callable[[object], bytes | None] | None = None
        self._plain_calls = 0
        self._decode: Callable[[bytes], object] | None = None

    @property
    def normalized(self) -> str:
        """The canonical text with full names and sorted properties."""
        return normalized_text(self.node, self.known)

    @cached_property
    def identity(self) -> str:
        """The text that equal schemas have in common, with references written out."""
        return identity_text(self.node)

    @property
    def name(self) -> str | None:
        """The full name of a record, an enum or a fixed."""
        return self.node.name.full if isinstance(self.node, Named) else None

    def formatted(self, output_format: str) -> str:
        """Return the schema in another form: ``resolved`` writes references out."""
        return canonical_text(self.node) if output_format == "resolved" else self.canonical

    def incompatibilities(self, writer: ParsedSchema) -> list[Incompatibility]:
        """Return why this schema cannot read data of the writer; empty if it can."""
        if not isinstance(writer, AvroSchema):
            message = f"The reader's schema is AVRO, the writer's {writer.schema_type}."
            return [Incompatibility("TYPE_MISMATCH", "/", message)]
        # A bus whose subjects have one version compares nothing.
        from fakebus.schemas.avro.compatibility import incompatibilities

        return incompatibilities(self.node, writer.node)

    def encode(self, data: object) -> bytes:
        """Return the binary form of data; see :mod:`fakebus.schemas.avro.encoder`.

        Raises:
            SchemaDataError: the data does not fit.
        """
        if self._encode is None:
            self._encode = encoder_of(self.node)
        return self._encode(data)

    def encode_plain(self, data: object) -> bytes | None:
        """Return the binary form of plain data; see :class:`PlainEncoding`."""
        self._plain_calls += 1
        if self._plain_calls == _COMPILED_AT:
            from fakebus.schemas.avro.plain_encoder import plain_encoder_of

            self._encode_plain = plain_encoder_of(self.node, MAX_SIZE)
        return None if self._encode_plain is None else self._encode_plain(data)

    def decode(self, payload: bytes) -> object:
        """Return the data of a binary form; see :mod:`fakebus.schemas.avro.decoder`.

        Raises:
            SchemaDataError: the bytes do not fit, or some are left over.
        """
        if self._decode is None:
            self._decode = decoder_of(self.node)
        return self._decode(payload)


class AvroLanguage:
    """Reads Avro schemas."""

    schema_type = "AVRO"

    def name_of(self, text: str) -> str | None:
        """Return the full name of a record, an enum or a fixed."""
        declared = load(text)
        return defined_name(declared, None) if isinstance(declared, Mapping) else None

    def parse(
        self, text: str, references: Sequence[ResolvedReference] = (), checks: Checks = NEW
    ) -> AvroSchema:
        """Return the schema of a text; see :meth:`SchemaLanguage.parse`.

        ``strict`` refuses names and logical types that the specification forbids and older
        libraries let pass.
        """
        parser = Parser()
        try:
            for reference in references:
                try:
                    parser.parse_text(reference.text, STORED)
                except SchemaError as error:
                    raise SchemaError(f"In the reference {reference.name!r}: {error}") from None
            known = frozenset(parser.names)
            return AvroSchema(node=parser.parse_text(text, checks), known=known)
        except RecursionError:
            raise SchemaError("The schema is nested too deeply.") from None


LANGUAGE = AvroLanguage()
