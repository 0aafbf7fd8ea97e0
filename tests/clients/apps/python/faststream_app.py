"""Answers orders with FastStream until COUNT are answered: BOOTSTRAP SOURCE SINK GROUP COUNT."""

from __future__ import annotations

import sys

from faststream import FastStream
from faststream.kafka import KafkaBroker

bootstrap_servers, source, sink, group, count = sys.argv[1:]
broker = KafkaBroker(bootstrap_servers)
app = FastStream(broker)
answered = 0


@broker.subscriber(source, group_id=group, auto_offset_reset="earliest")
@broker.publisher(sink)
async def answer(order: dict) -> dict:
    global answered
    answered += 1
    if answered == int(count):
        app.exit()
    return {"answered": order["order"]}


if __name__ == "__main__":
    import asyncio

    asyncio.run(app.run())
