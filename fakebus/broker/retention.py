"""Retention: records that are too old or too many go (retention.ms, retention.bytes).

Producers that have been idle for too long are forgotten on the same round, as in Kafka.
"""

from __future__ import annotations

import logging

from fakebus.broker.chores import FailureLog
from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.partition_log import PartitionLog
from fakebus.broker.topics import Topics
from fakebus.clock import Clock

logger = logging.getLogger("fakebus.broker")


class Retention:
    """Retention of the records and the producers of all logs.

    Args:
        topics: whose logs are looked after.
        config: gives the age at which producer ids expire.
        clock: gives the time that ages are measured by.
    """

    def __init__(self, topics: Topics, config: BrokerConfig, clock: Clock) -> None:
        self._topics = topics
        self._config = config
        self._clock = clock

    async def run(self, failures: FailureLog) -> None:
        """Delete what is too old or too much; a log that fails is left for the next run."""
        now_ms = self._clock.now_ms()
        oldest_ms = now_ms - self._config.get_int("producer.id.expiration.ms")
        for topic in self._topics:
            for log in topic.partitions:
                with failures.catch(str(log.topic_partition)):
                    log.producers.expire(oldest_ms)
                    await self._enforce(log, now_ms)

    async def _enforce(self, log: PartitionLog, now_ms: int) -> None:
        cut = await log.retention_cut(now_ms)
        if cut is not None and not log.deleted:
            logger.info(
                "retention deletes the records of %s from offset %d to %d",
                log.topic_partition,
                log.log_start_offset,
                cut - 1,
            )
            first = log.log_start_offset
            await log.delete_records(cut)
            self._topics.note(
                "records deleted", log.topic_partition, (first, cut - 1), detail="retention"
            )
