"""Groups that rebalance again and again under load: nothing is owned twice, and nothing is lost."""

from __future__ import annotations

import pytest

from tests.clients.cluster import Cluster
from tests.clients.rebalances import Run

pytestmark = pytest.mark.clients


@pytest.mark.parametrize(
    ("protocol", "client", "rounds"),
    [
        ("classic", "librdkafka", 6),
        ("consumer", "librdkafka", 6),
        ("both", "librdkafka", 6),
        ("classic", "both", 4),
        ("consumer", "java", 2),
    ],
)
def test_no_partition_is_owned_twice_and_no_record_lost_while_members_come_and_go(
    cluster: Cluster, protocol: str, client: str, rounds: int
) -> None:
    run = Run(cluster.bootstrap_servers, protocol, client)
    run.play(rounds)
    assert len(run.seen) > 100
