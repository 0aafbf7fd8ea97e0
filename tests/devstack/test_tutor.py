"""The plugin in a real Tutor: what ``tutor config save`` writes with it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from fakebus import __version__
from fakebus.config import load_settings

ROOT = Path(__file__).parents[2]
LOCK = Path(__file__).parent / "tutor.lock"

Save = Callable[..., Path]


def run(*command: str, **environment: str) -> str:
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def tutor() -> str:
    """Tutor in an environment of its own, which is kept for the next run."""
    digest = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()[:12]
    venv = ROOT / ".cache" / f"tutor-{digest}"
    python = str(venv / "bin" / "python")
    if not (venv / "installed").exists():
        run(sys.executable, "-m", "venv", "--clear", str(venv))
        run(python, "-m", "pip", "install", "-q", "--require-hashes", "-r", str(LOCK))
        run(python, "-m", "pip", "install", "-q", "hatchling>=1.27", "editables>=0.5")
        (venv / "installed").touch()
    run(python, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "-e", str(ROOT))
    return str(venv / "bin" / "tutor")


@pytest.fixture
def save(tutor: str, tmp_path: Path) -> Save:
    """Return a function that saves a configuration and returns its environment's directory."""

    def save(**config: str) -> Path:
        environment = {
            "TUTOR_ROOT": str(tmp_path / "root"),
            "TUTOR_PLUGINS_ROOT": str(tmp_path / "plugins"),
        }
        run(tutor, "plugins", "enable", "fakebus", **environment)
        settings = [text for name, value in config.items() for text in ("--set", f"{name}={value}")]
        run(tutor, "config", "save", *settings, **environment)
        return tmp_path / "root" / "env"

    return save


def event_bus_settings(env: Path, service: str, mode: str) -> dict[str, str]:
    lines = (env / "apps/openedx/settings" / service / f"{mode}.py").read_text().splitlines()
    # What is assigned last counts, as for Python itself.
    return {
        name.strip(): value.strip().strip("\"'")
        for name, equals, value in (line.partition("=") for line in lines)
        if equals and name.startswith("EVENT_BUS_")
    }


def compose(env: Path, mode: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((env / mode / "docker-compose.yml").read_text())
    return content["services"]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("service", ["lms", "cms"])
@pytest.mark.parametrize("mode", ["development", "production"])
def test_services_use_the_kafka_bus(save: Save, service: str, mode: str) -> None:
    found = event_bus_settings(save(), service, mode)
    assert found["EVENT_BUS_PRODUCER"] == "edx_event_bus_kafka.create_producer"
    assert found["EVENT_BUS_CONSUMER"] == "edx_event_bus_kafka.KafkaEventConsumer"
    assert found["EVENT_BUS_KAFKA_BOOTSTRAP_SERVERS"] == "fakebus:29092"
    assert found["EVENT_BUS_KAFKA_SCHEMA_REGISTRY_URL"] == "http://fakebus:8081"
    assert found["EVENT_BUS_TOPIC_PREFIX"] == "dev"


@pytest.mark.timeout(300)
def test_services_use_the_redis_bus_on_request(save: Save) -> None:
    found = event_bus_settings(save(FAKEBUS_EVENT_BUS="redis"), "lms", "development")
    assert found["EVENT_BUS_PRODUCER"] == "edx_event_bus_redis.create_producer"
    assert found["EVENT_BUS_REDIS_CONNECTION_URL"] == "redis://fakebus:6379/"


@pytest.mark.timeout(300)
def test_the_service_is_one_that_fakebus_up_understands(save: Save) -> None:
    env = save()
    service = compose(env, "local")["fakebus"]
    assert service["image"] == f"fakebus:{__version__}"
    settings = load_settings({}, environ=service["environment"], directory=Path("nowhere"))
    advertised = {
        str(address): str(settings.advertised_for(index))
        for index, address in enumerate(settings.kafka)
    }
    assert advertised == {"0.0.0.0:29092": "fakebus:29092", "0.0.0.0:9092": "localhost:9092"}
    assert [str(address) for address in settings.redis] == ["0.0.0.0:6379"]
    assert settings.fixtures == (Path("openedx"),)
    assert "fakebus" in compose(env, "local")["lms"]["depends_on"]
    # Only a developer's machine has ports, and only for itself.
    assert "ports" not in service
    assert compose(env, "dev")["fakebus"]["ports"] == [
        "127.0.0.1:9092:9092",
        "127.0.0.1:8081:8081",
    ]


@pytest.mark.timeout(300)
def test_own_fixtures_are_mounted(save: Save) -> None:
    service = compose(save(FAKEBUS_FIXTURES_DIR="/srv/fixtures"), "local")["fakebus"]
    assert "/srv/fixtures:/fixtures:ro" in service["volumes"]
    assert service["environment"]["FAKEBUS_FIXTURES"] == "/fixtures"


@pytest.mark.timeout(300)
def test_packages_of_sets_are_installed_and_seeded(save: Save) -> None:
    env = save(
        FAKEBUS_FIXTURES='["package:parcel-events", "openedx"]',
        FAKEBUS_REQUIREMENTS='["parcel-events>=2,<3"]',
    )
    settings = load_settings({}, environ=compose(env, "local")["fakebus"]["environment"])
    assert settings.fixtures == (Path("package:parcel-events"), Path("openedx"))
    dockerfile = (env / "plugins/fakebus/build/fakebus/Dockerfile").read_text()
    assert '/wheels \\\n     "parcel-events>=2,<3"\nENV ' in dockerfile


@pytest.mark.timeout(300)
def test_the_image_is_built_from_this_version(save: Save) -> None:
    env = save()
    dockerfile = (env / "plugins/fakebus/build/fakebus/Dockerfile").read_text()
    assert f'"fakebus[fast]=={__version__}"' in dockerfile
    assert "{{" not in dockerfile
    owners = (env / "apps/permissions/setowners.sh").read_text()
    assert "setowner 10001 /mounts/fakebus" in owners
