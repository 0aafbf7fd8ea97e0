"""Orders for Celery over Kafka: a task that appends to the file it is given."""

from __future__ import annotations

import os
from pathlib import Path

from celery import Celery

app = Celery("orders", broker=f"confluentkafka://{os.environ['BOOTSTRAP']}/")
app.conf.task_default_queue = os.environ["QUEUE"]
app.conf.worker_hijack_root_logger = False
app.conf.broker_connection_retry_on_startup = True


@app.task
def note(number: int, path: str) -> None:
    with Path(path).open("a") as file:
        file.write(f"{number}\n")
