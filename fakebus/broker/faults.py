"""Faults on purpose, so that tests see how clients take them.

A :class:`Fault` says which requests it is for and what happens to them. The rules are decided
here, for every front end; how an effect looks is each front end's own matter. While there are
none, a request costs one look at :attr:`Faults.active`. They lie in memory only: a bus that is
started again has none.
"""

from __future__ import annotations

import itertools
import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import TypedDict, Unpack

from fakebus.broker.fault import (
    HTTP,
    KAFKA,
    Api,
    Corrupt,
    Delay,
    Disconnect,
    Duplicate,
    Effect,
    Fail,
    Fault,
    Names,
    StorageFull,
    Throttle,
    error_named,
    status_named,
)
from fakebus.clock import Clock
from fakebus.errors import ErrorCode, StorageError
from fakebus.protocol import codec
from fakebus.protocol.api_keys import ApiKey
from fakebus.storage.interface import PendingWrites
from fakebus.wording import close_names, duration

logger = logging.getLogger("fakebus.broker")

MOST_FAULTS = 1000
"""That may be on at once: every request is held against all of them."""
LARGEST = 1_000_000_000
"""Of the numbers that people give for a fault."""
_NAMES_OF_REQUESTS = (
    "say an API of Kafka such as 'Produce', a route of HTTP such as 'GET /subjects', or, where "
    "fakebus serves Redis, a command such as 'XADD'"
)


class Aim(TypedDict, total=False):
    """Choice of requests that something happens to, as :meth:`Faults.fail` takes it."""

    topic: str | None
    group: str | None
    client_id: str | None
    count: int | None
    probability: float
    for_s: float | None


class Faults:
    """Faults of one bus; they may be added and removed in any thread.

    Args:
        rebalance: lets the members of a group join again; returns whether there is one.
        clock: says when one has ended.
        writes: what fails when the disk is to be full.
    """

    def __init__(
        self,
        rebalance: Callable[[str], bool],
        clock: Clock,
        writes: PendingWrites | None = None,
    ) -> None:
        self.rebalance_group = rebalance
        """Called in the thread of :meth:`rebalance`."""
        self.on_fired: Callable[[str, str], None] = lambda client_id, fault: None
        """Told of the client and what it meets."""
        self._writes = writes
        self.active: list[Fault] = []
        """The faults that may still happen, unless their time is over by now."""
        self._all: deque[Fault] = deque(maxlen=10 * MOST_FAULTS)
        self._clock = clock
        self._numbers = itertools.count(1)
        self._served: dict[str, Api] = {}
        self._real_name: Callable[[str], str] = str

    def serve(self, front_end: str, names: Iterable[str]) -> None:
        """Make the requests of a front end known.

        Args:
            front_end: which one.
            names: of its kinds of requests.
        """
        self._served |= {_normal(name): Api(front_end, name) for name in names}

    def in_force(self) -> list[Fault]:
        """Return the faults that may still happen, oldest first."""
        now_s = self._clock.monotonic()
        for fault in tuple(self.active):
            if fault.until_s is not None and fault.until_s <= now_s:
                fault.remove()
        return list(self.active)

    def find(self, api: Api, client_id: str, topics: Names, groups: Names) -> Effect | None:
        """Return what happens to a request instead of the usual, and count it.

        Args:
            api: the kind of request.
            client_id: what the client calls itself.
            topics: returns the topics that the request names.
            groups: returns the groups that the request names.
        """
        fault = self.choose(api, client_id, topics, groups)
        if fault is None:
            return None
        self.happen(fault, client_id)
        return fault.effect

    def choose(self, api: Api, client_id: str, topics: Names, groups: Names) -> Fault | None:
        """Return the fault that happens to a request, as :meth:`find`, without counting it."""
        for fault in self.in_force():
            if fault.is_for(api, client_id, topics, groups):
                return fault
        return None

    def happen(self, fault: Fault, client_id: str) -> None:
        """Count that a fault has happened, and tell of it."""
        fault.fired += 1
        if fault.left == 0:
            fault.remove()
        self.on_fired(client_id, fault.description)

    def storage_failure(self) -> StorageError | None:
        """Return why what is to be written now cannot be, if a fault wants the disk to be full."""
        full = [each for each in self.in_force() if isinstance(each.effect, StorageFull)]
        if not full and self._writes is not None:
            self._writes.refusal = None
        for fault in full:
            if fault.is_drawn():
                self.happen(fault, "")
                return StorageError("the disk is full: a fault wants it so")
        return None

    def use_names(self, real_name: Callable[[str], str]) -> None:
        """Find topics and groups under other names than those that faults are given.

        Args:
            real_name: returns the name on the bus.
        """
        self._real_name = real_name

    def fail(
        self,
        *,
        api: str,
        error: str,
        partial: bool = False,
        partition: int | None = None,
        **aim: Unpack[Aim],
    ) -> Fault:
        """Answer requests with an error, without carrying them out.

        The whole request fails, also for other topics that it names, unless it is to fail partly.

        Args:
            api: Kafka's name of the API, as in ``Produce``; a command of Redis, as in ``XADD``;
                or a route of HTTP, as in ``POST /subjects/{subject}/versions``.
            error: Kafka's name of the error, as in ``NOT_LEADER_OR_FOLLOWER``; for a route also
                the number of an HTTP status, as in ``503``.
            partial: whether the request fails for ``topic`` only, which has to be given, and is
                carried out for the others that it names. Of requests of Kafka only.
            partition: the one partition of the topic for which the request fails.
            aim: ``topic``, ``group`` and ``client_id``: only requests that name this topic, or are
                of this consumer group or client; ``count``: how often, once when left out and
                always for ``None``; ``probability``: how likely it is for each of the requests,
                from 0 to 1; ``for_s``: after how many seconds it ends by itself.

        Raises:
            LookupError: there is no such API or error, or the bus does not serve the API.
            ValueError: ``count`` or ``for_s`` is not above 0, ``probability`` not between 0
                and 1, or what is to fail partly names no topic.
        """
        served = self.api_named(api)
        what, partial = f"fail {api} with {error}", partial or partition is not None
        if served.front_end == HTTP and error.isdecimal():
            effect = Fail(ErrorCode.UNKNOWN_SERVER_ERROR, status_named(error))
        else:
            effect = Fail(error_named(error), partial=partial, partition=partition)
        if partial:
            if served.front_end != KAFKA or aim.get("topic") is None:
                raise ValueError("what fails partly is a request of Kafka, for a topic")
            if partition is not None and partition < 0:
                raise ValueError(f"a topic has no partition {partition}: they count from 0")
            what += " for this topic alone" if partition is None else f" for partition {partition}"
        return self._add(what, effect, api, **aim)

    def delay(self, *, seconds: float, api: str | None = None, **aim: Unpack[Aim]) -> Fault:
        """Carry requests out at once, and answer them later.

        Args:
            seconds: how much later, on the machine's clock.
            api: as for :meth:`fail`; any of Kafka's when left out.
            aim: as for :meth:`fail`.

        Raises:
            LookupError: there is no such API, or the bus does not serve it.
            ValueError: ``seconds`` is negative, or as for :meth:`fail`.
        """
        if not 0 <= seconds <= LARGEST:
            raise ValueError(f"a delay is 0 to {LARGEST} seconds")
        what = f"delay {api or 'any request'} by {seconds:g} s"
        return self._add(what, Delay(seconds), api, **aim)

    def throttle(self, *, seconds: float, api: str | None = None, **aim: Unpack[Aim]) -> Fault:
        """Answer requests of Kafka at once, say that the client is to wait, and do not read on.

        Its connection is silent for so long, as if it had used up a quota (KIP-219).

        Args:
            seconds: how long the client has to wait, on the machine's clock.
            api: as for :meth:`delay`.
            aim: as for :meth:`fail`.

        Raises:
            LookupError: there is no such API of Kafka, or the bus does not serve it.
            ValueError: ``seconds`` is negative, or as for :meth:`fail`.
        """
        if not 0 <= seconds <= LARGEST:
            raise ValueError(f"a client waits for 0 to {LARGEST} seconds")
        if api is not None and self.api_named(api).front_end != KAFKA:
            raise ValueError(f"{api} has no throttling: it is no request of Kafka")
        what = f"throttle {api or 'any request'} for {seconds:g} s"
        return self._add(what, Throttle(seconds), api, **aim)

    def disconnect(
        self,
        *,
        api: str | None = None,
        before: bool = False,
        after: bool = False,
        **aim: Unpack[Aim],
    ) -> Fault:
        """Close the connection instead of answering.

        Args:
            api: as for :meth:`delay`.
            before: close it before the request is carried out.
            after: close it when the request was carried out, in place of its answer.
            aim: as for :meth:`fail`.

        Raises:
            LookupError: there is no such API, or the bus does not serve it.
            ValueError: not exactly one of ``before`` and ``after`` is given, or as for
                :meth:`fail`.
        """
        if before == after:
            raise ValueError("say either before=True or after=True")
        what = f"disconnect {'before' if before else 'after'} {api or 'any request'}"
        return self._add(what, Disconnect(before), api, **aim)

    def corrupt(self, **aim: Unpack[Aim]) -> Fault:
        """Flip a bit in what is fetched, which stays right on the bus.

        Clients that check the checksums of batches notice, and most fetch again.

        Args:
            aim: as for :meth:`fail`; it happens to fetches that bring records.

        Raises:
            ValueError: as for :meth:`fail`.
        """
        return self._add("corrupt what is fetched", Corrupt(), "Fetch", **aim)

    def duplicate(self, **aim: Unpack[Aim]) -> Fault:
        """Write what is produced twice, as a producer does that has lost the first answer.

        Batches of transactions stay single; what an idempotent producer sends does not.

        Args:
            aim: as for :meth:`fail`.

        Raises:
            ValueError: as for :meth:`fail`.
        """
        return self._add("write twice what is produced", Duplicate(), "Produce", **aim)

    def fill_storage(
        self, *, count: int | None = None, probability: float = 1.0, for_s: float | None = None
    ) -> Fault:
        """Let writes fail as if the disk were full: records, commits, schemas, whatever is kept.

        Args:
            count: how many writes fail, of which one may hold what several clients wrote at once;
                all when left out.
            probability: as for :meth:`fail`.
            for_s: as for :meth:`fail`.

        Raises:
            ValueError: as for :meth:`fail`.
        """
        aim: Aim = {"count": count, "probability": probability, "for_s": for_s}
        fault = self._add("let the disk be full", StorageFull(), None, **aim)
        if self._writes is not None:
            # Else a write has nothing to ask.
            self._writes.refusal = self.storage_failure
        return fault

    def get(self, number: str) -> Fault:
        """Return a fault that may still happen; LookupError if there is none of that number."""
        for fault in self.in_force():
            if str(fault.number) == number:
                return fault
        raise LookupError(f"no fault {number[:80]!r} is on; look at fakebus faults")

    @property
    def names(self) -> list[str]:
        """The kinds of requests that are served: APIs of Kafka, commands of Redis, routes."""
        return sorted({api.name for api in self._served.values()})

    def rebalance(self, group: str) -> None:
        """Let the members of a group join again, now.

        Args:
            group: the consumer group.

        Raises:
            LookupError: there is no such group.
        """
        if not self.rebalance_group(self._real_name(group)):
            raise LookupError(f"there is no group {group}")

    def _add(
        self,
        description: str,
        effect: Effect,
        api: str | None,
        *,
        topic: str | None = None,
        group: str | None = None,
        client_id: str | None = None,
        count: int | None = 1,
        probability: float = 1.0,
        for_s: float | None = None,
    ) -> Fault:
        if len(self.active) >= MOST_FAULTS:
            raise ValueError(f"{MOST_FAULTS} faults are on, which every request is held against")
        if count is not None and count < 1:
            raise ValueError("a fault happens once at least: say from 1 on how often, or always")
        if not 0 < probability <= 1:
            raise ValueError("a probability is above 0 and up to 1")
        if for_s is not None and not for_s > 0:
            raise ValueError("a fault is in force for more than 0 seconds")
        wanted = {"topic": topic, "group": group, "client_id": client_id}
        details = [f"{noun} {name}" for noun, name in wanted.items() if name is not None]
        fault = Fault(
            number=next(self._numbers),
            description=", ".join([description, *details]),
            effect=effect,
            api=None if api is None else self.api_named(api),
            topic=None if topic is None else self._real_name(topic),
            group=None if group is None else self._real_name(group),
            client_id=client_id,
            count=count,
            probability=probability,
            since_ms=self._clock.now_ms(),
            until_s=None if for_s is None else self._clock.monotonic() + for_s,
            remove_from=self.active,
        )
        self.active.append(fault)
        self._all.append(fault)
        ends = "" if for_s is None else f", for {duration(for_s)}"
        logger.info("fault %d is on: %s%s", fault.number, fault, ends)
        return fault

    @property
    def never_fired(self) -> list[Fault]:
        """The faults since :meth:`clear` that have not happened."""
        return [fault for fault in self._all if not fault.fired]

    def clear(self) -> None:
        """Remove all faults."""
        for fault in tuple(self.active):
            fault.remove()
        self._all.clear()

    def api_named(self, name: str) -> Api:
        """Return a kind of request that is served; LookupError if there is none of that name."""
        served = self._served.get(_normal(name))
        if served is not None:
            return served
        if _normal(name) in map(_normal, map(codec.api_name, ApiKey)):
            raise LookupError(f"fakebus does not serve the API {name}: no client sends it")
        near = close_names(name[:80], self.names, 1)
        hint = f"; did you mean {near[0]!r}?" if near else f": {_NAMES_OF_REQUESTS}"
        raise LookupError(f"no request is called {name[:80]!r} here{hint}")


def _normal(name: str) -> str:
    return name.replace("_", "").lower()
