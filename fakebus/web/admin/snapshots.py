"""Snapshots of the whole bus that have names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from fakebus.broker.saved_snapshots import (
    SavedSnapshot,
    SnapshotNameError,
    TooManySnapshotsError,
    UnknownSnapshotError,
)
from fakebus.cluster.interface import ClusterError
from fakebus.cluster.snapshot_diff import compare, emitted_records
from fakebus.web.admin.call import AdminCall
from fakebus.web.errors import RequestError

_SHOWN = 20
"""Records of each partition that are shown at most."""


@contextmanager
def _refused() -> Iterator[None]:
    try:
        yield
    except UnknownSnapshotError as error:
        raise RequestError(404, str(error)) from None
    except TooManySnapshotsError as error:
        raise RequestError(409, str(error), error_code=40901) from None
    except (ClusterError, SnapshotNameError) as error:
        raise RequestError(422, str(error)) from None


def _json(saved: SavedSnapshot, size_bytes: int) -> dict[str, object]:
    return {
        "name": saved.name,
        "taken_at_ms": saved.taken_at_ms,
        "size_bytes": size_bytes,
        "topics": saved.topics,
        "records": saved.records,
    }


async def _described(call: AdminCall, saved: SavedSnapshot) -> object:
    sizes = await call.bus.broker.saved_snapshots.sizes()
    return _json(saved, sizes.get(saved.name, saved.content_bytes))


async def list_snapshots(call: AdminCall) -> object:
    """List the snapshots, the newest first."""
    snapshots = call.bus.broker.saved_snapshots
    sizes = await snapshots.sizes()
    return [_json(each, sizes[each.name]) for each in snapshots.all() if each.name in sizes]


async def save_snapshot(call: AdminCall) -> object:
    """Take a snapshot of everything, in the place of an older one of that name."""
    with _refused():
        saved = await call.bus.broker.saved_snapshots.save(call.path("snapshot"))
    return await _described(call, saved)


async def restore_snapshot(call: AdminCall) -> object:
    """Make everything as it was at a snapshot, whatever clients are connected."""
    with _refused():
        saved = await call.bus.broker.saved_snapshots.restore(call.path("snapshot"))
    return await _described(call, saved)


async def diff_snapshots(call: AdminCall) -> object:
    """Tell what is different in a later snapshot, or now."""
    before, after = call.path("snapshot"), call.text("to") or None
    limit = call.number("limit", _SHOWN)
    with _refused():
        async with call.bus.broker.saved_snapshots.pair(before, after) as pair:
            found = await compare(call.bus, pair, limit)
    return {"from": before, "to": after, **found}


async def emitted(call: AdminCall) -> object:
    """Return the records that were not there at a snapshot, for a fixture set."""
    before, after = call.path("snapshot"), call.text("to") or None
    with _refused():
        async with call.bus.broker.saved_snapshots.pair(before, after) as pair:
            return await emitted_records(call.bus, pair)


async def delete_snapshot(call: AdminCall) -> object:
    """Forget a snapshot."""
    with _refused():
        await call.bus.broker.saved_snapshots.delete(call.path("snapshot"))
    return web.Response(status=204)
