"""Kafka's own tools on a bus that they have to log in to, with the settings that it gives them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.config import Settings
from tools.kafka import CHECKOUT

pytestmark = pytest.mark.kafka

Tool = Callable[..., str]


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tool]:
    """Runs a tool with a file of settings and returns what it prints."""
    directory = tmp_path_factory.mktemp("secure")
    settings = Settings(
        data=None, http=(), kafka=(Address("127.0.0.1", 0),), secure=Path(directory)
    )
    with BusThread(FakeBus(settings)) as thread:
        bootstrap_servers = thread.bus.bootstrap_servers
        assert thread.bus.secure is not None
        thread.bus.secure.client_settings(bootstrap_servers)

        def run(name: str, file: str, *arguments: str) -> str:
            command = [sys.executable, str(CHECKOUT / "tools" / "kafka.py"), "tool", name]
            command += ["--bootstrap-server", bootstrap_servers]
            command += ["--command-config", str(directory / file), *arguments]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            return done.stdout + done.stderr

        yield run


def test_topics_are_created_by_the_user_of_services(tool: Tool) -> None:
    assert "Created topic t" in tool("TopicCommand", "java.properties", "--create", "--topic", "t")


def test_acls_are_added_listed_and_removed_by_the_super_user_alone(tool: Tool) -> None:
    acl = ("--allow-principal", "User:x", "--operation", "Read", "--topic", "x")
    prefixed = ("--resource-pattern-type", "prefixed")
    admin = "admin.java.properties"
    assert "Adding ACLs" in tool("AclCommand", admin, "--add", *acl, *prefixed)
    listed = tool(
        "AclCommand", admin, "--list", "--topic", "x-1", "--resource-pattern-type", "match"
    )
    assert "patternType=PREFIXED" in listed
    assert "principal=User:x, host=*, operation=READ, permissionType=ALLOW" in listed
    refused = tool("AclCommand", "java.properties", "--list")
    assert "ClusterAuthorizationException" in refused
    tool("AclCommand", admin, "--remove", "--force", *acl, *prefixed)
    assert "User:x" not in tool("AclCommand", admin, "--list")


def test_users_are_made_and_described(tool: Tool) -> None:
    user = ("--entity-type", "users", "--entity-name", "joe")
    made = "SCRAM-SHA-256=[iterations=8192,password=changeme]"
    admin = "admin.java.properties"
    assert "Completed" in tool("ConfigCommand", admin, "--alter", "--add-config", made, *user)
    described = tool("ConfigCommand", admin, "--describe", *user)
    assert "SCRAM-SHA-256=iterations=8192" in described
