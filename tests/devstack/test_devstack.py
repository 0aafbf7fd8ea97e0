"""The compose file and the Dockerfile, read by the libraries that Docker reads them with.

There is no container engine in these tests: what the service would be told is read from the
parsed files, and the same entrypoint is started with it on this machine.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fakebus.config import load_settings

ROOT = Path(__file__).parents[2]
CHECK = Path(__file__).parent / "check"


@pytest.fixture(scope="module")
def parsed() -> dict[str, Any]:
    if shutil.which("go") is None:
        if os.environ.get("CI"):
            pytest.fail("the Go toolchain is missing")
        pytest.skip("needs the Go toolchain")
    done = subprocess.run(
        ["go", "run", ".", str(ROOT / "docker-compose.yml"), str(ROOT / "Dockerfile")],
        cwd=CHECK,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.fixture(scope="module")
def service(parsed: dict[str, Any]) -> dict[str, Any]:
    assert list(parsed["compose"]["services"]) == ["kafka"], "one service replaces four"
    found: dict[str, Any] = parsed["compose"]["services"]["kafka"]
    return found


@pytest.mark.timeout(300)
def test_both_files_are_valid_and_without_warnings(parsed: dict[str, Any]) -> None:
    assert parsed["warnings"] is None


def test_the_service_answers_to_the_names_and_ports_of_a_devstack(service: dict[str, Any]) -> None:
    assert set(service["networks"]["default"]["aliases"]) >= {
        "edx.devstack.kafka",
        "edx.devstack.schema-registry",
        "edx.devstack.kafka-control-center",
    }
    published = {(port["host_ip"], port["published"], port["target"]) for port in service["ports"]}
    assert published == {("127.0.0.1", str(p), p) for p in (9092, 8081, 8082, 9021)}


def test_each_listener_advertises_what_its_clients_can_reach(service: dict[str, Any]) -> None:
    settings = load_settings({}, environ=service["environment"], directory=Path("nowhere"))
    advertised = {
        str(address): str(settings.advertised_for(index))
        for index, address in enumerate(settings.kafka)
    }
    assert advertised == {
        "0.0.0.0:29092": "edx.devstack.kafka:29092",
        "0.0.0.0:9092": "localhost:9092",
    }
    published = {port["target"] for port in service["ports"]}
    assert {address.port for address in settings.http} <= published
    assert [str(path) for path in settings.fixtures] == ["/fixtures"]
    mounts = {mount["target"]: mount for mount in service["volumes"]}
    assert mounts["/fixtures"]["read_only"]
    assert "/data" in mounts


def test_the_image_runs_as_an_ordinary_user_with_health_check_and_volume(
    parsed: dict[str, Any],
) -> None:
    lines = parsed["dockerfile"]
    last_stage = lines[max(i for i, line in enumerate(lines) if line.startswith("FROM")) :]
    text = "\n".join(last_stage)
    assert "USER fakebus" in text
    assert "VOLUME /data" in text
    assert "/ready" in next(line for line in last_stage if line.startswith("HEALTHCHECK"))
    assert 'ENTRYPOINT ["fakebus"]' in text
    assert "pip install" not in text, "the build tools stay in the first stage"


def test_the_entrypoint_serves_with_the_environment_of_the_compose_file(
    service: dict[str, Any], tmp_path: Path
) -> None:
    ready = tmp_path / "ready.json"
    environment = {
        "PATH": os.environ["PATH"],
        **service["environment"],
        "FAKEBUS_KAFKA": "0.0.0.0:0,0.0.0.0:0",
        "FAKEBUS_HTTP": "0.0.0.0:0",
        "FAKEBUS_FIXTURES": str(ROOT / "fixtures"),
        "FAKEBUS_DATA": str(tmp_path / "fakebus.db"),
        "FAKEBUS_READY_FILE": str(ready),
    }
    fakebus = ROOT / ".venv" / "bin" / "fakebus"
    command = [str(fakebus) if fakebus.exists() else "fakebus", "up"]
    process = subprocess.Popen(command, env=environment, cwd=tmp_path)
    try:
        for _ in range(500):
            if ready.exists() or process.poll() is not None:
                break
            try:
                process.wait(0.02)
            except subprocess.TimeoutExpired:
                continue
        from confluent_kafka.admin import AdminClient

        content = json.loads(ready.read_text())
        assert content["records"] > 0
        for index, expected in enumerate((("edx.devstack.kafka", 29092), ("localhost", 9092))):
            admin = AdminClient({"bootstrap.servers": content["kafka"][index], "log_level": 0})
            broker = next(iter(admin.list_topics(timeout=10).brokers.values()))
            assert (broker.host, broker.port) == expected
    finally:
        process.terminate()
        assert process.wait(5) == 0
