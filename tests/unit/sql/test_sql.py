"""Queries over tables of records that are handed to the engine."""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

from fakebus.cli.main import run
from fakebus.schemas.framing import frame
from fakebus.schemas.languages import language
from fakebus.sql import lines, tables
from fakebus.sql.cells import embedded, plain
from fakebus.sql.engine import Engine
from fakebus.sql.queries import SqlError, TableName

Record = tuple[bytes | None, bytes | None]
Ask = Callable[..., list[list[Any]]]
SCHEMA = (
    '{"type": "record", "name": "Order", "fields": [{"name": "total", "type": "double"}, '
    '{"name": "day", "type": {"type": "int", "logicalType": "date"}}, '
    '{"name": "raw", "type": "bytes"}]}'
)


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine(memory_mb=300, threads=1) as engine:
        yield engine


@pytest.fixture
def ask(engine: Engine) -> Ask:
    """Return the rows that answer a query over records of one topic, ``t``."""

    def call(query: str, *records: Record, headers: Any = (), schemas: Any = None) -> Any:
        wanted = engine.tables(query)
        table = engine.table("t", schemas)
        for offset, (key, value) in enumerate(records):
            table.add(0, offset, 1_700_000_000_000 + offset, key, value, headers)
        engine.finish(wanted)
        return [list(map(plain, row)) for row in engine.run(query).rows]

    return call


def test_fields_of_values_are_columns_beside_those_of_the_record(engine: Engine, ask: Ask) -> None:
    value = b'{"id": 7, "total": 1.5, "lines": [{"sku": "a"}], "note": null}'
    headers = (("a", b"1"), ("b", None), ("a", b"2"))
    assert ask("from t", (b"k", value), headers=headers) == [
        [0, 0, "2023-11-14T22:13:20.000Z", "k", {"a": "2", "b": None}, 7, 1.5, [{"sku": "a"}], None]
    ]
    assert engine.run("from t").columns == [
        *("partition", "offset", "time", "key", "headers"),
        *("id", "total", "lines", "note"),
    ]


def test_records_are_counted_joined_and_summed(ask: Ask) -> None:
    records = [(b"k%d" % (n % 2), b'{"n": %d}' % n) for n in range(10)]
    query = """
        with big as (select * from t where n > 3)
        select t.key, count(*) as n, sum(t.n) from t join big using ("offset") group by t.key
        order by all
    """
    assert ask(query, *records) == [["k0", 3, 18], ["k1", 3, 21]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([b"1", b"2"], [1, 2]),
        ([b"text", b'"quoted"'], ["text", "quoted"]),
        ([b"\xff\xfe", b"1"], [None, 1]),
        ([b"[1, 2]", b"[]"], [[1, 2], []]),
        ([b"null", b"true"], [None, True]),
        ([b"", b" 1\n"], ['""', "1"]),
        ([b'{"n":\n "1"}', '{"n": "\u00e9\\u0000\U0001f600"}'.encode()], None),
    ],
    ids=["numbers", "text", "bytes", "lists", "null", "empty", "signs"],
)
def test_values_without_fields_are_one_column(
    ask: Ask, values: list[bytes], expected: list[Any] | None
) -> None:
    query = 'select value from t order by "offset"'
    if expected is None:
        query = query.replace("value", "n")
    found = ask(query, *((None, each) for each in values))
    assert [row[0] for row in found] == (expected or ["1", "\u00e9\0\U0001f600"])


def test_values_without_fields_among_others_have_a_column_of_their_own(ask: Ask) -> None:
    records = [(b"a", b'{"n": 1}'), (b"b", b"text"), (b"c", b"[1]"), (b"d", b"{}"), (b"e", None)]
    found = ask('select key, n, value::varchar from t order by "offset"', *records)
    expected = [("a", 1, None), ("b", None, '"text"'), ("c", None, "[1]")]
    assert found == [list(row) for row in (*expected, ("d", None, None), ("e", None, None))]


def test_bytes_that_nothing_decodes_are_told_apart_from_deletions(ask: Ask) -> None:
    records = [(b"a", b"\xff"), (b"b", None), (b"c", b'{"n": 1}')]
    assert ask('select key, undecoded, n from t order by "offset"', *records) == [
        ["a", "/w==", None],
        ["b", None, None],
        ["c", None, 1],
    ]


def test_the_latest_are_those_of_a_compacted_topic(ask: Ask) -> None:
    records: list[Record] = [
        *((b"a", b'{"n": 1}'), (b"b", b'{"n": 2}'), (b"a", b'{"n": 3}'), (None, b'{"n": 4}')),
        *((b"b", None), (b"c", b"null"), (b"\xff", b'{"n": 5}'), (b"\xff", b'{"n": 6}')),
    ]
    found = ask('select key, n from "t@latest" order by "offset"', *records)
    assert found == [["a", 3], ["c", None], ["/w==", 6]]


def test_both_the_latest_and_all_records_may_be_asked_for(ask: Ask) -> None:
    query = 'select (select count(*) from t), (select count(*) from "t@latest")'
    assert ask(query, (b"a", b"1"), (b"a", b"2")) == [[2, 1]]


def test_names_that_are_taken_already_say_that_they_are_of_the_value(
    engine: Engine, ask: Ask
) -> None:
    value = b'{"offset": "x", "Key": 1, "a/b~c\'\\"": 2, "A/b~c\'\\"": 3, "in": {"x": 1, "X": 2}}'
    [row] = ask("from t", (b"k", value))
    found = dict(zip(engine.run("from t").columns, row, strict=True))
    assert found["offset"] == 0
    assert found["value.offset"] == "x"
    assert found["value.Key"] == 1
    assert found["a/b~c'\""] == 2
    assert found["value.A/b~c'\""] == 3
    # They have types like any other field.
    [sums] = engine.run('select sum("value.Key") + 1 from t').rows
    assert list(map(plain, sums)) == [2]
    assert json.loads(found["in"]) == {"x": 1, "X": 2}


@pytest.mark.parametrize(
    ("value", "columns"),
    [
        (b'{"": 1, "n": 2}', {"value.": 1, "n": 2}),
        (b'{"": {"": 3}}', {"value.": '{"":3}'}),
        (b'{"in": {"": 4, "n": 5}}', {"in": '{"":4,"n":5}'}),
        (b'[{"": 6}]', {"value": ['{"":6}']}),
    ],
)
def test_a_field_may_have_no_name(
    engine: Engine, ask: Ask, value: bytes, columns: dict[str, object]
) -> None:
    [row] = ask("from t", (b"k", value))
    found = dict(zip(engine.run("from t").columns, row, strict=True))
    assert found.items() >= columns.items()


def test_a_value_with_thousands_of_fields_stays_one_column(ask: Ask) -> None:
    value = json.dumps({f"f{n}": n for n in range(tables.MOST_FIELDS + 1)}).encode()
    assert ask("select value->>'$.f7' from t", (b"k", value)) == [["7"]]


@pytest.mark.parametrize("levels", [60, 900, 100_000])
def test_what_is_nested_too_deeply_for_columns_is_json_and_others_keep_theirs(
    ask: Ask, levels: int
) -> None:
    deep = b'{"n": 1, "]}\\"[": 2, "deep": %b0%b}' % (b'[{"b":' * levels, b"}]" * levels)
    query = """select n, "]}""[", typeof(deep) like '%JSON%' from t order by "offset" """
    assert ask(query, (b"k", b'{"n": 7}'), (b"k", deep)) == [[7, None, True], [1, 2, True]]


def test_values_with_a_schema_are_decoded(ask: Ask) -> None:
    parsed = language("AVRO").parse(SCHEMA)
    known = SimpleNamespace(schema_id=3, parsed=parsed)
    value = frame(3, parsed.encode({"total": 2.5, "day": 19000, "raw": "\xff"}))

    def source(schema_id: int, topic: str, is_key: bool) -> Any:
        assert (topic, is_key) == ("t", False)
        return known if schema_id == 3 else None

    records = [(b"a", value), (b"b", frame(4, b"x"))]
    found = ask("select key, total, undecoded is null from t", *records, schemas=source)
    assert sorted(found) == [["a", 2.5, True], ["b", None, False]]


def test_parts_are_loaded_while_others_are_read(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "PART_BYTES", 1000)
    records = [(b"k", b'{"n": %d, "big": "%s"}' % (n, b"x" * 400)) for n in range(50)]
    assert ask("select count(*), sum(n), sum(length(big)) from t", *records) == [[50, 1225, 20000]]


def test_parts_that_hold_other_things_have_the_columns_and_types_of_all(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "PART_BYTES", 1)
    values = (b'{"a": 1}', b'{"a": 2.5, "b": "x"}', b"[1]", b"\xff")
    query = "select a, b, value, undecoded from t order by 1, 2, 3"
    assert ask(query, *((None, value) for value in values)) == [
        [1.0, None, None, None],
        [2.5, "x", None, None],
        [None, None, "[1]", None],
        [None, None, None, "/w=="],
    ]


def test_a_topic_without_records_is_an_empty_table(ask: Ask) -> None:
    assert ask('select count(*), count(t.value) from t, "t@latest"') == [[0, 0]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('select 1 from a, "b.c" x join "d@latest" using (k)', ["a", "b.c", "d@latest"]),
        ("with a as (from b) select (select max(n) from c) from a", ["c", "b"]),
        ("with recursive a as (select 1 union all from a) from a", []),
        ("from a union all from b except from a", ["a", "b"]),
        ("select * from range(3), unnest([1])", []),
        ("describe a", ["a"]),
        ('from "A b""c"', ['A b"c']),
    ],
)
def test_the_topics_of_a_query_are_found(engine: Engine, query: str, expected: list[str]) -> None:
    found = [f"{topic}{'@latest' if latest else ''}" for topic, latest in engine.tables(query)]
    assert sorted(found) == sorted(expected)
    assert all(isinstance(each, TableName) for each in engine.tables(query))


@pytest.mark.parametrize("depth", [50, 900, 20_000])
def test_a_query_that_is_nested_deeply_is_answered_or_refused(ask: Ask, depth: int) -> None:
    """How deep JSON may be depends on Python, and the rest on DuckDB."""
    found, said = [[True]], ""
    try:
        found = ask("select " + "not " * depth + "true")
    except SqlError as error:
        said = str(error)
    assert found == [[True]]
    assert not said or (depth > 50 and re.search("nested too deeply|depth", said))


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("selec 1", "syntax error"),
        ("select 1; select 2", "2 statements are given"),
        ("create table x (i int)", "only SELECT can be asked"),
        ("copy (select 1) to 'x.csv'", "only SELECT can be asked"),
        ("attach 'x.db'", "only SELECT can be asked"),
        ("select " + "1, " * 40_000 + "1", "at most 100000 letters"),
        ("from " + ", ".join(f"t{n}" for n in range(101)), "at most 100 topics"),
        ("from orders.v1", "there is no table orders.v1; .* in double quotes"),
        ("from a.b.c", "there is no table a.b.c; .* in double quotes"),
        ("from dev-orders", 'at or near "-"; .* in double quotes'),
    ],
)
def test_what_is_no_select_is_refused(engine: Engine, query: str, said: str) -> None:
    with pytest.raises(SqlError, match=said):
        engine.tables(query)


@pytest.mark.parametrize(
    "query",
    ["from duckdb_secrets()", "from duckdb_extensions()", "from duckdb_settings()"],
)
def test_what_is_told_of_the_engine_names_nothing_of_the_home_directory(
    engine: Engine, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    try:
        told = str(list(engine.run(query).rows))
    except SqlError as error:
        told = str(error)
    assert "somebody" not in told
    assert ".duckdb" not in told


@pytest.mark.parametrize(
    "query",
    [
        "from read_text('/etc/hostname')",
        "from '/etc/hostname.csv'",
        "from read_json('http://127.0.0.1:1/x')",
        "from glob('/*')",
        "set enable_external_access = true",
        "copy (select 1) to 'x.csv'",
    ],
)
def test_a_query_reaches_no_file_and_no_network(engine: Engine, query: str) -> None:
    with pytest.raises(SqlError):
        list(engine.run(query).rows)


def test_an_error_is_one_line_without_advice(ask: Ask) -> None:
    with pytest.raises(SqlError) as raised:
        ask("select nope from t", (b"k", b'{"n": 1}'))
    assert "nope" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "\\n" not in str(raised.value)


@pytest.mark.parametrize("end", [".csv", ".json", ".ndjson", ".parquet"])
def test_a_result_is_written_to_a_file(engine: Engine, tmp_path: Path, end: str) -> None:
    path = tmp_path / f"it's{end}"
    path.write_text("an older result\n" * 9)
    assert engine.write("select n, 'a,b' as text from range(3) r(n);", path) == 3
    if end == ".csv":
        with path.open(newline="") as file:
            assert list(csv.reader(file)) == [["n", "text"], *([str(n), "a,b"] for n in range(3))]
    elif end == ".json":
        assert json.loads(path.read_text())[2] == {"n": 2, "text": "a,b"}
    elif end == ".ndjson":
        assert [json.loads(line)["n"] for line in path.read_text().splitlines()] == [0, 1, 2]
    else:
        assert path.read_bytes()[:4] == b"PAR1"


def test_lists_and_structs_are_json_in_csv(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    struct = """{'x': ['it''s "y"', 'z']}"""
    query = f"""select [1, null] as "a b", {struct} as s, 'plain' as t, map {{'k': 1}} as m"""
    path = tmp_path / "nested.csv"
    assert run(["sql", query, "--output", str(path)]) == 0
    capfd.readouterr()
    assert run(["sql", query, "--format", "csv"]) == 0
    for text in (path.read_text(), capfd.readouterr().out):
        names, (numbers, struct, plain, map_) = csv.reader(text.splitlines())
        assert names == ["a b", "s", "t", "m"]
        assert (json.loads(numbers), plain) == ([1, None], "plain")
        assert json.loads(struct) == {"x": ['it\'s "y"', "z"]}
        assert json.loads(map_) == {"k": 1}


@pytest.mark.parametrize(("end", "form"), [(".csv", "csv"), (".ndjson", "json")])
def test_a_file_has_what_standard_output_has(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], end: str, form: str
) -> None:
    # Times have a zone, and numbers that are none are left out.
    query = """select timestamp '2026-12-01 00:33:53.595' as "a,b", [date '2026-12-01'] as a,
        'NaN'::double as n, 'x"y' as t, 1.10 as d, 2 as d, '{"i": 1}'::json as j"""
    path = tmp_path / f"x{end}"
    assert run(["sql", query, "--output", str(path)]) == 0
    capfd.readouterr()
    assert run(["sql", query, "--format", form]) == 0
    shown = capfd.readouterr().out
    assert "2026-12-01T00:33:53.595Z" in shown
    assert path.read_bytes().decode() == shown


def test_ends_of_lines_stay_in_a_cell_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    assert run(["sql", "select chr(13) || chr(10) as a, chr(13) as b", "--output", str(path)]) == 0
    with path.open(newline="") as file:
        assert list(csv.reader(file)) == [["a", "b"], ["\r\n", "\r"]]


def test_an_array_without_rows_is_one(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    assert run(["sql", "select 1 limit 0", "--output", str(path)]) == 0
    assert json.loads(path.read_text()) == []


def test_the_command_overwrites_a_file_only_when_it_is_told_to(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    path.write_text("mine\n")
    assert run(["sql", "select 1 as n", "--output", str(path)]) == 2
    assert path.read_text() == "mine\n"
    assert run(["sql", "select 1 as n", "--output", str(path), "--force"]) == 0
    assert path.read_text() == "n\n1\n"


@pytest.mark.parametrize("end", [".csv", ".json", ".ndjson", ".parquet"])
def test_a_query_that_fails_midway_leaves_the_file_as_it_was(tmp_path: Path, end: str) -> None:
    path = tmp_path / f"orders{end}"
    path.write_text("older")
    fails = "select case when n = 299999 then error('midway') else n end from range(300000) r(n)"
    for target in (path, tmp_path / f"new{end}"):
        assert run(["sql", fails, "--output", str(target), "--force"]) == 2
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert path.read_text() == "older"


def test_a_file_of_another_kind_is_refused_and_none_but_the_file_is_written(
    engine: Engine, tmp_path: Path
) -> None:
    with pytest.raises(SqlError, match=r"does not end in one of \.parquet"):
        engine.write("select 1", tmp_path / "x.xlsx")
    with pytest.raises(SqlError):
        engine.write(f"select 1) TO '{tmp_path}/other.csv'; --", tmp_path / "x.csv")
    assert not (tmp_path / "other.csv").exists()


def test_whole_numbers_have_a_sign(ask: Ask) -> None:
    rows = [
        (None, b'{"a": 1, "b": 2, "items": [{"n": 1}], "key": 3}'),
        (None, b'{"a": -1, "b": 2, "items": [], "key": 4}'),
    ]
    query = 'select a - b, items[1].n - 2, "value.key" - 5 from t order by "offset"'
    assert ask(query, *rows) == [[-1, -1, -2], [-3, None, -1]]


@pytest.mark.parametrize("largest", [2**63 - 1, 2**63, 2**64 - 1])
def test_files_have_whole_numbers_as_they_are(engine: Engine, tmp_path: Path, largest: int) -> None:
    value = b'{"n": %d, "items": [{"n": %d}]}' % (largest, largest)
    query = "select n, items, {'x': n} as s, map {'x': n} as m, sum(n) over () as total, 1 as n"
    query += " from t order by t.n desc"
    wanted = engine.tables(query)
    table = engine.table("t", None)
    for offset, each in enumerate((b'{"n": -1, "items": []}', value)):
        table.add(0, offset, 0, None, each, ())
    engine.finish(wanted)
    path = tmp_path / "found.parquet"
    assert engine.write(query, path) == 2
    with duckdb.connect() as files:
        found = files.read_parquet(str(path)).limit(1).fetchall()
    assert found == [(largest, [{"n": largest}], {"x": largest}, {"x": largest}, largest - 1, 1)]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("1.10::decimal(10, 2)", 1.1),
        ("12345678901234567.89::decimal(20, 2)", "12345678901234567.89"),
        ("0.30000000000000000004::decimal(30, 20)", "0.30000000000000000004"),
    ],
)
def test_decimals_keep_their_digits(ask: Ask, sql: str, expected: object) -> None:
    assert ask(f"select {sql} from t", (None, b"1")) == [[expected]]  # noqa: S608


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([b'{"a": {"b": 1}}', b'{"a": "x"}', b"{}"], [{"b": 1}, "x", None]),
        ([b'{"a": [{"b": 1}, 2, null]}'], [[{"b": 1}, 2, None]]),
        ([b'{"a": {"in": {"": 1.5, "n": [2]}}}'], [{"in": {"": 1.5, "n": [2]}}]),
        ([b'{"a": 12345678901234567890123}', b'{"a": "x"}'], [12345678901234567890123, "x"]),
        ([b'{"a": 1e400}', b'{"a": 1e99999999999999999999}', b'{"a": []}'], None),
        ([b'{"a": {"b": [NaN, -Infinity]}}', b'{"a": 1}'], [{"b": [None, None]}, 1]),
    ],
)
def test_what_has_no_common_type_is_in_its_place_where_json_is_answered(
    engine: Engine, ask: Ask, values: list[bytes], expected: list[Any] | None
) -> None:
    ask('select a from t order by "offset"', *((None, each) for each in values))
    result = engine.run("select a, [a] as l, map {'k': a} as m from t order by \"offset\"")
    makers = list(map(embedded, result.kinds))
    rows = [[made(cell) for made, cell in zip(makers, row, strict=True)] for row in result.rows]
    assert rows == [[each, [each], {"k": each}] for each in [row[0] for row in rows]]
    # There is JSON for whatever there is.
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    assert expected is None or [row[0] for row in rows] == expected


def test_columns_of_one_name_are_told_apart_as_in_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    query, path = "select 1 as n, 2 as n, 3 as N, 4 as n_1", tmp_path / "x.ndjson"
    assert run(["sql", query, "--output", str(path)]) == 0
    capsys.readouterr()
    assert run(["sql", query, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(path.read_text())
    assert run(["sql", query, "--format", "csv"]) == 0
    assert capsys.readouterr().out.startswith("n,n_1,N_2,n_1_1\n")


def test_topics_that_differ_only_in_capitals_are_asked_one_at_a_time(engine: Engine) -> None:
    assert engine.tables("from t union all from t") == [TableName("t", latest=False)]
    assert len(engine.tables('from t union all from "t@latest"')) == 2
    with pytest.raises(SqlError, match="'T' and 't' differ only in capitals"):
        engine.tables("from t union all from T")


# Shells let what they start in the background ignore Ctrl-C, tests and all.
_PROGRAM = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from fakebus.__main__ import main; main()"
)
_DEAF = (
    "import threading; from fakebus.sql.engine import Engine; "
    "Engine.run = lambda engine, text: engine._in_thread("
    "lambda: print(engine._folder, flush=True) or threading.Event().wait()); "
)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_a_query_that_has_no_end(tmp_path: Path, number: int) -> None:
    target = tmp_path / "x.parquet"
    command = [sys.executable, "-c", _PROGRAM, "sql", "from range(1000000000000)"]
    with subprocess.Popen([*command, "--output", str(target)], stderr=subprocess.PIPE) as asked:
        try:
            while not any(each.stat().st_size for each in tmp_path.iterdir()):
                assert asked.poll() is None
                time.sleep(0.02)
            asked.send_signal(number)
            _, said = asked.communicate(timeout=60)
        finally:
            asked.kill()
    assert (asked.returncode, said) == (130, b"")
    assert not any(tmp_path.iterdir())


def test_ctrl_c_ends_a_query_whose_engine_does_not_listen() -> None:
    command = [sys.executable, "-c", _DEAF + _PROGRAM, "sql", "select 1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as asked:
        try:
            assert asked.stdout is not None
            folder = Path(asked.stdout.readline().decode().strip())
            assert folder.is_dir()
            asked.send_signal(signal.SIGINT)
            assert asked.wait(60) == 130
        finally:
            asked.kill()
    assert not folder.exists()
