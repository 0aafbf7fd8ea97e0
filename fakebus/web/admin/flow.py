"""The flow of records."""

from __future__ import annotations

from fakebus.lineage.place import FlowError
from fakebus.web.admin.call import AdminCall
from fakebus.web.errors import RequestError
from fakebus.web.text_flows import LONGEST_TEXT, flow_of_text


async def read_flow(call: AdminCall) -> object:
    """Tell what caused records, what they caused, and what became of them in each group."""
    flows = call.bus.flows
    record, text = call.text("record"), call.text("find")
    depth = call.number("depth", 0) if call.text("depth") else None
    if bool(record) == bool(text):
        raise RequestError(422, "give record=TOPIC[PARTITION]@OFFSET, or find=TEXT")
    try:
        if record:
            return await flows.of_record(record[:LONGEST_TEXT], depth)
    except FlowError as error:
        raise RequestError(404, str(error)) from None
    return await flow_of_text(call.bus, text, depth)
