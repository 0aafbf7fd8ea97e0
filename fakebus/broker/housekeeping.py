"""What the broker does from time to time by itself.

Retention, forgetting old producers and snapshots, compaction, the ends of transactions that nobody
ends, and leaders for partitions whose last one does not come back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from fakebus.broker.chores import Chore, FailureLog
from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.nodes import Nodes
from fakebus.broker.retention import Retention
from fakebus.clock import Clock

if TYPE_CHECKING:
    from fakebus.broker.compaction.cleaner import LogCleaner


class Housekeeping:
    """Runs retention and compaction, each in its own interval, on the broker's clock.

    Args:
        nodes: what leads the topics whose logs are looked after.
        config: gives the intervals and the age at which producer ids expire.
        clock: times the runs.
        expire_snapshots: forgets those that are too old.
        expire_transactions: aborts those that took too long, and forgets ids that nobody uses.
    """

    def __init__(
        self,
        nodes: Nodes,
        config: BrokerConfig,
        clock: Clock,
        expire_snapshots: Callable[[], Awaitable[None]],
        expire_transactions: Callable[[], Awaitable[None]],
    ) -> None:
        self._topics, self._config, self._clock = nodes.topics, config, clock
        self._retention = Retention(nodes.topics, config, clock)
        self._expire_snapshots = expire_snapshots
        self._cleaner: LogCleaner | None = None
        self._chores = (
            Chore(
                "retention",
                self._retain,
                lambda: config.get_int("log.retention.check.interval.ms"),
                clock,
            ),
            Chore(
                "compaction",
                self._compact,
                lambda: config.get_int("log.cleaner.backoff.ms"),
                clock,
            ),
            Chore(
                "the end of transactions that took too long",
                lambda _: expire_transactions(),
                lambda: config.get_int(
                    "transaction.abort.timed.out.transaction.cleanup.interval.ms"
                ),
                clock,
            ),
            Chore(
                "the election of leaders",
                lambda _: nodes.elect_unclean(),
                lambda: config.get_int("unclean.leader.election.interval.ms"),
                clock,
            ),
        )

    async def _retain(self, failures: FailureLog) -> None:
        with failures.catch("snapshots"):
            await self._expire_snapshots()
        await self._retention.run(failures)

    async def _compact(self, failures: FailureLog) -> None:
        if self._cleaner is None:
            compacted = [topic for topic in self._topics if topic.config.compact]
            if not any(log.log_end_offset for topic in compacted for log in topic.partitions):
                return
            # Most buses have nothing to compact, and are smaller without what does it.
            from fakebus.broker.compaction.cleaner import LogCleaner

            self._cleaner = LogCleaner(self._topics, self._config, self._clock)
        await self._cleaner.run(failures)

    def start(self) -> None:
        """Plan the first runs."""
        for chore in self._chores:
            chore.start()

    async def run(self) -> None:
        """Enforce retention, expire idle producers and old snapshots, and compact logs, now.

        Raises:
            Exception: the first failure; what is behind it was done all the same.
        """
        failures = [await chore.run() for chore in self._chores]
        for failure in failures:
            if failure is not None:
                raise failure

    async def close(self) -> None:
        """Plan nothing more and wait for runs under way."""
        if self._cleaner is not None:
            self._cleaner.stop()
        for chore in self._chores:
            await chore.close()
