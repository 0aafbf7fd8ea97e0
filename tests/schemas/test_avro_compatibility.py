from __future__ import annotations

import json
from typing import Any

import pytest

from fakebus.schemas.avro.language import LANGUAGE, AvroSchema
from tests.schemas.avro_pairs import PAIRS, Pair


def parsed(declared: Any) -> AvroSchema:
    return LANGUAGE.parse(json.dumps(declared))


def reads(reader: Any, writer: Any) -> bool:
    return not parsed(reader).incompatibilities(parsed(writer))


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.reason.replace(" ", "-"))
def test_data_passes_between_two_schemas_as_the_specification_says(pair: Pair) -> None:
    assert (reads(pair.new, pair.old), reads(pair.old, pair.new)) == (pair.backward, pair.forward)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.reason.replace(" ", "-"))
def test_every_schema_reads_its_own_data(pair: Pair) -> None:
    assert reads(pair.new, pair.new)
    assert reads(pair.old, pair.old)
