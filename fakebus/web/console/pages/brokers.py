"""Brokers and their configs."""

from __future__ import annotations

from fakebus.web.console.addresses import page_url
from fakebus.web.console.call import Call, Page, Redirect


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
    nodes = None if call.cluster.is_external else call.cluster.bus("brokers").broker.nodes
    running = {broker.node_id for broker in brokers}
    return Page(
        template="brokers.html",
        values={
            "brokers": brokers,
            "several": nodes is not None and not nodes.single,
            "stopped": [each for each in nodes.ids if each not in running] if nodes else [],
            "node_id": node_id,
            "configs": configs,
            "wanted": call.query.text("q"),
            "every": every,
        },
    )


async def stop(call: Call) -> Redirect:
    """Stop a broker: its clients are dropped, and others lead what it has led."""
    node_id = call.form.number("broker", -1)
    await call.cluster.bus("how brokers are stopped").broker.nodes.stop(node_id)
    return Redirect(url=page_url("brokers"), done=f"Broker {node_id} is stopped.")


async def start(call: Call) -> Redirect:
    """Start a broker again, at the address that it had."""
    node_id = call.form.number("broker", -1)
    await call.cluster.bus("how brokers are started").broker.nodes.start(node_id)
    return Redirect(url=page_url("brokers"), done=f"Broker {node_id} runs again.")
