"""The flow of records."""

from __future__ import annotations

from fakebus.errors import ConfigError
from fakebus.lineage.place import FlowError
from fakebus.web.admin.call import AdminCall
from fakebus.web.errors import RequestError
from fakebus.web.text_flows import flow_asked


async def read_flow(call: AdminCall) -> object:
    """Tell what caused records, what they caused, and what became of them in each group."""
    record, text = call.text("record"), call.text("find")
    depth = call.number("depth", 0) if call.text("depth") else None
    most_edges = call.number("edges", 0, least=1) if call.text("edges") else None
    if bool(record) == bool(text):
        raise RequestError(422, "give record=TOPIC[PARTITION]@OFFSET, or find=TEXT")
    try:
        return await flow_asked(call.bus, record, text, depth, call.text("as_of"), most_edges)
    except FlowError as error:
        raise RequestError(404, str(error)) from None
    except ConfigError as error:
        raise RequestError(400, str(error)) from None
