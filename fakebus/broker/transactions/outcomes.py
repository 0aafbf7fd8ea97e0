"""Outcomes of what the coordinator of transactions does, told as soon as they are stored."""

from __future__ import annotations

from fakebus.broker.appending import Result
from fakebus.broker.transactions.state import ProducerIdAndEpoch


class Stored(Result[None, BaseException]):
    """Outcome of keeping a state."""

    __slots__ = ()


class Ended(Result[ProducerIdAndEpoch, BaseException]):
    """Outcome of the end of a transaction: what its producer signs with from now on."""

    __slots__ = ()
