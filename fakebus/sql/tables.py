"""Tables of topics: what their records hold, as columns."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fakebus.nesting import READABLE
from fakebus.sql.names import identifier, literal
from fakebus.sql.queries import LATEST
from fakebus.sql.whole_numbers import LARGE, SIGNED, column_type

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MOST_FIELDS = 1000
"""Of a value, that become columns; with more it stays one column."""
OWN_COLUMNS = ("partition", "offset", "time", "key", "headers", "undecoded", "value")
"""Of every topic, or of those that have what they are for."""
_LINES = (
    "columns={p: 'INTEGER', o: 'BIGINT', t: 'BIGINT', k: 'VARCHAR', h: 'MAP(VARCHAR, VARCHAR)', "
    "v: 'VARCHAR', d: 'JSON', u: 'VARCHAR'}, format='newline_delimited'"
)
_VALUE = "CASE WHEN v IS NULL THEN d ELSE coalesce(try_cast(v AS JSON), to_json(v)) END"

_OWN = 'p AS partition, o AS "offset", epoch_ms(nullif(t, -1)) AS time, k AS key, h AS headers'

_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[][{}]')
"""Names and brackets of JSON."""

_IS_OBJECT = "(json_type(v) = 'OBJECT')"


class _Structure(NamedTuple):
    """Structure of values, as the engine has it."""

    of_objects: str | None
    of_others: str | None
    has_others: bool
    has_undecoded: bool


class TopicTable:
    """Table of a topic, to be filled and then finished.

    Args:
        connection: of the engine; used beside others of the same.
        topic: which.
        number: of the table among those of a query.
    """

    def __init__(self, connection: DuckDBPyConnection, topic: str, number: int) -> None:
        self.topic = topic
        self._connection = connection.cursor()
        self._name = f"records{number}"
        self._structures: list[_Structure] = []
        """Of the parts that are loaded."""
        self._connection.execute(
            f"CREATE TABLE {self._name} AS SELECT p, o, t, k, h, {_VALUE} AS v, u FROM "  # noqa: S608 - no text from outside
            "(SELECT 0 AS p, 0::BIGINT AS o, 0::BIGINT AS t, '' AS k, "
            "MAP {'': ''} AS h, '' AS v, '0'::JSON AS d, '' AS u) LIMIT 0"
        )

    def load(self, path: Path, longest: int) -> None:
        """Load a part.

        Args:
            path: a file of lines.
            longest: the most bytes that a line has.
        """
        before = f"SELECT count(*) FROM {self._name}"  # noqa: S608 - no text from outside
        [(known,)] = self._connection.execute(before).fetchall()
        self._connection.execute(
            f"INSERT INTO {self._name} SELECT p, o, t, k, h, {_VALUE}, u "  # noqa: S608 - no text from outside
            f"FROM read_json({literal(str(path))}, {_LINES}, maximum_object_size={longest})"
        )
        # Of what is known of each part nothing need be looked for later.
        self._structures.append(self._structure(known))

    def _structure(self, first: int = 0) -> _Structure:
        table = f"FROM {self._name} WHERE rowid >= {first}"
        [(others, undecoded, of_objects)] = self._connection.execute(
            f"SELECT count(*) FILTER (NOT {_IS_OBJECT} AND json_type(v) <> 'NULL'), "
            f"count(u), json_group_structure(v) {table}"
        ).fetchall()
        of_others: str | None = None
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

    def finish(self, *, latest: bool, all_records: bool) -> None:
        """Give the table its columns and its name.

        Args:
            latest: whether the newest record of each key is asked for.
            all_records: whether all records are.
        """
        structure = self._whole_structure()
        view, newest = (identifier(self.topic + end) for end in ("", LATEST))
        if latest:
            of_each_key = (
                f"(SELECT * FROM {self._name} WHERE k IS NOT NULL QUALIFY "  # noqa: S608
                "row_number() OVER (PARTITION BY p, k ORDER BY o DESC) = 1)"
            )
            self._create(newest, structure, f"{of_each_key} WHERE v IS NOT NULL OR u IS NOT NULL")
        if all_records:
            self._create(view, structure, self._name)
        self._connection.execute(f"DROP TABLE {self._name}")

    def _create(self, name: str, structure: _Structure, source: str) -> None:
        from duckdb import ConversionException

        def create(whole: str) -> None:
            columns = ", ".join((_OWN, *_all_columns(structure, whole)))
            self._connection.execute(
                f"CREATE TABLE {name} AS SELECT {columns} FROM {source}"  # noqa: S608
            )

        try:
            create(SIGNED)
        except ConversionException:
            # One of the numbers has more than 63 bits.
            create(LARGE)


def _all_columns(structure: _Structure, whole: str) -> list[str]:
    fields = _read(structure.of_objects)
    has_fields = isinstance(fields, Mapping) and bool(fields)
    columns = _columns(fields if has_fields else _read(structure.of_others), whole)
    if has_fields and structure.has_others:
        columns.append(f"CASE WHEN NOT {_IS_OBJECT} THEN v END AS value")
    if structure.has_undecoded:
        columns.append("u AS undecoded")
    return columns


def _read(text: str | None) -> Any:
    """Return a structure of values; what is nested more deeply than people read is JSON in it."""
    if text is None:
        return "NULL"
    kept: list[str] = []
    level = begin = 0
    for found in _TOKENS.finditer(text):
        if found[0] in "[{":
            level += 1
            if level == READABLE + 1:
                kept.append(text[begin : found.start()])
        elif found[0] in "]}":
            level -= 1
            if level == READABLE:
                kept.append('"JSON"')
                begin = found.end()
    return json.loads("".join((*kept, text[begin:])))


def _columns(structure: Any, whole: str) -> list[str]:
    """Return the columns of what values hold, as SQL."""
    if not isinstance(structure, Mapping) or not 0 < len(structure) <= MOST_FIELDS:
        return [f"{_taken('v', _typed(structure), whole)} AS value"]
    columns, known = [], set(OWN_COLUMNS)
    plain = dict[str, Any]()
    for name, inner in structure.items():
        if not name or name.lower() in known:
            # Names of columns are the same in capitals, and none is empty.
            column = f"value.{name}"
            path = literal("/" + name.replace("~", "~0").replace("/", "~1"))
            field = _taken(f"json_extract(v, {path})", _typed(inner), whole)
            columns.append(f"{field} AS {identifier(column)}")
        else:
            known.add(name.lower())
            plain[name] = _typed(inner)
    if plain:
        columns.insert(0, f"unnest({_taken('v', plain, whole)})")
    return columns


def _taken(value: str, structure: Any, whole: str) -> str:
    """Return what a value holds, as SQL."""
    found = f"json_transform({value}, {literal(json.dumps(structure))})"
    return f"CAST({found} AS {column_type(structure, whole)})"


def _typed(structure: Any) -> Any:
    """Return a structure with JSON wherever there is no better type for what values hold."""
    if isinstance(structure, Mapping):
        names = {each.lower() for each in structure}
        if "" in names or not 0 < len(structure) <= MOST_FIELDS or len(names) < len(structure):
            return "JSON"
        return {name: _typed(inner) for name, inner in structure.items()}
    if isinstance(structure, list):
        return [_typed(each) for each in structure]
    return "JSON" if structure == "NULL" else structure
