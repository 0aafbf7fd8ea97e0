"""The first part of the way: from this machine to a broker that answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fakebus.addresses import Address
from fakebus.cli.diagnosis.finding import Finding, fine, problem
from fakebus.cli.diagnosis.service import Service, identify
from fakebus.client.reachability import ConnectProblem, connect_problem
from fakebus.processes import port_owner

_LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1", "0.0.0.0")  # noqa: S104 - a look-up


def check_bootstrap(address: Address, *, encrypted: bool) -> Finding:
    """Return whether Kafka answers at a bootstrap address.

    Args:
        address: where clients begin.
        encrypted: whether the client is told to speak TLS.
    """
    failure = connect_problem(address)
    if failure is not None:
        return _unreachable(failure)
    service = identify(address)
    if service is Service.KAFKA and encrypted:
        return problem(
            f"{address} speaks Kafka without TLS, but the client is told to use TLS",
            "leave security.protocol out, or set it to PLAINTEXT (SASL_PLAINTEXT with a login)",
        )
    if service is Service.KAFKA or (service is Service.TLS and encrypted):
        return fine(f"{address} speaks {service.value}")
    return _not_kafka(address, service)


def _unreachable(failure: ConnectProblem) -> Finding:
    address = failure.address
    if failure.unresolved:
        return problem(
            f"{address}: {failure}",
            "check the spelling of the host name",
            "names of containers, such as kafka, exist only inside their own Docker network; from "
            "the host use 127.0.0.1 and a published port",
        )
    if failure.refused:
        return problem(
            f"{address}: {failure}",
            f"start the bus:  fakebus up --kafka {address}",
            "inside a container 127.0.0.1 is the container itself; use the name of the bus's "
            "service, or host.docker.internal, and let the bus listen on 0.0.0.0",
            "check the port: fakebus prints its addresses when it starts",
        )
    return problem(
        f"{address}: {failure}",
        "check host and port; a firewall or a wrong network looks like this",
    )


def _not_kafka(address: Address, service: Service) -> Finding:
    owner = port_owner(address) if address.host in _LOCAL_HOSTS else None
    who = f", and it is {owner}" if owner else ""
    if service is Service.HTTP:
        return problem(
            f"{address} speaks HTTP, not Kafka{who}",
            "is it the bus's own HTTP address? Kafka clients need the Kafka address, by default "
            "127.0.0.1:9092",
            f"if another program has taken the port, stop it or start the bus elsewhere, as in  "
            f"fakebus up --kafka {_elsewhere(address)}",
        )
    if service is Service.TLS:
        return problem(
            f"{address} speaks TLS{who}",
            "if it is Kafka with encryption, tell the client:  --client-config "
            "security.protocol=SSL  (SASL_SSL with a login)",
            "if it is HTTPS, it is the wrong port",
        )
    return problem(
        f"{address} accepts connections but does not answer as Kafka{who}",
        "another program has the port, or the broker is still starting or hangs",
        f"see who listens:  fakebus doctor --port-check {address}",
    )


def check_advertised(asked: Sequence[Address], told: Sequence[Address]) -> Iterator[Finding]:
    """Yield what is to be said of the addresses that the brokers tell their clients.

    Args:
        asked: the bootstrap addresses.
        told: the advertised addresses of all brokers.
    """
    for address in told:
        if address in asked:
            continue
        failure = connect_problem(address)
        if failure is not None:
            yield _wrong_advertised(asked[0], failure)
        elif identify(address) in (Service.KAFKA, Service.TLS):
            yield fine(f"the broker tells clients to use {address}, which can be reached from here")
        else:
            yield problem(
                f"the broker tells clients to use {address}, but that is not a Kafka broker",
                *_advertise_advice(asked[0]),
            )


def _wrong_advertised(asked: Address, failure: ConnectProblem) -> Finding:
    return problem(
        f"{asked} answers, but tells clients to go on to {failure.address}: {failure}. Clients "
        "connect, and then they hang or time out",
        *_advertise_advice(asked),
    )


def _advertise_advice(asked: Address) -> tuple[str, ...]:
    return (
        "fakebus: leave --advertise out (auto tells each client the address it came by), or say "
        f"--advertise {asked}",
        f"Apache Kafka: set advertised.listeners to an address that clients can reach, as in "
        f"PLAINTEXT://{asked}",
        "containers and the host need different addresses: give the broker two listeners, one "
        "for each (fakebus: --kafka twice)",
    )


def check_port(address: Address) -> Finding:
    """Return who listens on an address, for a bus that is to be started there."""
    failure = connect_problem(address)
    if failure is not None and failure.refused:
        return fine(f"{address} is free: nothing listens there")
    if failure is not None:
        return problem(f"{address}: {failure}", "check host and port")
    owner = port_owner(address)
    who = f" by {owner}" if owner else ""
    end_it = (
        f"or stop the process, if it may be stopped:  kill {owner.pid}"
        if owner
        else f"see who it is:  lsof -nP -iTCP:{address.port} -sTCP:LISTEN  or  docker ps (the "
        "process belongs to another user or container)"
    )
    return problem(
        f"{address} is taken{who}; it speaks {identify(address).value}",
        f"start the bus elsewhere, as in  fakebus up --kafka {_elsewhere(address)}",
        end_it,
    )


def _elsewhere(address: Address) -> Address:
    return address._replace(port=address.port + (1 if address.port < 65535 else -1))
