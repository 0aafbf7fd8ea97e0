"""How many partitions and replicas a new topic gets, and whether the brokers can hold them."""

from __future__ import annotations

from collections.abc import Sequence

from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.topic_requests import DEFAULT, NewTopic
from fakebus.errors import BrokerError, ErrorCode
from fakebus.wording import counted


def place(wanted: NewTopic, config: BrokerConfig, node_ids: Sequence[int]) -> tuple[int, int]:
    """Return the number of partitions of a new topic, and of replicas of each.

    Args:
        wanted: the topic.
        config: the broker's configs, which give the defaults.
        node_ids: the brokers that exist.

    Raises:
        BrokerError: INVALID_PARTITIONS, INVALID_REPLICATION_FACTOR,
            INVALID_REPLICA_ASSIGNMENT, or INVALID_REQUEST when numbers are given besides an
            assignment by hand.
    """
    if wanted.assignments:
        return _place_by_hand(wanted, node_ids)
    partitions, replicas = wanted.partitions, wanted.replication_factor
    if replicas == 0 or replicas < DEFAULT:
        raise BrokerError(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            f"the replication factor is {replicas}; it must be above 0, or -1 for the default",
        )
    if partitions == 0 or partitions < DEFAULT:
        raise BrokerError(
            ErrorCode.INVALID_PARTITIONS,
            f"the number of partitions is {partitions}; it must be above 0, or -1 for the default",
        )
    if partitions == DEFAULT:
        partitions = config.get_int("num.partitions")
    if replicas == DEFAULT:
        replicas = config.get_int("default.replication.factor")
    if replicas > len(node_ids):
        raise BrokerError(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            f"the replication factor is {replicas}, but only "
            f"{counted(len(node_ids), 'broker')} can be had",
        )
    return partitions, replicas


def _place_by_hand(wanted: NewTopic, node_ids: Sequence[int]) -> tuple[int, int]:
    if wanted.replication_factor != DEFAULT or wanted.partitions != DEFAULT:
        raise BrokerError(
            ErrorCode.INVALID_REQUEST,
            "with replicas assigned by hand the replication factor and the number of "
            "partitions must both be -1",
        )
    indexes = [index for index, _ in wanted.assignments]
    if sorted(indexes) != list(range(len(indexes))):
        raise BrokerError(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            f"the assigned partitions are {sorted(indexes)}; they must be 0, 1, 2 and so on, "
            "each of them once",
        )
    replicas = len(wanted.assignments[0][1])
    for _, broker_ids in wanted.assignments:
        check_replicas(broker_ids, replicas, node_ids)
    return len(indexes), replicas


def check_replicas(broker_ids: Sequence[int], replicas: int, node_ids: Sequence[int]) -> None:
    """Check the brokers that a client assigned to one partition.

    Args:
        broker_ids: the brokers.
        replicas: how many the topic's other partitions have.
        node_ids: the brokers that exist.

    Raises:
        BrokerError: INVALID_REPLICA_ASSIGNMENT.
    """
    problem = None
    unknown = [broker_id for broker_id in broker_ids if broker_id not in node_ids]
    twice = [broker_id for broker_id in node_ids if broker_ids.count(broker_id) > 1]
    if not broker_ids:
        problem = "a partition is assigned to no broker"
    elif unknown:
        problem = f"a partition is assigned to broker {unknown[0]}, which does not exist"
    elif twice:
        problem = f"a partition is assigned to broker {twice[0]} more than once"
    elif len(broker_ids) != replicas:
        problem = f"a partition has {counted(len(broker_ids), 'replica')}, others have {replicas}"
    if problem is not None:
        raise BrokerError(ErrorCode.INVALID_REPLICA_ASSIGNMENT, problem)
