"""Generates the function that turns the bytes of one message version into objects.

The function is flat: structs become loops, not calls. Reads of fixed size that follow one
another are gathered into a *run* and become one ``Struct.unpack_from``. The first byte of
a varint, or the int16 or int32 of a length, is of fixed size too and closes a run, so
``acks i16, timeout_ms i32, topics []…`` is a single unpacking. Unpacking beyond the end
raises ``struct.error`` and indexing beyond it ``IndexError``; slices do neither, so
every slice is checked. Every array count is checked against the bytes that are left,
divided by the least size of an element, before anything is allocated.

Names in the generated code: ``d`` the frame, ``p`` the position, ``e`` its end, ``n`` a
length or count, ``q`` the end of a slice, ``t`` the array elements so far.
"""

from __future__ import annotations

from typing import Any

from fakebus.protocol.primitives import MAX_ELEMENTS
from fakebus.protocol.schema import FieldSchema, MessageSchema, StructSchema
from fakebus.protocol.source_writer import FIXED_FORMATS, FIXED_SIZES, SourceWriter
from fakebus.protocol.struct_classes import default_source, struct_class

VALUES = {"str": "str(d[p:q], 'utf-8')", "bytes": "bytes(d[p:q])", "rec": "d[p:q]"}
"""What becomes of the bytes of a field; only records stay a view of the frame."""


def minimum_size(field: FieldSchema, version: int, flexible: bool) -> int:
    """Return how many bytes one element of the field's type takes at least."""
    if field.struct is not None:
        fields = field.struct.fields_in(version)
        size = sum(_least_field_size(inner, version, flexible) for inner in fields)
        return max(size + flexible, 1)
    if field.type in FIXED_SIZES:
        return FIXED_SIZES[field.type]
    if flexible:
        return 1
    return 2 if field.type == "str" else 4


def _least_field_size(field: FieldSchema, version: int, flexible: bool) -> int:
    if field.is_array:
        return 1 if flexible else 4
    if field.struct is not None and field.is_nullable_in(version):
        return 1
    return minimum_size(field, version, flexible)


class DecoderSource:
    """The source of one decoder while it is being written."""

    def __init__(self, schema: MessageSchema, version: int, constants: dict[str, Any]) -> None:
        self.version = version
        self.flexible = schema.is_flexible(version)
        self.writer = SourceWriter(constants)
        self._run: list[tuple[str, str]] = []
        self._after_run: list[str] = []
        self._write(schema.root)

    def _write(self, root: StructSchema) -> None:
        writer = self.writer
        with writer.block("def decode(d, p=0):"):
            writer.line("e = len(d); t = 0")
            with writer.block("try:"):
                self._struct(root, "o")
                self._flush()
                writer.line("return o")
            with writer.block("except (StructError, IndexError):"):
                writer.line("raise DecodeError(p, 'the message ends too early') from None")
            with writer.block("except UnicodeDecodeError:"):
                writer.line("raise DecodeError(p, 'a string is not UTF-8') from None")

    def _read(self, code: str, target: str, after: str = "") -> None:
        """Add a value of fixed size to the run."""
        self._run.append((code, target))
        if after:
            self._after_run.append(after)

    def _flush(self) -> None:
        """Write the run as one unpacking."""
        if not self._run:
            return
        line = self.writer.line
        formats = "".join(code for code, _ in self._run)
        if formats == "B":
            line(f"{self._run[0][1]} = d[p]; p += 1")
        else:
            unpack = self.writer.struct_method(formats, "unpack_from")
            targets = ", ".join(target for _, target in self._run)
            line(f"{targets}, = {unpack}(d, p); p += {_size(formats)}")
        for after in self._after_run:
            line(after)
        self._run.clear()
        self._after_run.clear()

    def _struct(self, struct: StructSchema, variable: str) -> None:
        """Read a struct into a new object."""
        class_name = f"C_{struct.name}"
        self.writer.constants[class_name] = struct_class(struct)
        self._flush()
        self.writer.line(f"{variable} = new({class_name})")
        in_order = struct.fields_in(self.version)
        for field in struct.fields:
            if field not in in_order:
                default = default_source(field, self.writer.constants)
                self.writer.line(f"{variable}.{field.name} = {default}")
        for field in in_order:
            self._field(field, f"{variable}.{field.name}")
        if self.flexible:
            self._tag_section(struct, variable)

    def _field(self, field: FieldSchema, target: str) -> None:
        if field.is_array:
            self._array(field, target)
        elif field.struct is not None:
            self._struct_field(field, field.struct, target)
        elif field.type == "uuid":
            raw = self.writer.name("u")
            self._read("16s", raw, f"{target} = uuid_from_bytes({raw})")
        elif field.type in FIXED_FORMATS:
            self._read(FIXED_FORMATS[field.type], target)
        else:
            self._bytes(field, target, field.is_nullable_in(self.version))

    def _struct_field(self, field: FieldSchema, struct: StructSchema, target: str) -> None:
        variable = self.writer.name("o")
        if not field.is_nullable_in(self.version):
            self._struct(struct, variable)
            self._flush()
            self.writer.line(f"{target} = {variable}")
            return
        self._read("b", "n")
        self._flush()
        with self.writer.block("if n < 0:"):
            self.writer.line(f"{target} = None")
        with self.writer.block("else:"):
            self._struct(struct, variable)
            self._flush()
            self.writer.line(f"{target} = {variable}")

    def _length(self, code: str) -> None:
        """Read the whole of a legacy length, or the first byte of a compact one."""
        self._read("B" if self.flexible else code, "n")
        self._flush()

    def _bytes(self, field: FieldSchema, target: str, nullable: bool) -> None:
        """Read a string, bytes or records; what is not plain is left to a function."""
        line = self.writer.line
        is_string = field.type == "str"
        rest = f"e, {field.name!r}, {nullable}"
        plain = VALUES[field.type]
        self._length("h" if is_string else "i")
        if not self.flexible:
            line("q = p + n")
            line(f"if n >= 0 and q <= e: {target} = {plain}; p = q")
            line(f"else: {target} = null_or_error(p, n, {rest})")
            return
        if is_string:
            line("q = p + n - 1")
            line(f"if 0 < n < 128 and q <= e: {target} = {plain}; p = q")
            if nullable:
                line(f"elif n == 0: {target} = None")
            line(f"else: {target}, p = read_other_string(d, p, n, e, {field.name!r})")
            return
        line("if n > 127: n, p = read_uvarint(d, p, n)")
        line("q = p + n - 1")
        line(f"if n and q <= e: {target} = {plain}; p = q")
        line(f"else: {target} = null_or_error(p, n - 1, {rest})")

    def _array(self, field: FieldSchema, target: str) -> None:
        self._length("i")
        if self.flexible:
            self.writer.line("if n > 127: n, p = read_uvarint(d, p, n)")
            self.writer.line("n -= 1")
        least = minimum_size(field, self.version, self.flexible)
        if field.is_nullable_in(self.version):
            self.writer.line(f"if n == -1: {target} = None")
            with self.writer.block("else:"):
                self._elements(field, target, least)
        else:
            self._elements(field, target, least)

    def _elements(self, field: FieldSchema, target: str, least: int) -> None:
        line = self.writer.line
        line("t += n")
        line(
            f"if n < 0 or n * {least} > e - p or t > {MAX_ELEMENTS}:"
            f" raise array_error(p, n, {field.name!r})"
        )
        if field.type in FIXED_FORMATS and field.type != "uuid":
            code = FIXED_FORMATS[field.type]
            line(f"{target} = list(unpack_from(f'>{{n}}{code}', d, p)) if n else []")
            line(f"p += n * {least}")
            return
        values, value = self.writer.name("l"), self.writer.name("o")
        line(f"{target} = {values} = []")
        with self.writer.block("for _ in range(n):"):
            if field.struct is not None:
                self._struct(field.struct, value)
            else:
                self._element(field, value)
            self._flush()
            line(f"{values}.append({value})")

    def _element(self, field: FieldSchema, target: str) -> None:
        """Read one string, bytes or uuid of an array; Kafka has no nulls in there."""
        if field.type == "uuid":
            self._read("16s", target, f"{target} = uuid_from_bytes({target})")
        else:
            self._bytes(field, target, nullable=False)

    def _tag_section(self, struct: StructSchema, variable: str) -> None:
        """Read the tagged fields: the known ones by their type, the others are skipped."""
        tagged = struct.tagged_fields_in(self.version)
        self._read("B", "n")
        self._flush()
        if not tagged:
            self.writer.line("if n: p, t = skip_tagged_fields(d, p, n, e, t)")
            return
        with self.writer.block("if n:"):
            self.writer.line("n, p = read_uvarint(d, p, n); t += n")
            self.writer.line(f"if t > {MAX_ELEMENTS}: raise array_error(p, n, 'tagged fields')")
            with self.writer.block("for _ in range(n):"):
                self._tagged_fields(tagged, variable)

    def _tagged_fields(self, tagged: list[FieldSchema], variable: str) -> None:
        line = self.writer.line
        stop, tag = self.writer.name("stop"), self.writer.name("tag")
        line(f"{tag}, p = read_uvarint(d, p + 1, d[p])")
        line("n, p = read_uvarint(d, p + 1, d[p])")
        line(f"{stop} = p + n")
        line(f"if {stop} > e: raise DecodeError(p, 'a tagged field ends beyond the frame')")
        word = "if"
        for field in tagged:
            with self.writer.block(f"{word} {tag} == {field.tag}:"):
                self._field(field, f"{variable}.{field.name}")
                self._flush()
            word = "elif"
        line(f"else: p = {stop}")
        line(f"if p != {stop}: raise DecodeError(p, 'a tagged field has another size')")


def _size(formats: str) -> int:
    sizes = {code: FIXED_SIZES[name] for name, code in FIXED_FORMATS.items()} | {"B": 1}
    return sum(sizes["16s" if code == "s" else code] for code in formats.replace("16s", "s"))


def decoder_source(schema: MessageSchema, version: int, constants: dict[str, Any]) -> str:
    """Return the source of ``decode(data, offset=0)`` for one version of a message.

    Args:
        schema: the message.
        version: a version that the schema has.
        constants: receives the structs and classes that the source refers to.
    """
    return DecoderSource(schema, version, constants).writer.source()
