"""Answers of Redis as bytes."""

from __future__ import annotations

import pytest

from fakebus.redis.protocol import PIECE_BYTES, Map, Parser, ProtocolError, Reply, Status, pieces


@pytest.mark.parametrize("version", [2, 3])
def test_a_large_answer_comes_in_pieces_that_together_are_what_a_small_one_is(version: int) -> None:
    def entries(size: int) -> list[Reply]:
        return [[b"%d-0" % number, [b"field", b"x" * size]] for number in range(300)]

    large: Reply = Map({"stream": entries(1000), "other": [*entries(1000), None, 7, Status("OK")]})
    found = list(pieces(large, version=version))
    assert len(found) > 5
    assert max(map(len, found)) < PIECE_BYTES + 1100
    small: Reply = Map({"stream": entries(10), "other": [*entries(10), None, 7, Status("OK")]})
    [whole] = pieces(small, version=version)
    assert b"".join(found) == whole.replace(b"$10\r\n" + b"x" * 10, b"$1000\r\n" + b"x" * 1000)


@pytest.mark.parametrize("head", [b"*", b"*1\r\n$"])
def test_a_length_of_thousands_of_digits_is_an_error_of_the_protocol(head: bytes) -> None:
    with pytest.raises(ProtocolError, match="invalid bulk length"):
        list(Parser().feed(head + b"1" * 5000 + b"\r\n"))
