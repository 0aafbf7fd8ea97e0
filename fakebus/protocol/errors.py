"""What can go wrong between bytes and messages.

- ``DecodeError``: the peer sent bytes that are no such message.
- ``EncodeError``: our side made a message that has no such bytes.
"""

from __future__ import annotations

from fakebus.errors import FakebusError


class DecodeError(FakebusError):
    """The bytes are not a message of this API and version; the connection is to be closed.

    Args:
        offset: where in the frame the reader stood.
        what: what was wrong there.
    """

    def __init__(self, offset: int, what: str) -> None:
        super().__init__(f"at byte {offset}: {what}")
        self.offset = offset
        self.what = what


class EncodeError(FakebusError):
    """The message cannot be written in this version: a value is missing or out of range."""
