"""Snapshots of the whole bus: taken, gone back to, compared, and forgotten."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Mapping
from functools import partial
from typing import Any

from aiohttp import web

from fakebus.broker.saved_snapshots import SavedSnapshots, UnknownSnapshotError
from fakebus.cluster.recorded_sets import recorded_files
from fakebus.cluster.snapshot_diff import compare, emitted_topics
from fakebus.web.console.addresses import page_url
from fakebus.web.console.call import Call, Page, Redirect
from fakebus.web.console.site import attachment
from fakebus.web.errors import RequestError

_WHAT = "what a snapshot keeps"
_MOST_ROWS = 300
_MOST_LINES = 5


def _saved(call: Call) -> SavedSnapshots:
    return call.cluster.bus(_WHAT).broker.saved_snapshots


async def index(call: Call) -> Page:
    """List the snapshots, and what is different since one if that is asked."""
    snapshots, before = _saved(call), call.query.raw("before")
    after = call.query.raw("after") or None
    difference: dict[str, Any] | None = None
    if before:
        try:
            async with snapshots.pair(before, after) as pair:
                difference = await compare(call.cluster.bus(_WHAT), pair, _MOST_LINES)
        except UnknownSnapshotError as error:
            raise RequestError(404, str(error)) from None
    return Page(
        template="snapshots.html",
        values={
            "snapshots": snapshots.all()[:_MOST_ROWS],
            "sizes": await snapshots.sizes(),
            "before": before,
            "after": after,
            "difference": difference,
            "most_rows": _MOST_ROWS,
        },
    )


async def download(call: Call) -> web.Response:
    """Give the records that have come since a snapshot, as a fixture set in a ZIP archive."""
    before, bus = call.query.raw("before"), call.cluster.bus(_WHAT)
    try:
        async with _saved(call).pair(before, call.query.raw("after") or None) as pair:
            topics = await emitted_topics(bus, pair)
    except UnknownSnapshotError as error:
        raise RequestError(404, str(error)) from None
    files = await recorded_files(call.cluster, topics)
    body = await asyncio.to_thread(partial(_zipped, files))
    headers = attachment(f"emitted-since-{before}.zip", "application/zip")
    return web.Response(body=body, headers=headers)


def _zipped(files: Mapping[str, str]) -> bytes:
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in sorted(files.items()):
            archive.writestr(path, text)
    return found.getvalue()


async def save(call: Call) -> Redirect:
    """Keep how everything is now."""
    name = call.form.text("name")
    if name in {each.name for each in _saved(call).all()} and not call.form.text("replace"):
        raise RequestError(400, f"there is a snapshot {name}: tick that it may be replaced")
    await _saved(call).save(name)
    return Redirect(url=page_url("snapshots"), done=f"The snapshot {name} has been taken.")


def _confirmed(call: Call) -> str:
    name = call.form.raw("name")
    if call.form.text("confirm") != name:
        raise RequestError(400, f"nothing was done: type the snapshot's name, {name}, to confirm")
    return name


async def restore(call: Call) -> Redirect:
    """Make everything as it was."""
    name = _confirmed(call)
    await _saved(call).restore(name)
    return Redirect(url=page_url("snapshots"), done=f"Everything is as it was at {name}.")


async def delete(call: Call) -> Redirect:
    """Forget a snapshot."""
    name = _confirmed(call)
    await _saved(call).delete(name)
    return Redirect(url=page_url("snapshots"), done=f"The snapshot {name} is forgotten.")
