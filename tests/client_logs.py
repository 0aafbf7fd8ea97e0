"""What other clients of the test process write to standard error."""

from __future__ import annotations


def without_client_logs(errors: str) -> str:
    """Leave out what librdkafka writes straight to the file descriptor.

    A client that an earlier test left behind logs there until it is collected. The commands send
    librdkafka's log through Python's logging, so such lines are never theirs.
    """
    lines = errors.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("%"))
