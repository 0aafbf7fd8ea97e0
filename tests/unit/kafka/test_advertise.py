"""What clients are told to connect to."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakebus.kafka.advertise import AutoAddress, FixedAddress
from fakebus.kafka.api import ClientConnection
from fakebus.processes import default_gateway


def client(host: str, local_host: str, local_port: int = 29092) -> ClientConnection:
    return ClientConnection(
        connection_id=1,
        listener_name="PLAINTEXT",
        client_host=f"/{host}",
        local_host=local_host,
        local_port=local_port,
    )


def test_a_fixed_address_is_told_to_everybody() -> None:
    address = FixedAddress("kafka.test", 0)
    assert address.for_client(client("10.0.0.9", "10.0.0.2"), 9092) == ("kafka.test", 9092)


@pytest.mark.parametrize(
    ("peer", "local", "expected"),
    [
        ("172.18.0.5", "172.18.0.2", ("172.18.0.2", 29092)),
        ("172.18.0.1", "172.18.0.2", ("localhost", 29092)),
        ("127.0.0.1", "127.0.0.1", ("127.0.0.1", 29092)),
        ("::ffff:172.18.0.5", "::ffff:172.18.0.2", ("172.18.0.2", 29092)),
    ],
)
def test_auto_tells_a_client_the_address_it_came_by(
    peer: str, local: str, expected: tuple[str, int]
) -> None:
    assert AutoAddress("172.18.0.1").for_client(client(peer, local), 29092) == expected


def test_the_default_gateway_is_read_from_the_routing_table(tmp_path: Path) -> None:
    routes = tmp_path / "route"
    routes.write_text(
        "Iface\tDestination\tGateway\tFlags\n"
        "eth0\t000012AC\t00000000\t0001\n"
        "eth0\t00000000\t010012AC\t0003\n"
    )
    assert default_gateway(routes) == "172.18.0.1"
    assert default_gateway(tmp_path / "none") is None
