"""Flow of records: what caused them, what they caused, and what became of them in each group."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from fakebus.cluster.header_flows import flow_by_headers
from fakebus.errors import ConfigError
from fakebus.lineage.flow_text import FlowTree, written_ms
from fakebus.lineage.place import FlowError
from fakebus.web.console.addresses import record_url
from fakebus.web.console.browse import explain
from fakebus.web.console.call import Call, Page
from fakebus.web.console.waterfall import waterfall
from fakebus.web.errors import RequestError
from fakebus.web.text_flows import flow_asked

_MOST_ROWS = 100
_MOST_GROUPS = 20
_MOST_CAUSES = 5
_EVIDENCE = {
    "stated": "the record says so",
    "correlated": "both carry the same trace or correlation id",
    "observed": "its writer had been sent the cause and had not finished with it",
    "hinted": "the same key shortly before",
}
"""What each kind of evidence means, the strongest first."""
_UNWELL = ("skipped", "unreadable", "gone", "hidden")


async def show(call: Call) -> Page:
    """Show the flow of a record, or those of the records that a text names."""
    record, text = call.query.text("record"), call.query.text("find")
    as_of = call.query.text("as_of")
    if bool(record) == bool(text):
        raise RequestError(400, "name a record, or a text to find records by")
    try:
        if call.cluster.is_external:
            flow = await flow_by_headers(call.cluster, record=record, text=text, as_of=as_of)
        else:
            bus = call.cluster.bus("the flow of a record")
            flow = await flow_asked(bus, record, text, as_of=as_of)
    except FlowError as error:
        raise RequestError(404, str(error)) from None
    except ConfigError as error:
        raise RequestError(400, explain(error)) from None
    asked = {"record": record, "find": text, "as_of": as_of}
    return Page(template="flow.html", values={"question": asked, **_values(flow)})


def _values(flow: Mapping[str, Any]) -> dict[str, Any]:
    causes = defaultdict(list)
    for edge in flow["edges"]:
        causes[edge["to"]].append(edge)
    records = flow["records"]
    first_ms = min((ms for each in records if (ms := written_ms(each)) >= 0), default=0)
    tree = FlowTree(flow)
    steps = list(tree.steps())
    return {
        "flow": flow,
        "known": {each["record"]: each for each in records},
        "drawing": waterfall(flow),
        "delay_ms": tree.delay_ms,
        "steps": steps[:_MOST_ROWS],
        "more_steps": max(len(steps) - _MOST_ROWS, 0),
        "possible": {step.name: list(tree.possible(step.name)) for step in steps[:_MOST_ROWS]},
        "rows": [
            {
                **each,
                "at_ms": written_ms(each),
                "since_ms": written_ms(each) - first_ms if written_ms(each) >= 0 else None,
                "causes": sorted(causes[each["record"]], key=lambda edge: edge["rank"]),
                "shown_groups": each["groups"][:_MOST_GROUPS],
            }
            for each in records[:_MOST_ROWS]
        ],
        "more_rows": max(len(records) - _MOST_ROWS, 0),
        "most_causes": _MOST_CAUSES,
        "evidence": _EVIDENCE,
        "unwell": _UNWELL,
        "open": sum(
            group["state"] not in ("handled", "not_subscribed")
            for each in records
            if (each["transaction"] or {}).get("state") != "aborted"
            for group in each["groups"]
        ),
        "place_url": record_url,
    }
