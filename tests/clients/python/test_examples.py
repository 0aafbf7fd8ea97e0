"""The examples of README and how-tos run as they stand on a Kafka that runs already."""

from __future__ import annotations

import pytest

from tests.clients.cluster import running_cluster
from tests.examples import python_blocks, run_examples

pytestmark = pytest.mark.clients


def test_the_examples_pass_on_a_cluster(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, cluster_name: str, registry_url: str
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    blocks = python_blocks().values()
    tests = sum(block.count("def test_") for block in blocks)
    ours = sum("needs=" in block or "set={" in block for block in blocks)
    # It is theirs alone: with names that are not changed, what appears meanwhile is the test's.
    with running_cluster(cluster_name, {"auto.create.topics.enable": "true"}) as alone:
        outcomes = run_examples(
            pytester,
            ["namespace", "topics", "none"],
            "--fakebus-bootstrap",
            alone.bootstrap_servers,
            "--fakebus-registry",
            registry_url,
        )
    assert outcomes.keys() == {"passed", "skipped"}
    assert outcomes["skipped"] == ours * 3
    assert outcomes["passed"] >= (tests - ours) * 3
