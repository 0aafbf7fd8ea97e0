"""Groups whose members are killed: nothing is owned or accepted twice, and nothing is lost."""

from __future__ import annotations

import pytest

from tests.clients.cluster import Cluster
from tests.clients.crashes import Group
from tests.clients.share_crashes import ShareGroup

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]


@pytest.mark.parametrize("seed", [22])
def test_members_are_killed_while_their_group_changes_its_protocol(
    cluster: Cluster, seed: int
) -> None:
    assert Group(cluster.bootstrap_servers, seed).play(12) > 100


@pytest.mark.parametrize("seed", [1])
def test_share_consumers_are_killed_with_records_in_hand(cluster: Cluster, seed: int) -> None:
    assert ShareGroup(cluster.bootstrap_servers, seed).play(12) > 20
