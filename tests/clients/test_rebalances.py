"""Groups that rebalance again and again under load: nothing is owned twice, and nothing is lost."""

from __future__ import annotations

import pytest

from tests.clients.cluster import Cluster
from tests.clients.rebalances import Run

pytestmark = pytest.mark.clients


@pytest.mark.parametrize("protocol", ["classic", "consumer", "both"])
def test_no_partition_is_owned_twice_and_no_record_lost_while_members_come_and_go(
    cluster: Cluster, protocol: str
) -> None:
    run = Run(cluster.bootstrap_servers, protocol)
    run.play(rounds=6)
    assert len(run.seen) > 100
