"""SQL over HTTP."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from fakebus.app import FakeBus
from fakebus.sql import answers
from fakebus.sql.process import PROCESS, RemoteEngine
from tests.unit.web.http_client import Answer, Http
from tests.unit.web.server import connect


def ask(http: Http, query: Any, **more: Any) -> Answer:
    body = json.dumps({"query": query, **more}).encode()
    return http.request("POST", "/_fakebus/v1/sql", body, {"Content-Type": "application/json"})


def test_a_query_reads_topics_of_the_bus(http: Http) -> None:
    answer = ask(http, "select count(*) > 0 as some, 1.5 as half from _schemas")
    assert answer.status == 200
    records = answer.json.pop("records")
    assert records > 0
    assert {**answer.json, "records": 0} == {
        **{"columns": ["some", "half"], "rows": [[True, 1.5]]},
        **{"records": 0, "complete": True},
    }


def test_who_asks_again_after_an_answer_is_not_in_the_way_of_themselves(
    http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = RemoteEngine.close

    def late(engine: RemoteEngine) -> None:
        time.sleep(0.03)
        close(engine)

    monkeypatch.setattr(RemoteEngine, "close", late)
    monkeypatch.setattr(answers, "PATIENCE_S", 0.0)
    for query, status in [("select 1", 200)] * 3 + [("selec", 422)] * 3 + [("select 1", 200)]:
        answer = ask(http, query)
        assert answer.status == status
        assert "other queries" not in str(answer.json)


def test_the_answer_says_when_there_are_more_rows(
    http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = ask(http, f"from range({answers.MOST_ROWS + 1})").json
    assert (len(found["rows"]), found["complete"]) == (answers.MOST_ROWS, False)
    found = ask(http, f"from range({answers.MOST_ROWS})").json
    assert (len(found["rows"]), found["complete"]) == (answers.MOST_ROWS, True)
    monkeypatch.setattr(answers, "MOST_ANSWER_LETTERS", 1000)
    found = ask(http, "select repeat('x', 600) from range(10)").json
    assert (len(found["rows"]), found["complete"]) == (1, False)


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("from nowhere", 404, "there is no topic 'nowhere'"),
        ("selec", 422, "syntax error"),
        ("drop table x", 422, "only SELECT can be asked"),
        ("from read_text('/etc/hostname')", 422, "disabled"),
        (7, 422, 'the body is {"query"'),
    ],
)
def test_what_cannot_be_answered_is_refused_with_words(
    http: Http, query: Any, status: int, said: str
) -> None:
    answer = ask(http, query)
    assert answer.status == status
    assert said in answer.json["message"]


def test_more_in_the_body_is_refused(http: Http) -> None:
    assert ask(http, "select 1", limit=3).status == 422


def test_a_query_reads_no_more_than_is_good_for_the_bus(
    http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "MOST_BYTES", 10)
    answer = ask(http, "select count(*) from _schemas")
    assert answer.status == 422
    assert "more than 10 bytes" in answer.json["message"]


def test_a_query_ends_when_it_takes_too_long_or_nobody_waits_for_it(
    bus: FakeBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = "select count(*) from range(1000000000000) a, range(1000000) b"
    body = json.dumps({"query": endless}).encode()
    leaving, http, until = connect(bus), connect(bus), time.monotonic() + 60
    leaving._connection.request(
        "POST", "/_fakebus/v1/sql", body, {"Content-Type": "application/json"}
    )
    while answers._TURN._value:
        assert time.monotonic() < until
        time.sleep(0.01)
    try:
        monkeypatch.setattr(answers, "PATIENCE_S", 0.1)
        busy = ask(http, "select 1")
        assert busy.status == 503
        assert "other queries are being carried out" in busy.json["message"]
        monkeypatch.setattr(answers, "PATIENCE_S", 60.0)
        leaving.close()
        assert ask(http, "select 1").status == 200
        monkeypatch.setattr(answers, "MOST_S", 0.3)
        answer = ask(http, endless)
        assert answer.status == 422
        assert "takes more than 0.3 s" in answer.json["message"]
        monkeypatch.setattr(answers, "MOST_S", 60.0)
        assert ask(http, "select 1").status == 200
    finally:
        http.close()


def test_a_process_serves_many_queries_and_is_replaced_when_it_dies(
    http: Http, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    PROCESS.stop()
    # What the bus has needed itself once does not count.
    assert len(bytearray(700 << 20)) == 700 << 20
    assert ask(http, "select 1").status == 200
    process = PROCESS._process
    assert process is not None
    assert ask(http, "select 2").status == 200
    assert PROCESS._process is process
    # Files of a query are the bus's to remove: the process may be killed.
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    process.kill()
    assert ask(http, "select 3").json["rows"] == [[3]]
    assert PROCESS._process is not process
    PROCESS.stop()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["repeat('x', 2000000000)", "repeat('x', 30000000)"])
def test_a_query_that_wants_all_memory_is_told_so_and_the_next_one_answered(
    http: Http, text: str
) -> None:
    answer = ask(http, f"select {text}")
    assert answer.status == 422
    assert "memory" in answer.json["message"].lower() or "letters" in answer.json["message"]
    assert ask(http, "select 1").status == 200


def test_a_query_with_half_a_sign_is_refused(http: Http) -> None:
    answer = ask(http, "select '\ud800'")
    assert answer.status == 422
    assert "surrogate" in answer.json["message"]
