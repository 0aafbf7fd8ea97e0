"""What is taken out of recorded data, and what stands there instead."""

from __future__ import annotations

from typing import Any

import pytest

from fakebus.errors import ConfigError
from fakebus.fixture_files.recording.redaction import RedactedPath, Redaction


@pytest.mark.parametrize(
    ("data", "redacted"),
    [
        ({"email": "ada@example.com"}, {"email": "person-1@example.org"}),
        ({"contact_email": "a@b.co"}, {"contact_email": "person-1@example.org"}),
        ("a@b.co, c@d.co", "person-1@example.org, person-2@example.org"),
        ({"username": "ada"}, {"username": "user-1"}),
        ({"first_name": "A", "last_name": "K"}, {"first_name": "Name 1", "last_name": "Name 2"}),
        ({"phone": "+49 30 1234"}, {"phone": "+15550000001"}),
        ({"street_address": "Main St 5"}, {"street_address": "1 Example Street"}),
        ({"password": "hunter2", "api_key": "k"}, {"password": "secret-1", "api_key": "secret-2"}),
        ({"x": "Bearer abcdefgh.ijkl"}, {"x": "secret-1"}),
        ({"x": "eyJhbGciOiJI.eyJzdWIiOiIx.c2ln"}, {"x": "secret-1"}),
        ({"x": "key sk_live_0123456789abcdef end"}, {"x": "key secret-1 end"}),
        # A course has a name as well; only beside a person's marks it is one's.
        ({"name": "Biology"}, {"name": "Biology"}),
        ({"name": "Ada", "email": "a@b.co"}, {"name": "Name 1", "email": "person-1@example.org"}),
        ({"a": [{"login": "x"}]}, {"a": [{"login": "user-1"}]}),
        ({"email": None, "username": ""}, {"email": None, "username": ""}),
        ({"password": 5}, {"password": 5}),
        ("plain text", "plain text"),
        (7, 7),
    ],
)  # fmt: skip
def test_built_in_patterns(data: Any, redacted: Any) -> None:
    assert Redaction().data(data) == redacted


def test_one_person_stays_one_person() -> None:
    redaction = Redaction()
    redaction.learn([{"username": "ada", "email": "ada@b.co"}, {"username": "bob"}])
    assert redaction.data({"username": "bob"}) == {"username": "user-2"}
    assert redaction.data({"by": "ada@b.co", "reader": "ada"}) == {
        "by": "person-1@example.org",
        "reader": "user-1",
    }


def test_short_names_are_not_looked_for_elsewhere() -> None:
    redaction = Redaction()
    redaction.learn([{"username": "de"}])
    assert redaction.data({"language": "de"}) == {"language": "de"}


def test_what_is_redacted_stays_as_it_is_wherever_it_moves() -> None:
    before = [{"email": "x@y.zz"}, {"email": "z@y.zz", "password": "p"}]
    first = Redaction()
    first.learn(before)
    redacted = [first.data(each) for each in before]
    edited = [{"email": "new@y.zz"}, *reversed(redacted)]
    second = Redaction()
    second.learn(edited)
    assert [second.data(each) for each in edited] == [
        {"email": "person-3@example.org"},
        {"email": "person-2@example.org", "password": "secret-1"},
        {"email": "person-1@example.org"},
    ]


@pytest.mark.parametrize(
    ("path", "data", "redacted"),
    [
        ("$.a", {"a": "x", "b": "x"}, {"a": "redacted-1", "b": "x"}),
        ("$.a.b", {"a": {"b": "x"}, "b": "y"}, {"a": {"b": "redacted-1"}, "b": "y"}),
        ("$..b", {"a": {"b": "x"}, "b": "y"}, {"a": {"b": "redacted-1"}, "b": "redacted-2"}),
        ("$.a[*]", {"a": ["x", "y", "x"]}, {"a": ["redacted-1", "redacted-2", "redacted-1"]}),
        ("$.a[1]", {"a": ["x", "y"]}, {"a": ["x", "redacted-1"]}),
        ("$.*.c", {"a": {"c": "x"}, "b": {"d": "x"}}, {"a": {"c": "redacted-1"}, "b": {"d": "x"}}),
    ],
)
def test_paths(path: str, data: Any, redacted: Any) -> None:
    assert Redaction([RedactedPath.parse(path)], built_in=False).data(data) == redacted


def test_without_built_in_patterns_only_paths_count() -> None:
    redaction = Redaction([RedactedPath.parse("$.city")], built_in=False)
    data = {"email": "a@b.co", "city": "Ulm", "note": "a@b.co"}
    assert redaction.data(data) == {**data, "city": "redacted-1"}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a.b", "'a.b' is not a path: write $.user.email, $..email or $.a[*].b"),
        ("$.a[", "'$.a[' is not a path from column 4 on"),
        ("$.a b", "'$.a b' is not a path from column 4 on"),
        ("$", "'$' names no field: write $.user.email"),
    ],
)
def test_what_is_no_path_is_told(text: str, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RedactedPath.parse(text)
    assert str(caught.value) == error
