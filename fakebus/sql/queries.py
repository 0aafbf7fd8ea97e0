"""Queries: one SELECT each, and the topics that it reads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from fakebus.errors import FakebusError
from fakebus.wording import counted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LATEST = "@latest"
"""Behind the name of a topic: of each key the newest record, unless that deletes it."""
_SCHEMAS = frozenset(("", "main", "temp", "information_schema", "pg_catalog"))
"""That the engine has, and none."""
_AT_A_DASH = 'at or near "-"'
_IN_QUOTES = (
    "the name of a topic stands in double quotes where it has other signs than letters, digits "
    "and _"
)
MOST_LETTERS = 100_000
MOST_TABLES = 100


class SqlError(FakebusError):
    """Error: a query cannot be carried out; the text says where and why."""


class BusyError(SqlError):
    """Error: others ask, and went first for as long as one may wait."""


class TableName(NamedTuple):
    """Name of a table in a query."""

    topic: str
    latest: bool


def tables_of(connection: DuckDBPyConnection, text: str) -> list[TableName]:
    """Return the topics that a query reads, as it names them, each once.

    Args:
        connection: of the engine, whose parser decides.
        text: the query.

    Raises:
        SqlError: it is not one SELECT.
    """
    if len(text) > MOST_LETTERS:
        raise SqlError(f"a query has at most {counted(MOST_LETTERS, 'letter')}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise SqlError("the query holds half of a surrogate pair") from None
    [(parsed,)] = connection.execute("SELECT json_serialize_sql(?)", [text]).fetchall()
    try:
        tree = json.loads(parsed)
    except RecursionError:
        raise SqlError("the query is nested too deeply") from None
    if tree["error"]:
        if tree["error_type"] == "not implemented":
            raise SqlError("only SELECT can be asked: topics are read here, and nothing is changed")
        hint = f"; {_IN_QUOTES}" if _AT_A_DASH in tree["error_message"] else ""
        raise SqlError(tree["error_message"] + hint)
    if len(tree["statements"]) != 1:
        given = counted(len(tree["statements"]), "statement is", "statements are")
        raise SqlError(f"{given} given; ask one SELECT at a time")
    found = dict.fromkeys(_tables(tree, frozenset()))
    if len(found) > MOST_TABLES:
        raise SqlError(f"a query reads at most {counted(MOST_TABLES, 'topic')}")
    _check_capitals(found)
    return [TableName(name.removesuffix(LATEST), latest=name.endswith(LATEST)) for name in found]


def _check_capitals(names: Iterable[str]) -> None:
    known: dict[str, str] = {}
    for name in names:
        other = known.setdefault(name.lower(), name)
        if other != name:
            both = " and ".join(map(repr, sorted((other, name))))
            raise SqlError(
                f"{both} differ only in capitals, which SQL does not tell apart: "
                "ask one topic at a time"
            )


def _tables(node: Any, known: frozenset[str]) -> Iterator[str]:
    """Yield the tables below a node that are none of the query's own (WITH)."""
    # The tree is as deep as the parser lets a query be.
    waiting = [(node, known)]
    while waiting:
        node, known = waiting.pop()
        if isinstance(node, list):
            waiting += [(each, known) for each in node]
        elif isinstance(node, dict):
            own = node.get("cte_map") or {}
            known |= {each["key"].lower() for each in own.get("map", ())}
            if node.get("type") == "BASE_TABLE":
                schema, name = node.get("schema_name", ""), node["table_name"]
                if schema.lower() not in _SCHEMAS:
                    parts = filter(None, (node.get("catalog_name"), schema, name))
                    raise SqlError(f"there is no table {'.'.join(parts)}; {_IN_QUOTES}")
                if not schema and name.lower() not in known:
                    yield name
            waiting += [(each, known) for each in node.values()]
