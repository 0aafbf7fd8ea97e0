"""Tables of topics: what their records hold, as columns.

Records are handed over as lines of JSON in files, part by part, while others are still read. A key
and a value that are text come as they are, and the engine finds out whether they are JSON.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from json.encoder import encode_basestring
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fakebus.schemas.payloads import SchemaSource, decode
from fakebus.sql.queries import LATEST

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

PART_BYTES = 16 * 1024 * 1024
MOST_FIELDS = 1000
"""Of a value, that become columns; with more it stays one column."""
OWN_COLUMNS = ("partition", "offset", "time", "key", "headers", "undecoded", "value")
"""Of every topic, or of those that have what they are for."""
_USUAL_BYTES = 1024 * 1024
_MOST_WAITING = 2
"""Parts that are written and not yet loaded."""
_LINES = (
    "columns={p: 'INTEGER', o: 'BIGINT', t: 'BIGINT', k: 'VARCHAR', h: 'MAP(VARCHAR, VARCHAR)', "
    "v: 'VARCHAR', d: 'JSON', u: 'VARCHAR'}, format='newline_delimited'"
)
_VALUE = "CASE WHEN v IS NULL THEN d WHEN json_valid(v) THEN v::JSON ELSE to_json(v) END"

_OWN = 'p AS partition, o AS "offset", epoch_ms(nullif(t, -1)) AS time, k AS key, h AS headers'

_IS_OBJECT = "(json_type(v) = 'OBJECT')"

Headers = Sequence[tuple[str, bytes | None]]


class _Structure(NamedTuple):
    """Structure of values, as the engine has it."""

    of_objects: str | None
    of_others: str | None
    has_others: bool
    has_undecoded: bool


class TopicTable:
    """Table of a topic while it is filled; for one thread at a time.

    Args:
        connection: of the engine; used from a thread of the table's own.
        topic: which.
        number: of the table among those of a query.
        folder: where the lines are, until they are loaded.
        schemas: where the schemas are that keys and values name.
    """

    def __init__(
        self,
        connection: DuckDBPyConnection,
        topic: str,
        number: int,
        folder: Path,
        schemas: SchemaSource[Any] | None,
    ) -> None:
        self.topic = topic
        self._connection = connection.cursor()
        self._name = f"records{number}"
        self._folder = folder
        self._schemas = None if schemas is None else cache(schemas)
        self._lines: list[str] = []
        self._size = 0
        self._parts = 0
        self._thread = ThreadPoolExecutor(1, "fakebus sql")
        self._waiting: list[Future[_Structure]] = []
        self._structures: list[_Structure] = []
        """Of the parts that are loaded."""
        self._connection.execute(
            f"CREATE TABLE {self._name} AS SELECT p, o, t, k, h, {_VALUE} AS v, u FROM "  # noqa: S608 - no text from outside
            "(SELECT 0 AS p, 0::BIGINT AS o, 0::BIGINT AS t, '' AS k, "
            "MAP {'': ''} AS h, '' AS v, '0'::JSON AS d, '' AS u) LIMIT 0"
        )

    def add(
        self,
        partition: int,
        offset: int,
        timestamp_ms: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
    ) -> None:
        """Add a record."""
        line = (
            f'{{"p":{partition},"o":{offset},"t":{timestamp_ms},"k":{self._key(key)}'
            f"{self._value(value)}"
        )
        if headers:
            line += f',"h":{_headers(headers)}'
        self._lines.append(line)
        self._size += len(line)
        if self._size > PART_BYTES:
            self._hand_over()

    def _key(self, key: bytes | None) -> str:
        if key is None:
            return "null"
        if key[:1] != b"\0":
            try:
                return encode_basestring(key.decode())
            except UnicodeDecodeError:
                pass
        found = decode(key, self._schemas, topic=self.topic, is_key=True)
        if isinstance(found.data, bytes):
            return encode_basestring(base64.b64encode(key).decode())
        return encode_basestring(found.data if isinstance(found.data, str) else _json(found.data))

    def _value(self, value: bytes | None) -> str:
        if value is None:
            return ""
        if value[:1] != b"\0":
            try:
                return f',"v":{encode_basestring(value.decode())}'
            except UnicodeDecodeError:
                pass
        found = decode(value, self._schemas, topic=self.topic)
        if found.format == "binary" or (found.schema is None and found.schema_id is not None):
            return f',"u":{encode_basestring(base64.b64encode(value).decode())}'
        return f',"d":{_json(found.data)}'

    def _hand_over(self) -> None:
        path = self._folder / f"{self._name}-{self._parts}.ndjson"
        lines, self._lines, self._size = self._lines, [], 0
        self._parts += 1
        while len(self._waiting) >= _MOST_WAITING:
            self._structures.append(self._waiting.pop(0).result())
        self._waiting.append(self._thread.submit(self._load, path, lines))

    def _load(self, path: Path, lines: list[str]) -> _Structure:
        """Load a part; return what its values hold, which need not be looked for later."""
        lines.append("")
        # The reader makes room for lines of this size.
        longest = max(_USUAL_BYTES, 4 * max(map(len, lines)))
        path.write_text("}\n".join(lines), encoding="utf-8")
        lines.clear()
        before = f"SELECT count(*) FROM {self._name}"  # noqa: S608 - no text from outside
        [(known,)] = self._connection.execute(before).fetchall()
        self._connection.execute(
            f"INSERT INTO {self._name} SELECT p, o, t, k, h, {_VALUE}, u "  # noqa: S608 - no text from outside
            f"FROM read_json({literal(str(path))}, {_LINES}, maximum_object_size={longest})"
        )
        path.unlink()
        return self._structure(known)

    def _structure(self, first: int = 0) -> _Structure:
        table = f"FROM {self._name} WHERE rowid >= {first}"
        [(others, undecoded)] = self._connection.execute(
            f"SELECT count(*) FILTER (NOT {_IS_OBJECT} AND json_type(v) <> 'NULL'), "
            f"count(u) {table}"
        ).fetchall()
        kinds = ["v", "NULL::JSON"]
        if others:
            kinds = [f"CASE WHEN {each} THEN v END" for each in (_IS_OBJECT, f"NOT {_IS_OBJECT}")]
        [(of_objects, of_others)] = self._connection.execute(
            f"SELECT {', '.join(f'json_group_structure({each})' for each in kinds)} {table}"
        ).fetchall()
        return _Structure(of_objects, of_others, others > 0, undecoded > 0)

    def _whole_structure(self) -> _Structure:
        found = set(self._structures)
        # Which types two structures have in common is for the engine to say.
        return found.pop() if len(found) == 1 else self._structure()

    def close(self) -> None:
        """Let go of the thread; what is not loaded yet is left out."""
        self._thread.shutdown(cancel_futures=True)

    def finish(self, *, latest: bool, all_records: bool) -> None:
        """Load what is left, and give the table its columns and its name.

        Args:
            latest: whether the newest record of each key is asked for.
            all_records: whether all records are.
        """
        if self._lines or not self._parts:
            self._hand_over()
        self._structures += (each.result() for each in self._waiting)
        self.close()
        structure, of_others, others, undecoded = self._whole_structure()
        fields = json.loads(structure or '"NULL"')
        has_fields = isinstance(fields, Mapping) and bool(fields)
        columns = _columns(fields if has_fields else json.loads(of_others or '"NULL"'))
        if has_fields and others:
            columns.append(f"CASE WHEN NOT {_IS_OBJECT} THEN v END AS value")
        if undecoded:
            columns.append("u AS undecoded")
        view, newest = (identifier(self.topic + end) for end in ("", LATEST))
        select = f"SELECT {', '.join((_OWN, *columns))} FROM"
        if latest:
            of_each_key = (
                f"(SELECT * FROM {self._name} WHERE k IS NOT NULL QUALIFY "  # noqa: S608
                "row_number() OVER (PARTITION BY p, k ORDER BY o DESC) = 1)"
            )
            self._connection.execute(
                f"CREATE TABLE {newest} AS {select} {of_each_key} "
                "WHERE v IS NOT NULL OR u IS NOT NULL"
            )
        if all_records:
            self._connection.execute(f"CREATE TABLE {view} AS {select} {self._name}")
        self._connection.execute(f"DROP TABLE {self._name}")


def _plain(data: object) -> str:
    if isinstance(data, bytes):
        return base64.b64encode(data).decode()
    return str(data)


_json = json.JSONEncoder(ensure_ascii=False, default=_plain, check_circular=False).encode


def _headers(headers: Headers) -> str:
    # Of those of one name the last one counts.
    found = {
        name: None if data is None else data.decode("utf-8", "backslashreplace")
        for name, data in headers
    }
    return json.dumps(found, ensure_ascii=False)


def _columns(structure: Any) -> list[str]:
    """Return the columns of what values hold, as SQL."""
    if not isinstance(structure, Mapping) or not 0 < len(structure) <= MOST_FIELDS:
        return [f"json_transform(v, {literal(json.dumps(_typed(structure)))}) AS value"]
    columns, known = [], set(OWN_COLUMNS)
    plain = dict[str, Any]()
    for name, inner in structure.items():
        if name.lower() in known:
            # Names of columns are the same in capitals.
            column = f"value.{name}"
            path = literal("/" + name.replace("~", "~0").replace("/", "~1"))
            columns.append(f"json_extract(v, {path}) AS {identifier(column)}")
        else:
            known.add(name.lower())
            plain[name] = _typed(inner)
    if plain:
        fields = f"json_transform(v, {literal(json.dumps(plain))})"
        columns.insert(0, f"unnest({fields})")
    return columns


def _typed(structure: Any) -> Any:
    """Return a structure with JSON wherever there is no better type for what values hold."""
    if isinstance(structure, Mapping):
        if not 0 < len(structure) <= MOST_FIELDS or len({each.lower() for each in structure}) < len(
            structure
        ):
            return "JSON"
        return {name: _typed(inner) for name, inner in structure.items()}
    if isinstance(structure, list):
        return [_typed(each) for each in structure]
    return "JSON" if structure == "NULL" else structure


def literal(text: str) -> str:
    """Return a text as SQL has it."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Return the name of a table or a column as SQL has it."""
    return '"' + name.replace('"', '""') + '"'
