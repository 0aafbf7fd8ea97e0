"""SQL over the bus's topics, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from fakebus.web.admin.call import AdminCall
from fakebus.web.compact_json import compact_json
from fakebus.web.connection import origin_of
from fakebus.web.errors import RequestError
from fakebus.web.large_answers import answer_in_parts

if TYPE_CHECKING:
    from fakebus.sql.answers import Answer

_BYTES_AT_ONCE = 64 * 1024


async def ask(call: AdminCall) -> object:
    """Answer a query over topics, each of which is a table of its records."""
    from fakebus.broker.turns import Pace
    from fakebus.cluster.embedded import EmbeddedCluster
    from fakebus.cluster.interface import NotFoundError
    from fakebus.errors import MissingExtraError
    from fakebus.sql.answers import answer
    from fakebus.sql.queries import BusyError, SqlError

    body = await call.body()
    query = body.pop("query", None)
    if body or not isinstance(query, str):
        raise RequestError(422, 'the body is {"query": "SELECT ..."}')
    cluster = EmbeddedCluster(call.bus, origin_of(call.request, "rest", call.bus.broker.activity))
    try:
        found = await answer(cluster, query, is_abandoned=call.is_abandoned, pace=Pace())
    except NotFoundError as error:
        raise RequestError(404, str(error)) from None
    except MissingExtraError as error:
        raise RequestError(501, str(error)) from None
    except BusyError as error:
        raise RequestError(503, str(error)) from None
    except SqlError as error:
        raise RequestError(422, str(error)) from None
    with found.rows:
        headers = {"Content-Type": "application/json"}
        return await answer_in_parts(call.request, _pieces(found), headers)


async def _pieces(found: Answer) -> AsyncIterator[bytes]:
    yield f'{{"columns":{compact_json(found.columns)},"rows":'.encode()
    while part := await asyncio.to_thread(found.rows.read, _BYTES_AT_ONCE):
        yield part
    more = {"records": found.records, "complete": found.complete}
    yield f",{compact_json(more)[1:]}".encode()
