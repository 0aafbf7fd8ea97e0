"""Brokers and their configs."""

from __future__ import annotations

from fakebus.web.console.call import Call, Page


async def index(call: Call) -> Page:
    """List brokers, and the configs of one."""
    brokers = await call.cluster.brokers()
    node_id = call.query.number("id", brokers[0].node_id if brokers else 0)
    wanted, every = call.query.text("q").lower(), bool(call.query.text("all"))
    configs = [
        config
        for config in await call.cluster.broker_configs(node_id)
        if wanted in config.name.lower() and (every or wanted or not config.is_default)
    ]
    return Page(
        template="brokers.html",
        values={
            "brokers": brokers,
            "node_id": node_id,
            "configs": configs,
            "wanted": call.query.text("q"),
            "every": every,
        },
    )
