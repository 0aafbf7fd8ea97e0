"""Kafka's own tools on a bus that they have to log in to, with the settings that it gives them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakebus.addresses import Address, KafkaAddress
from fakebus.app import BusThread, FakeBus
from fakebus.config import Settings
from fakebus.testing.embedded_bus import EmbeddedBus, bus_settings
from fakebus.testing.isolation import Isolation
from tools.kafka import CHECKOUT

pytestmark = pytest.mark.kafka

Tool = Callable[..., str]


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tool]:
    """Runs a tool with a file of settings and returns what it prints."""
    directory = tmp_path_factory.mktemp("secure")
    settings = Settings(
        data=None,
        http=(),
        kafka=(Address("127.0.0.1", 0),),
        secure=Path(directory),
        set={"delegation.token.secret.key": "a secret"},
    )
    with BusThread(FakeBus(settings)) as thread:
        bootstrap_servers = thread.bus.bootstrap_servers
        assert thread.bus.secure is not None
        thread.bus.secure.client_settings(bootstrap_servers)

        def run(name: str, file: str, *arguments: str, **token: str) -> str:
            if token:
                # A worker that has nothing but the token.
                told = (directory / file).read_text()
                password = 'username="{token_id}" password="{hmac}" tokenauth="true";'
                login = "org.apache.kafka.common.security.scram.ScramLoginModule required "
                (directory / "worker.properties").write_text(
                    "".join(
                        line
                        for line in told.splitlines(keepends=True)
                        if not line.startswith("sasl.jaas.config")
                    )
                    + f"\nsasl.jaas.config={login}{password.format_map(token)}\n"
                )
                file = "worker.properties"
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


def test_a_token_is_made_logged_in_with_and_ended(tool: Tool) -> None:
    def tokens(*arguments: str) -> str:
        return tool("DelegationTokenCommand", "java.properties", *arguments)

    renewer = ("--max-life-time-period", "-1", "--renewer-principal", "User:joe")
    made = tokens("--create", *renewer)
    row = [line.split() for line in made.splitlines() if "User:joe" in line][-1]
    token = {"token_id": row[0], "hmac": row[1]}
    mine = ("--describe", "--owner-principal", row[2])
    assert token["token_id"] in tokens(*mine)
    assert "Created topic by-token" in tool(
        "TopicCommand", "java.properties", "--create", "--topic", "by-token", **token
    )
    refused = tool("DelegationTokenCommand", "java.properties", "--create", *renewer, **token)
    assert "UnsupportedByAuthenticationException" in refused
    key = ("--hmac", token["hmac"])
    assert "Completed renew operation" in tokens("--renew", "--renew-time-period", "-1", *key)
    assert "Completed expire operation" in tokens("--expire", "--expiry-time-period", "-1", *key)
    assert token["token_id"] not in tokens(*mine)


def test_a_broker_that_has_stopped_is_unregistered() -> None:
    bus_of_three = EmbeddedBus(bus_settings(configs={}, brokers=3))
    with bus_of_three as embedded, embedded.test(Isolation.NONE) as bus:

        def cluster(*arguments: str) -> str:
            command = [sys.executable, str(CHECKOUT / "tools" / "kafka.py"), "tool", "ClusterTool"]
            command += [*arguments, "--bootstrap-server", bus.bootstrap_servers.split(",")[0]]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            return done.stdout + done.stderr

        assert "the broker 3 runs; stop it before" in cluster("unregister", "--id", "3")
        bus.brokers.stop(3)
        everybody = ("list-endpoints", "--include-fenced-brokers")
        assert cluster(*everybody).count(" fenced") == 1
        assert "Broker 3 is no longer registered" in cluster("unregister", "--id", "3")
        assert " fenced" not in cluster(*everybody)
        bus.brokers.start(3)
        assert cluster(*everybody).count("unfenced") == 3


def test_java_shows_a_token_and_logs_in_again_before_its_session_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told = tmp_path / "oauth.properties"
    told.write_text(
        "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=OAUTHBEARER\n"
        "sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule "
        'required unsecuredLoginStringClaim_sub="alice";\n'
    )
    settings = Settings(
        data=None,
        http=(),
        kafka=(KafkaAddress("127.0.0.1", 0, "SASL_PLAINTEXT"),),
        set={"sasl.enabled.mechanisms": "OAUTHBEARER", "connections.max.reauth.ms": "4000"},
    )
    with BusThread(FakeBus(settings)) as thread:

        def run(name: str, *arguments: str) -> str:
            command = [sys.executable, str(CHECKOUT / "tools" / "kafka.py"), "tool", name]
            command += ["--bootstrap-server", thread.bus.bootstrap_servers]
            command += ["--command-config", str(told), *arguments]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            return done.stdout + done.stderr

        assert "Created topic t" in run("TopicCommand", "--create", "--topic", "t")
        # Longer than two sessions, with heartbeats and fetches all the time.
        waited = run("ConsoleConsumer", "--topic", "t", "--group", "g", "--timeout-ms", "10000")
        assert "Processed a total of 0 messages" in waited
        assert "session is over" not in caplog.text
