"""Completion of command lines by argcomplete, as bash asks for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.cluster import Cluster
from tests.clients.python.confluent import ConfluentClient

pytestmark = pytest.mark.clients

BIN = Path(sys.executable).parent
_SCRIPT = """
eval "$(register-python-argcomplete fakebus)"
COMP_LINE="$1" COMP_POINT=${#1} COMP_TYPE=9 COMP_WORDBREAKS=$' \\t\\n"'"'"'><=;|&(:'
_python_argcomplete fakebus
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def complete(cluster: Cluster, tmp_path: Path) -> Callable[[str], list[str]]:
    bash = shutil.which("bash")
    assert bash is not None

    def proposals(line: str, servers: str = cluster.bootstrap_servers) -> list[str]:
        environ = {
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "FAKEBUS_BOOTSTRAP_SERVERS": servers,
        }
        done = subprocess.run(
            [bash, "-c", _SCRIPT, "bash", line],
            env=environ,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""
        return [word.strip() for word in done.stdout.splitlines()]

    return proposals


def test_commands_options_and_choices_are_completed(complete: Callable[[str], list[str]]) -> None:
    assert complete("fakebus t") == ["topics", "tail", "top"]
    assert complete("fakebus up --det") == ["--detach"]
    assert complete("fakebus topics --format j") == ["json"]
    assert complete("fakebus fixtures ch") == ["check"]
    assert complete("fakebus fixtures check --form") == ["--format"]


def test_topics_of_the_cluster_are_completed(
    complete: Callable[[str], list[str]], cluster: Cluster, unique: Callable[[str], str]
) -> None:
    name = unique("completed")
    client = ConfluentClient(cluster.bootstrap_servers)
    client.create_topic(name)
    client.close()
    for line in ("tail ", "produce ", "topics --delete ", "doctor --topic "):
        assert complete(f"fakebus {line}{name[:-1]}") == [name]


def test_a_cluster_that_is_not_there_completes_nothing(complete: Callable[..., list[str]]) -> None:
    assert complete("fakebus tail x", servers="127.0.0.1:9") == [""]
