"""``msgpack``: any JSON value as MessagePack, fields in the order of writing."""

from __future__ import annotations

from fakebus.fixture_files.formats.format import Format
from fakebus.fixture_files.problems import DataError


def _encode(data: object) -> bytes:
    import msgpack

    try:
        packed: bytes = msgpack.packb(data)
    except UnicodeEncodeError:
        raise DataError(
            "a text holds half of a surrogate pair", "write the character itself, or both halves"
        ) from None
    except OverflowError:
        raise DataError("a number has more than 64 bits", "write it as a text") from None
    except ValueError:
        raise DataError("the value is nested too deeply", "flatten it") from None
    return packed


MSGPACK = Format(name="msgpack", encode=_encode)
