"""What is taken out of recorded data, and what stands there instead."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from fakebus.errors import ConfigError
from fakebus.fixture_files.recording.redaction import RedactedPath, Redaction
from fakebus.fixture_files.recording.redaction_rules import rule_table


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
        ("$", "x", "redacted-1"),
        ("$.a", {"a": {"b": ["x"]}, "b": "y"}, {"a": {"b": ["redacted-1"]}, "b": "y"}),
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
    ],
)
def test_what_is_no_path_is_told(text: str, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RedactedPath.parse(text)
    assert str(caught.value) == error


PROMISES = Path(__file__).parents[3] / "docs" / "reference" / "fixtures.md"
SECRETS = {
    "JSON web token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "`Bearer` and `Basic`": "Basic YWRhOmxvdmVsYWNl",
    "passwords in addresses": "redis://ada:lovelace@",
    "private keys": "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----",
    "AWS": "AKIAIOSFODNN7EXAMPLE",
    "Google": "AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY",
    "Azure": "AccountKey=" + "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq==",
    "GitHub": "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "GitLab": "glpat-ABCDEFGHIJKLMNOPQRST",
    "Slack": "xox" + "b-123456789012-abcdefghijkl",
    "Stripe": "sk_" + "live_4eC39HqLyjWDarjtT1zdp7dc",
    "OpenAI": "sk-proj-abcdefghijklmnop0123",
    "Anthropic": "sk-ant-api03-abcdefghijklmnop0123",
    "Twilio": "SK" + "0123456789abcdef0123456789abcdef",
    "SendGrid": "SG.abcdefghijklmnopqrstuv.abcdefghijklmnopqrstuvwxyz",
    "Mailgun": "key-0123456789abcdef0123456789abcdef",
    "npm": "npm_" + "a1" * 18,
    "PyPI": "pypi-" + "AgEIcHlwaS5vcmc" * 4,
    "DigitalOcean": "dop_v1_" + "0123456789abcdef" * 4,
    "Hugging Face": "hf_" + "AbCdEfGhIj" * 4,
    "Databricks": "dapi0123456789abcdef0123456789abcdef",
    "Vault": "hvs.CAESIJabcdefghijklmnop",
    "Shopify": "shpat_0123456789abcdef0123456789abcdef",
    "Square": "sq0atp-0123456789abcdefghijkl",
    "Grafana": "glsa_" + "AbCdEfGh" * 4 + "_0123abcd",
    "Telegram": "123456789:AA" + "AbCdEfGhIjK" * 3,
}
VALUES = {
    "e-mail address": [
        "ada.lovelace+x@mail.ex-ample.co.uk",
        "ada%40example.com",
        "j\u00f6rg@b\u00fccher.example",
    ],
    "phone number": ["+49 30 1234567", "+4915112345678", "0049 151 12345678", "(555) 123-4567"],
    "card number": ["4111 1111 1111 1111", "5500-0000-0000-0004", "378282246310005"],
    "IBAN": ["DE89 3704 0044 0532 0130 00", "GB29NWBK60161331926819"],
    "IP address": ["192.168.1.17", "2001:0db8:85a3::8a2e:370:7334"],
}


def promises() -> dict[str, list[list[str]]]:
    """Return the cells of the table of rules, by the rule."""
    section = PROMISES.read_text().partition("### What is redacted")[2].partition("\n## ")[0]
    rows = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return {
        row[0].strip(): [cell.split("`")[1::2] for cell in row[1:]]
        for row in rows
        if row[0].strip() != "rule"
    }


def test_the_page_names_every_rule() -> None:
    assert list(promises()) == [rule.rule for rule in rule_table().rules]


@pytest.mark.parametrize("rule", [rule.rule for rule in rule_table().rules])
def test_the_page_promises_what_is_done(rule: str) -> None:
    names, values, instead = promises()[rule]
    assert len(names) >= 2
    for name in names:
        *around, own = name.split(".")
        data: Any = {own: "Ada of 7"}
        for each in reversed(around):
            data = {each: data}
        redacted = Redaction().data(data)
        for each in around:
            redacted = redacted[each]
        assert redacted[own] in instead, name
    for text in values:
        found: Any = Redaction().data({"x": text})
        assert found["x"] in instead, text


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_secret_is_found_wherever_it_stands(name: str) -> None:
    section = PROMISES.read_text().partition("### What is redacted")[2].partition("\n## ")[0]
    assert name in " ".join(section.split())
    secret = SECRETS[name]
    hidden = secret.partition("=")[2] or secret.partition("//")[2].strip("@") or secret
    for text in (secret, f"see {secret} there", f'{{"a": ["{secret}"]}}'):
        assert hidden not in str(Redaction().data({"x": text})), text


@pytest.mark.parametrize(
    ("rule", "text"), [(rule, text) for rule, texts in VALUES.items() for text in texts]
)
def test_a_text_is_known_by_what_it_is_wherever_it_stands(rule: str, text: str) -> None:
    hidden = [
        {"x": text},
        {"x": f"write to {text}, please"},
        {"x": [[text]]},
        {text: 1},
        {"x": json.dumps({"y": [text]})},
        {"x": json.dumps({"y": text}, separators=(",", ":"), ensure_ascii=False)},
        {"x": base64.b64encode(f"it is {text}".encode()).decode()},
        text,
    ]
    for data in hidden:
        redaction = Redaction()
        redacted = redaction.data(data)
        assert text not in json.dumps(redacted, ensure_ascii=False)
        assert {applied for _, applied in redaction.applied} == {rule}
        again = Redaction()
        again.learn([redacted])
        assert again.data(redacted) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "1.2.3", "1764372000123", "1234567890123456", "10:20:30", "127.0.0.1", "::1", "std::vector",
        "course-v1:edX+DemoX+2025", "3.14159265", "4111111111111112", "DE89370400440532013001",
        "0012345678", "+01:00", "http://localhost:8081/x", "1,234,567.89", "sha256:abcdef", "a@b",
    ],
)  # fmt: skip
def test_what_only_looks_alike_stays(text: str) -> None:
    assert Redaction().data({"x": text}) == {"x": text}


@pytest.mark.parametrize(
    "name",
    [
        "course_name", "event_name", "topicName", "hostname", "displayName", "status", "key", "id",
        "token_type", "email_verified", "phone_type", "password_changed_at", "ip_version", "city",
        "mac_address", "customer_id", "order_number", "product", "country", "microphone",
    ],
)  # fmt: skip
def test_names_that_only_look_alike_stay(name: str) -> None:
    assert Redaction().data({name: "Ada"}) == {name: "Ada"}


@pytest.mark.parametrize(
    "name",
    [
        "customer_name", "CustomerName", "customer-name", "customer.name", "CUSTOMER_NAME",
        "customerNames", "customer_name_2", "name_first", "firstname", "billTo.name",
    ],
)  # fmt: skip
def test_names_are_read_by_their_parts_however_they_are_written(name: str) -> None:
    assert Redaction().data({name: "Ada"}) == {name: "Name 1"}


def test_what_stands_around_a_field_counts() -> None:
    data = {"buyer": {"name": "Ada", "address": {"line1": "Am Wall 5", "city": "Ulm"}}}
    assert Redaction().data(data) == {
        "buyer": {"name": "Name 1", "address": {"line1": "1 Example Street", "city": "City 1"}}
    }
    assert Redaction().data({"author": "Ada Lovelace"}) == {"author": "Name 1"}
    assert Redaction().data({"author": "author-7"}) == {"author": "author-7"}


def test_numbers_are_redacted_where_a_field_says_what_they_are() -> None:
    data = {"phone": 4915112345678, "pin": 1234, "n": 4915112345678, "x": 4111111111111111}
    assert Redaction().data(data) == {
        "phone": 9000000000001,
        "pin": 9001,
        "n": 4915112345678,
        "x": 9000000000000001,
    }


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ('[ "a@b.co" ]', '[ "person-1@example.org" ]'),
        ('{"x":\t"a@b.co",\n "n": 1.50}', '{"x":\t"person-1@example.org",\n "n": 1.50}'),
        ('{"a@b.co": "\\u00fc", "pin":12345}', '{"person-1@example.org": "\\u00fc", "pin":90001}'),
        ('{"x": "a@b.co", "x": "c@d.co"}', '{"x": "person-1@example.org"}'),
    ],
)
def test_json_in_a_text_keeps_its_spacing(text: str, redacted: str) -> None:
    assert Redaction().data({"x": text}) == {"x": redacted}


def test_headers_are_redacted_by_name_and_by_value() -> None:
    redaction = Redaction()
    assert redaction.data("abc", ("headers", "X-Api-Key")) == "secret-1"
    assert redaction.data("to a@b.co", ("headers", "note")) == "to person-1@example.org"
    assert redaction.data("a", ("headers", "note")) == "a"


def test_ids_and_times_are_left_to_be_named() -> None:
    data = {"token": "0188aaaa-0000-4000-8000-000000000001", "secret": "2025-01-01T00:00:00Z"}
    assert Redaction().data(data) == data
    shouted = {"token": "0188AAAA-0000-4000-8000-000000000001"}
    assert Redaction().data(shouted) == {"token": "secret-1"}


def test_dates_of_birth_keep_their_form() -> None:
    data = [{"dob": "1990-02-03"}, {"birthDate": "1990-02-03T04:05:06.7Z"}, {"born": "3.2.1990"}]
    assert [Redaction().data(each) for each in data] == [
        {"dob": "2000-01-01"},
        {"birthDate": "2000-01-01T00:00:00.0Z"},
        {"born": "2000-01-01"},
    ]


def test_strict_replaces_every_text_that_is_not_allowed() -> None:
    redaction = Redaction(allowed=[RedactedPath.parse("$.state")], strict=True)
    data = {
        "state": "NEW",
        "email": "a@b.co",
        "note": ["free", "free", ""],
        "inner": '{"a": "x", "n": 7}',
        "at": "2025-01-01T00:00:00Z",
        "id": "0188aaaa-0000-4000-8000-000000000001",
        "n": 7,
    }
    assert redaction.data(data) == {
        **data,
        "email": "person-1@example.org",
        "note": ["redacted-1", "redacted-1", ""],
        "inner": '{"a": "redacted-2", "n": 7}',
    }
    assert redaction.data("key-7") == "redacted-3"
    assert redaction.data("redacted-3") == "redacted-3"


def test_what_is_allowed_is_left_whatever_the_rules_say() -> None:
    allowed = [RedactedPath.parse("$.contact"), RedactedPath.parse("$.headers.from")]
    redaction = Redaction([RedactedPath.parse("$..email")], allowed=allowed)
    data = {"contact": {"email": "a@b.co"}}
    assert redaction.data(data) == data
    assert redaction.data("a@b.co", ("headers", "from")) == "a@b.co"


def fits(length: int) -> Any:
    return lambda data: all(len(text) == length for text in data.values())


def test_a_text_that_the_schema_does_not_take_gets_the_shape_of_the_original() -> None:
    redaction = Redaction()
    data = {"email": "ab@c.co", "name": "B-12 Zz"}
    assert redaction.fitting(data, fits(7)) == {"email": "xx@x.xy", "name": "X-01 Xx"}
    # The same text is the same everywhere, and is known again.
    assert redaction.data({"other": "ab@c.co"}) == {"other": "xx@x.xy"}
    again = {"email": "xx@x.xy"}
    assert Redaction().data(again) == again


def test_a_text_that_the_schema_takes_in_one_form_only_is_told() -> None:
    redaction = Redaction()
    data = {"password": "OFF", "email": "a@b.co"}
    redacted = redaction.fitting(data, lambda each: each["password"] in ("ON", "OFF"))
    assert redacted == {"password": "OFF", "email": "person-1@example.org"}
    assert redaction.refused == {"OFF"}


@pytest.mark.parametrize(
    "name",
    [
        "Vorname",
        "pr\u00e9nom",
        "PR\u00c9NOM",
        "pre\u0301noms",
        "Stra\u00dfe",
        "direcci\u00f3n",
        "geburtsdatum",
    ],
)
def test_names_of_other_languages_are_known_with_their_accents(name: str) -> None:
    assert Redaction().data({name: "Ada"}) != {name: "Ada"}


@pytest.mark.parametrize(
    "text",
    [
        "https://example.com/?a=1&access_token=hunter22&b=2",
        "host=db user=app password=hunter22 dbname=x",
        "jdbc:sqlserver://db;user=app;password=hunter22;",
        "/reset?token=hunter22#top",
        "Server=db;User Id=app;Password=hunter22;",
        "DRIVER={x};SERVER=db;PWD=hunter22;UID=app",
        "endpoint=https://x.example.org;ApiKey=hunter22",
    ],
)
def test_secrets_are_found_behind_their_names(text: str) -> None:
    redaction = Redaction()
    redacted = redaction.data({"x": text})
    assert redacted == {"x": text.replace("hunter22", "secret-1")}
    again = Redaction()
    again.learn([redacted])
    assert again.data(redacted) == redacted


@pytest.mark.parametrize(("texts", "is_found"), [(1, True), (4, True), (5, False)])
def test_json_in_json_is_looked_into_so_often(texts: int, is_found: bool) -> None:
    inner: Any = {"password": "hunter22"}
    for _ in range(texts):
        inner = {"x": json.dumps(inner)}
    assert ("hunter22" not in str(Redaction().data(inner))) == is_found


def test_base64_of_what_is_no_text_is_left_alone() -> None:
    data = {"x": base64.b64encode(b"\x01\x02ada@mail.example\x03\x04").decode()}
    assert Redaction().data(data) == data
