"""The formats of keys and values; a new one is a file here and a line in ``FORMATS``."""

from __future__ import annotations

from fakebus.fixture_files.formats.binary import BINARY
from fakebus.fixture_files.formats.json import JSON, PYTHON_JSON
from fakebus.fixture_files.formats.msgpack import MSGPACK
from fakebus.fixture_files.formats.null import NULL
from fakebus.fixture_files.formats.string import STRING

FORMATS = {
    format_.name: format_
    for format_ in (
        BINARY,
        JSON,
        MSGPACK,
        NULL,
        PYTHON_JSON,
        STRING,
    )
}
