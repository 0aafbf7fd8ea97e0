"""Orders by customer, counted exactly once: BOOTSTRAP SOURCE SINK GROUP COUNT STATE_DIR."""

from __future__ import annotations

import sys

from quixstreams import Application

bootstrap_servers, source, sink, group, count, state_dir = sys.argv[1:]
application = Application(
    broker_address=bootstrap_servers,
    consumer_group=group,
    auto_offset_reset="earliest",
    processing_guarantee="exactly-once",
    state_dir=state_dir,
    commit_interval=0.2,
)
orders = application.dataframe(application.topic(source, value_deserializer="json"))


def counted(value, state):
    number = state.get("orders", 0) + 1
    state.set("orders", number)
    return {"order": value["order"], "orders": number}


orders = orders.apply(counted, stateful=True)
orders.to_topic(application.topic(sink, value_serializer="json"))
application.run(count=int(count), timeout=60)
