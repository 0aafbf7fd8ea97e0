"""The list of schema languages: a new one is known wherever languages are named."""

from __future__ import annotations

import pytest

from fakebus.schemas.languages import LANGUAGES, language
from fakebus.web.console.pages.schemas import TYPES
from fakebus.web.console.payload_views import _NAMES
from fakebus.web.rest.media_types import FORMATS, SCHEMA_TYPES


@pytest.mark.parametrize("schema_type", LANGUAGES)
def test_the_smallest_schema_is_one(schema_type: str) -> None:
    assert language(schema_type).parse(LANGUAGES[schema_type].smallest).schema_type == schema_type


def test_every_language_is_known_wherever_languages_are_named() -> None:
    formats = {each.format_name for each in LANGUAGES.values()}
    assert set(TYPES) == set(SCHEMA_TYPES.values()) == set(LANGUAGES)
    assert formats == set(SCHEMA_TYPES)
    assert formats <= set(FORMATS)
    assert formats <= set(_NAMES)
