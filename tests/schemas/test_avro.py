from __future__ import annotations

import json

import pytest

from fakebus.schemas.avro.language import LANGUAGE
from fakebus.schemas.interface import SchemaDataError


def test_key_schemas_of_open_edx_are_all_the_same_string() -> None:
    texts = ['{"name": "course_key", "type": "string"}', '{"type": "string"}', '"string"']

    assert {LANGUAGE.parse(text).canonical for text in texts} == {'"string"'}


def test_data_comes_back_as_it_was_written() -> None:
    record = {"type": "record", "name": "User", "fields": [{"name": "id", "type": "long"}]}
    schema = LANGUAGE.parse(json.dumps(record))

    assert schema.encode({"id": 5}) == b"\x0a"
    assert schema.decode(b"\x0a") == {"id": 5}


def test_an_unknown_field_is_named_with_what_it_may_mean() -> None:
    record = {"type": "record", "name": "User", "fields": [{"name": "email", "type": "string"}]}

    with pytest.raises(SchemaDataError, match=r"^\$: User has no field 'mail'.* mean 'email'"):
        LANGUAGE.parse(json.dumps(record)).encode({"mail": "a@b.c"})
