"""Generates the function that turns one version of a message into bytes.

The mirror image of :mod:`fakebus.protocol.decoder_source`: values of fixed size that
follow one another are gathered into a *run* and become one ``Struct.pack``; an empty tag
section is a pad byte of it. Bytes go to one ``bytearray``; only large record batches stay
buffers of their own, so what comes back is a list.

Tagged fields are written only when they differ from their default, by ascending tag, as
Kafka does (KIP-482). Fields that a version does not have are left out without a word, so
a handler fills in everything it knows.

Names in the generated code: ``w`` the bytes so far, ``n`` a length or count, ``s`` the
bytes of a string.
"""

from __future__ import annotations

from typing import Any

from fakebus.protocol.schema import FieldSchema, MessageSchema, StructSchema
from fakebus.protocol.source_writer import FIXED_FORMATS, SourceWriter
from fakebus.protocol.struct_classes import default_source


class EncoderSource:
    """The source of one encoder while it is being written."""

    def __init__(self, schema: MessageSchema, version: int, constants: dict[str, Any]) -> None:
        self.version = version
        self.flexible = schema.is_flexible(version)
        self.writer = SourceWriter(constants)
        self._out = "w"
        self._run: list[tuple[str, str]] = []
        self._write(schema.root)

    def _write(self, root: StructSchema) -> None:
        writer = self.writer
        with writer.block("def encode(o):"):
            with writer.block("try:"):
                writer.line("w = bytearray(); b = []")
                self._struct(root, "o")
                self._flush()
            with writer.block("except VALUE_ERRORS as x:"):
                writer.line(f"raise EncodeError(f'{root.name} v{self.version}: {{x}}') from x")
            writer.line("b.append(w)")
            writer.line("return b")

    def _pack(self, code: str, expression: str = "") -> None:
        """Add a value of fixed size to the run."""
        self._run.append((code, expression))

    def _flush(self) -> None:
        """Write the run as one packing."""
        if not self._run:
            return
        formats = "".join(code for code, _ in self._run)
        expressions = [expression for code, expression in self._run if code != "x"]
        self._run.clear()
        if not expressions:
            self.writer.line(f"{self._out} += {bytes(len(formats))!r}")
            return
        pack = self.writer.struct_method(formats, "pack")
        self.writer.line(f"{self._out} += {pack}({', '.join(expressions)})")

    def _struct(self, struct: StructSchema, variable: str) -> None:
        for field in struct.fields_in(self.version):
            self._field(field, f"{variable}.{field.name}")
        if self.flexible:
            self._tag_section(struct, variable)

    def _field(self, field: FieldSchema, value: str) -> None:
        nullable = field.is_nullable_in(self.version)
        if field.type in FIXED_FORMATS and not field.is_array:
            expression = f"{value}.bytes" if field.type == "uuid" else value
            self._pack(FIXED_FORMATS[field.type], expression)
            return
        if not nullable:
            self._value(field, value)
            return
        variable = self.writer.name("v")
        self._flush()
        self.writer.line(f"{variable} = {value}")
        with self.writer.block(f"if {variable} is None:"):
            self.writer.line(f"{self._out} += {self._null(field)!r}")
        with self.writer.block("else:"):
            if field.struct is not None and not field.is_array:
                self.writer.line(f"{self._out} += b'\\1'")
            self._value(field, variable)
            self._flush()

    def _null(self, field: FieldSchema) -> bytes:
        """Return how null is written."""
        if field.struct is not None and not field.is_array:
            return b"\xff"
        if self.flexible:
            return b"\0"
        return b"\xff\xff" if field.type == "str" and not field.is_array else b"\xff\xff\xff\xff"

    def _value(self, field: FieldSchema, value: str) -> None:
        """Write a value of variable size that is not null."""
        if field.is_array:
            self._array(field, value)
        elif field.struct is not None:
            variable = self.writer.name("o")
            self._flush()
            self.writer.line(f"{variable} = {value}")
            self._struct(field.struct, variable)
        elif field.type == "rec":
            self._flush()
            self.writer.line(f"w = append_records(b, w, {value}, {self.flexible})")
        else:
            self._bytes(field, value)

    def _bytes(self, field: FieldSchema, value: str) -> None:
        """Write a string or bytes."""
        line = self.writer.line
        is_string = field.type == "str"
        text = self.writer.name("s")
        if not self.flexible:
            line(f"{text} = {value}.encode()" if is_string else f"{text} = {value}")
            self._pack("h" if is_string else "i", f"len({text})")
            self._flush()
        else:
            self._flush()
            line(f"{text} = {value}.encode()" if is_string else f"{text} = {value}")
            line(f"n = len({text}) + 1")
            self._compact("string_length_bytes" if is_string else "uvarint_bytes")
        line(f"{self._out} += {text}")

    def _compact(self, long_form: str) -> None:
        """Write ``n`` as a varint."""
        self.writer.line(f"{self._out} += VARINT[n] if n < 128 else {long_form}(n)")

    def _array(self, field: FieldSchema, value: str) -> None:
        line = self.writer.line
        values = self.writer.name("l")
        self._flush()
        line(f"{values} = {value}")
        if self.flexible:
            line(f"n = len({values}) + 1")
            self._compact("uvarint_bytes")
        else:
            self._pack("i", f"len({values})")
            self._flush()
        if field.type in FIXED_FORMATS and field.type != "uuid":
            code = FIXED_FORMATS[field.type]
            line(f"if {values}: {self._out} += pack(f'>{{len({values})}}{code}', *{values})")
            return
        element = self.writer.name("o")
        with self.writer.block(f"for {element} in {values}:"):
            self._element(field, element)
            self._flush()

    def _element(self, field: FieldSchema, element: str) -> None:
        if field.struct is not None:
            self._struct(field.struct, element)
        elif field.type == "uuid":
            self._pack("16s", f"{element}.bytes")
        else:
            self._bytes(field, element)

    def _tag_section(self, struct: StructSchema, variable: str) -> None:
        tagged = struct.tagged_fields_in(self.version)
        if not tagged:
            self._pack("x")
            return
        self._flush()
        conditions = [self._differs(field, f"{variable}.{field.name}") for field in tagged]
        with self.writer.block(f"if {' or '.join(conditions)}:"):
            self._tagged_fields(tagged, conditions, variable)
        self.writer.line(f"else: {self._out} += b'\\0'")

    def _tagged_fields(
        self, tagged: list[FieldSchema], conditions: list[str], variable: str
    ) -> None:
        """Write each field into a buffer of its own, as its size stands before it."""
        line, outside = self.writer.line, self._out
        count, section, inside = (self.writer.name(prefix) for prefix in ("c", "g", "w"))
        line(f"{count} = 0; {section} = bytearray()")
        for field, condition in zip(tagged, conditions, strict=True):
            with self.writer.block(f"if {condition}:"):
                line(f"{inside} = bytearray(); {count} += 1")
                self._out = inside
                self._field(field, f"{variable}.{field.name}")
                self._flush()
                line(f"{section} += uvarint_bytes({field.tag})")
                line(f"{section} += uvarint_bytes(len({inside})); {section} += {inside}")
        self._out = outside
        line(f"{outside} += uvarint_bytes({count}); {outside} += {section}")

    def _differs(self, field: FieldSchema, value: str) -> str:
        """Return the condition under which a tagged field is written."""
        if field.struct is not None and not field.is_array and field.default != "null":
            inner = field.struct.fields_in(self.version)
            return " or ".join(self._differs(each, f"{value}.{each.name}") for each in inner)
        default = default_source(field, self.writer.constants)
        if default == "None":
            return f"{value} is not None"
        return f"{value} != {default}"


def encoder_source(schema: MessageSchema, version: int, constants: dict[str, Any]) -> str:
    """Return the source of ``encode(message)`` for one version of a message.

    Args:
        schema: the message.
        version: a version that the schema has.
        constants: receives the structs that the source refers to.
    """
    return EncoderSource(schema, version, constants).writer.source()
