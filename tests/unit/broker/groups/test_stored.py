from __future__ import annotations

import pytest

from fakebus.broker.groups.stored import pack, unpacked
from fakebus.errors import StorageError


def test_what_is_packed_is_unpacked() -> None:
    with unpacked("g", pack("share", {"epoch": 3})) as fields:
        assert fields == {"version": 1, "type": "share", "epoch": 3}


@pytest.mark.parametrize("snapshot", [b"[]", b"null", b"{", b"{}", b'{"version": 2}', b"\xff"])
def test_a_snapshot_that_cannot_be_read_names_its_group(snapshot: bytes) -> None:
    with pytest.raises(StorageError, match="the stored state of group g"), unpacked("g", snapshot):
        pass
