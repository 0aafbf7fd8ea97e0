"""Options and pytest fixtures of the client scenarios."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest

from tests.clients.cluster import CLUSTERS, Cluster, GivenCluster, running_cluster

# Some files import it, and others have it as their plugin: whichever of them comes first.
pytest.register_assert_rewrite("tests.clients.program_fixtures")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cluster",
        choices=sorted(CLUSTERS),
        default="fakebus",
        help="what the client scenarios run on: fakebus, or a real Apache Kafka (needs Java 17)",
    )


@pytest.fixture(scope="session")
def cluster_name(request: pytest.FixtureRequest) -> str:
    """The kind of cluster asked for."""
    # Without tests/clients among pytest's arguments this file is read too late for the option.
    return str(request.config.getoption("--cluster", default="fakebus"))


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest, cluster_name: str) -> Iterator[Cluster]:
    """One cluster for all scenarios; each uses topic and group names of its own."""
    given = request.config.getoption("--fakebus-bootstrap")
    if given:
        yield GivenCluster(given)
        return
    with running_cluster(cluster_name) as running:
        yield running


@pytest.fixture
def unique() -> Callable[[str], str]:
    """Make a topic, group or client name that no other scenario uses."""
    return lambda noun: f"{noun}-{uuid.uuid4().hex[:12]}"
