"""A set in a repository of its own and two services that use it, as the guide tells it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from fakebus.cli.main import run
from tests.clients.python.test_seeding_ledger import bus
from tests.unit.fixture_files.packages import install

pytestmark = pytest.mark.clients
GUIDE = Path(__file__).parents[3] / "docs" / "how-to" / "share-a-set.md"
Fakebus = Callable[..., str]


@pytest.fixture
def fakebus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Fakebus:
    """Run a command in a repository and return what it says."""

    def call(repository: str, *words: str, code: int = 0) -> str:
        (tmp_path / repository).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / repository)
        assert run(list(words)) == code
        output, errors = capsys.readouterr()
        return output + errors

    return call


def blocks(kind: str) -> list[str]:
    return re.findall(rf"(?s)```{kind}[^\n]*\n(.*?)```", GUIDE.read_text())


def released(site: Path, project: Path, version: str) -> None:
    """Put a version of the package where pip would have put it."""
    for old in site.glob("*.dist-info"):
        for path in old.iterdir():
            path.unlink()
        old.rmdir()
    root = project / "shop_events"
    files = {
        path.relative_to(root).as_posix(): path.read_text()
        for path in root.rglob("*")
        if path.is_file() and path.suffix != ".py"
    }
    install(site, "shop-events", files, version=version)


def test_two_services_and_a_set_as_the_guide_tells_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fakebus: Fakebus
) -> None:
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(str(site))
    fakebus(".", "fixtures", "init", "--package", "shop-events")
    project = tmp_path / "shop-events"
    released(site, project, "1.0")
    assert fakebus(".", "fixtures", "check", "package:shop-events").endswith("no problems\n")
    billing, shop = (text for text in blocks("yaml") if re.search("name: (billing|shop)\\b", text))
    (event,) = blocks("json")
    for name, text in {"billing": billing, "shop": shop}.items():
        fixtures = tmp_path / name / "fixtures"
        (fixtures / "events").mkdir(parents=True)
        (fixtures / "fakebus.yaml").write_text(text)
        if "include" in text:
            (fixtures / "events" / "refund.ndjson").write_text(event)
        assert fakebus(name, "fixtures", "check") == (
            "tested with shop-events 1.0\nto pin them, run  fakebus fixtures lock fixtures\n"
            "fixtures: no problems\n"
        )
        assert fakebus(name, "fixtures", "lock").endswith("0 schemas, shop-events 1.0\n")
        assert fakebus(name, "fixtures", "lock", "--check") == ""
    with bus(None, tmp_path / "billing" / "fixtures", tmp_path / "shop" / "fixtures") as servers:
        assert len(keys(servers)) == 3

    root = project / "shop_events"
    schema = json.loads((root / "schemas" / "order.avsc").read_text())
    schema["fields"].pop()
    (root / "schemas" / "order.avsc").write_text(json.dumps(schema))
    events = root / "events" / "orders.ndjson"
    events.write_text(events.read_text().replace(', "note": "gift"', ""))
    released(site, project, "1.1")
    words = '"note" (null or string, default null) is gone, in orders-value; '
    for name, does in {
        "billing": "billing (this service) reads it, shop writes it",
        "shop": "shop (this service) writes it, billing reads it",
    }.items():
        line = f"shop-events is 1.1 now, was 1.0: {words}{does}"
        told = fakebus(name, "fixtures", "check", code=1)
        assert f"fixtures/fixtures.lock:5:1: {line}; look at what it means here, then run" in told
        assert line in fakebus(name, "fixtures", "lock", "--update")
        assert fakebus(name, "fixtures", "check").startswith("tested with shop-events 1.1\n")
    # The guide shows what is really said.
    shown = " ".join(GUIDE.read_text().split())
    assert f"shop-events is 1.1 now, was 1.0: {words}billing (this service) reads it" in shown

    schema["fields"][1]["name"] = "sum"
    (root / "schemas" / "order.avsc").write_text(json.dumps(schema))
    events.write_text(events.read_text().replace("total", "sum"))
    released(site, project, "1.2")
    told = fakebus("shop", "fixtures", "check", code=1)
    # What of its own does not fit any more is told as well.
    assert "fixtures/events/refund.ndjson:1:" in told
    assert '"total" (double) is gone, in orders-value; shop (this service) writes it' in told
    assert "refund" not in fakebus("billing", "fixtures", "check", code=1)


def keys(servers: str) -> list[bytes | None]:
    from confluent_kafka import Consumer

    consumer = Consumer({"bootstrap.servers": servers, "group.id": "billing"})
    consumer.subscribe(["orders"])
    found = []
    while (message := consumer.poll(10 if not found else 0.5)) is not None:
        found.append(message.key())
    consumer.close()
    return found


@pytest.mark.timeout(200)
def test_the_package_that_init_writes_is_built_installed_and_used(
    tmp_path: Path, fakebus: Fakebus, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = fakebus(".", "fixtures", "init", "--package", "parcel-events")
    assert "parcel-events/.gitignore\n" in told
    assert "next:  pip install -e parcel-events\n       fakebus fixtures check package:" in told
    project, venv = tmp_path / "parcel-events", tmp_path / "venv"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    monkeypatch.chdir(project)
    sh(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path))
    sh(sys.executable, "-m", "venv", "--without-pip", str(venv))
    python = venv / "bin" / "python"
    (wheel,) = tmp_path.glob("parcel_events-1.0-*.whl")
    sh(*pip, "--python", str(python), "install", "--no-deps", "--no-index", str(wheel))
    # fakebus and its clients come from where they are; nothing is downloaded.
    [packages] = venv.glob("lib/*/site-packages")
    here = sysconfig.get_path("purelib")
    (packages / "fakebus.pth").write_text(f"import site; site.addsitedir({here!r})\n")
    monkeypatch.chdir(tmp_path)
    done = sh(str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", str(project / "tests"))
    assert "2 passed" in done

    # A repository that uses it, as check-consumers.sh finds it.
    consumer = tmp_path / "billing"
    (consumer / "fixtures").mkdir(parents=True)
    (consumer / "fixtures" / "fakebus.yaml").write_text(
        "version: 1\nname: billing\nuses: [{package: parcel-events}]\n"
    )
    git = ["git", "-C", str(consumer), "-c", "user.name=n", "-c", "user.email=n@example.org"]
    sh("git", "init", "-q", str(consumer))
    sh(*git, "add", ".")
    sh(*git, "commit", "-q", "-m", "first")
    (project / "consumers.txt").write_text(f"# all\n{consumer} fixtures\n")
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    (bin_ / "fakebus").write_text(f'#!/bin/sh\nexec {python} -m fakebus "$@"\n')
    (bin_ / "fakebus").chmod(0o755)
    path = f"{bin_}{os.pathsep}{os.environ['PATH']}"
    told = sh("sh", str(project / "check-consumers.sh"), PATH=path)
    assert told.startswith(f"== {consumer}\n")
    assert "tested with parcel-events 1.0" in told
    text = "version: 1\nuses: [{package: parcel-events, profile: gone}]\n"
    (consumer / "fixtures" / "fakebus.yaml").write_text(text)
    sh(*git, "commit", "-q", "-a", "-m", "second")
    told = sh("sh", str(project / "check-consumers.sh"), code=1, PATH=path)
    # What lock has told, check does not tell again.
    assert 'the set has no profile "gone"; it has none' in told
    assert "1 problem" not in told


def sh(*words: str, code: int = 0, **environ: str) -> str:
    done = subprocess.run(
        words,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_init_overwrites_nothing_and_says_what_is_wrong(
    tmp_path: Path, fakebus: Fakebus, capsys: pytest.CaptureFixture[str]
) -> None:
    told = fakebus(".", "fixtures", "init")
    assert "next:  fakebus fixtures check fixtures" in told
    assert fakebus(".", "fixtures", "check") == "fixtures: no problems\n"
    (tmp_path / "fixtures" / "fakebus.yaml").write_text("mine")
    (tmp_path / "fixtures" / "schemas" / "order.avsc").unlink()
    told = fakebus(".", "fixtures", "init", code=2)
    assert "fixtures/events/orders.ndjson, fixtures/fakebus.yaml: there already" in told
    assert (tmp_path / "fixtures" / "fakebus.yaml").read_text() == "mine"
    assert not (tmp_path / "fixtures" / "schemas" / "order.avsc").exists()
    told = fakebus(".", "fixtures", "init", "--package", "Parcel Events", code=2)
    assert "'Parcel Events' is not a name for a package" in told
