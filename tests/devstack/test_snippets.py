"""The snippets of the guides do, as they stand there, what the guides say."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from fakebus import __version__
from fakebus.addresses import Address
from fakebus.app import FakeBus
from fakebus.config import Settings, load_settings
from tests.clients.build import go_command, node_command

ROOT = Path(__file__).parents[2]
HOW_TO = ROOT / "docs" / "how-to"
TOOLS = ("check-jsonschema>=0.33", "junitparser>=4", "pre-commit>=4")

pytestmark = pytest.mark.timeout(300)


def snippets(page: str, language: str) -> list[str]:
    text = (HOW_TO / page).read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def run(
    *command: str | Path, cwd: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory with a wheel of the checkout, which stands for the release."""
    directory = tmp_path_factory.mktemp("wheels")
    command = "wheel --quiet --no-deps --no-build-isolation --wheel-dir".split()
    run(sys.executable, "-m", "pip", *command, directory, ROOT, cwd=directory)
    assert [each.name for each in directory.iterdir()] == [
        f"fakebus-{__version__}-py3-none-any.whl"
    ]
    return directory


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> dict[str, str]:
    """Environment variables of a new virtual environment, in which pip finds the release."""
    venv = tmp_path_factory.mktemp("snippets") / "venv"
    run(sys.executable, "-m", "venv", venv, cwd=wheels)
    find_links = [str(wheels), *os.environ.get("PIP_FIND_LINKS", "").split()]
    return {
        "PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "VIRTUAL_ENV": str(venv),
        "PIP_FIND_LINKS": " ".join(find_links),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of the commands of pre-commit and of validators that others have written."""
    venv = tmp_path_factory.mktemp("tools") / "venv"
    run(sys.executable, "-m", "venv", venv, cwd=ROOT)
    run(venv / "bin" / "pip", "install", "--quiet", *TOOLS, cwd=ROOT)
    return venv / "bin"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A service's repository, with fixture files and a test that speaks to Kafka."""
    shutil.copytree(ROOT / "examples" / "json-events", tmp_path / "fixtures")
    (tmp_path / "test_service.py").write_text(
        "import os\n"
        "from confluent_kafka.admin import AdminClient\n"
        "def test_kafka_is_there():\n"
        "    servers = os.environ['FAKEBUS_BOOTSTRAP_SERVERS']\n"
        "    admin = AdminClient({'bootstrap.servers': servers})\n"
        "    assert len(admin.list_topics(timeout=10).topics) > 2\n"
    )
    return tmp_path


@pytest.fixture(scope="module")
def workflow() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(snippets("ci.md", "yaml")[0])
    return found


def run_steps(
    job: dict[str, Any], directory: Path, environment: Mapping[str, str]
) -> Iterator[str]:
    for step in job["steps"]:
        assert step.keys() & {"run", "uses"}, step
        if "run" in step:
            # As a runner of GitHub does it.
            yield run(
                "bash", "-e", "-c", step["run"], cwd=directory, environment=environment
            ).stdout


def test_the_workflow_is_one(workflow: dict[str, Any], tools: Path, tmp_path: Path) -> None:
    file = tmp_path / "events.yml"
    file.write_text(snippets("ci.md", "yaml")[0])
    schema = ("--builtin-schema", "vendor.github-workflows")
    run(tools / "check-jsonschema", *schema, file, cwd=tmp_path)


def test_the_workflow_checks_and_reports(
    workflow: dict[str, Any], repository: Path, installed: dict[str, str], tools: Path
) -> None:
    job = workflow["jobs"]["fixtures"]
    list(run_steps(job, repository, installed))
    kept = [step["with"]["path"] for step in job["steps"] if "upload" in step.get("uses", "")]
    assert kept == ["fixtures.xml"]
    read = (
        "import sys, junitparser\n"
        "report = junitparser.JUnitXml.fromfile('fixtures.xml')\n"
        "print(report.tests, report.failures + report.errors)\n"
    )
    assert run(tools / "python", "-c", read, cwd=repository).stdout == "1 0\n"
    with (repository / "fixtures" / "fakebus.yaml").open("a") as manifest:
        manifest.write("\nnonsense: true\n")
    # The other system's step is the same one, and keeps the report of a failed check too.
    gitlab = yaml.safe_load(snippets("ci.md", "yaml")[1])["fixtures"]
    check = gitlab["script"][-1]
    assert check in [step.get("run") for step in job["steps"]]
    assert gitlab["artifacts"]["reports"]["junit"] == "fixtures.xml"
    environment = {**os.environ, **installed}
    done = subprocess.run(["bash", "-c", check], cwd=repository, env=environment, timeout=60)
    assert done.returncode == 1
    assert run(tools / "python", "-c", read, cwd=repository).stdout == "1 1\n"


def test_the_workflow_tests_against_the_service(
    workflow: dict[str, Any], repository: Path, installed: dict[str, str]
) -> None:
    job = workflow["jobs"]["tests"]
    service = job["services"]["kafka"]
    settings = load_settings({}, environ=service["env"], directory=Path("nowhere"))
    published = {int(port.partition(":")[2]) for port in service["ports"]}
    assert {each.port for each in (*settings.kafka, *settings.http)} == published
    assert str(settings.advertised_for(0)) == job["env"]["FAKEBUS_BOOTSTRAP_SERVERS"]
    assert f"http://localhost:{settings.http[0].port}" == job["env"]["FAKEBUS_REGISTRY_URL"]
    anywhere = Address("127.0.0.1", 0)
    here = Settings(data=None, kafka=(anywhere,), http=(anywhere,), fixtures=())
    with FakeBus.thread(here) as bus:
        addresses = {
            "FAKEBUS_BOOTSTRAP_SERVERS": bus.bootstrap_servers,
            "FAKEBUS_REGISTRY_URL": bus.http_url,
        }
        assert addresses.keys() == job["env"].keys()
        said = list(run_steps(job, repository, installed | addresses))
    assert "1 passed" in said[-1]


def test_the_hook_runs_in_pre_commit(
    repository: Path, installed: dict[str, str], tools: Path
) -> None:
    run(tools / "pre-commit", "validate-manifest", ROOT / ".pre-commit-hooks.yaml", cwd=ROOT)
    config = yaml.safe_load(snippets("ci.md", "yaml")[2])
    (hook,) = config["repos"][0]["hooks"]
    (defined,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert hook["id"] == defined["id"]
    # What pre-commit would install from the repository is there already.
    local = {**defined, "language": "system", "args": hook["args"]}
    del local["additional_dependencies"]
    run("bash", "-c", 'pip install "fakebus[json,protobuf]"', cwd=repository, environment=installed)
    (repository / ".pre-commit-config.yaml").write_text(
        json.dumps({"repos": [{"repo": "local", "hooks": [local]}]})
    )
    run("git", "init", "--quiet", cwd=repository)
    run("git", "add", "--all", cwd=repository)
    cache = {"PRE_COMMIT_HOME": str(repository / ".cache")}
    hook_run = (tools / "pre-commit", "run", "--all-files")
    assert "Passed" in run(*hook_run, cwd=repository, environment=installed | cache).stdout
    with (repository / "fixtures" / "fakebus.yaml").open("a") as manifest:
        manifest.write("\nnonsense: true\n")
    environment = {**os.environ, **installed, **cache}
    done = subprocess.run(
        [*map(str, hook_run)], cwd=repository, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "nonsense" in done.stdout


@pytest.fixture
def own_path() -> dict[str, str]:
    return {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def test_the_test_of_a_go_service_passes(tmp_path: Path, own_path: dict[str, str]) -> None:
    go_command("franz")
    for name in ("go.mod", "go.sum"):
        shutil.copy(ROOT / "tests" / "clients" / "go" / name, tmp_path)
    (snippet,) = snippets("go-and-node.md", "go")
    (tmp_path / "main_test.go").write_text(snippet)
    formatted = run("gofmt", "-l", ".", cwd=tmp_path)
    assert formatted.stdout == ""
    environment = own_path | {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod"}
    assert "ok" in run("go", "test", "./...", cwd=tmp_path, environment=environment).stdout


def test_the_test_of_a_node_service_passes(tmp_path: Path, own_path: dict[str, str]) -> None:
    modules = Path(node_command("kafkajs")[1]).parent / "node_modules"
    (tmp_path / "node_modules").symlink_to(modules)
    (snippet,) = snippets("go-and-node.md", "js")
    (tmp_path / "orders.test.mjs").write_text(snippet)
    assert "# pass 1" in run("node", "--test", cwd=tmp_path, environment=own_path).stdout


def test_the_image_of_tutor_is_built_from_a_wheel_beside_its_dockerfile(
    wheels: Path, installed: dict[str, str], tmp_path: Path
) -> None:
    templates = ROOT / "fakebus" / "tutor" / "templates" / "fakebus" / "build" / "fakebus"
    text = (templates / "Dockerfile").read_text().replace("{{ FAKEBUS_VERSION }}", __version__)
    assert "COPY Dockerfile *.whl /wheels/" in text
    (command,) = re.findall(r'RUN (pip install .*?") \\\n', text, re.DOTALL)
    words = shlex.split(command.replace("\\\n", " "))
    assert words[words.index("--find-links") + 1] == "/wheels"
    words[words.index("--find-links") + 1] = str(wheels)
    report = tmp_path / "report.json"
    dry = ("--dry-run", "--ignore-installed", "--report", report)
    run(*words, *dry, cwd=tmp_path, environment=installed)
    (own,) = [
        each["download_info"]["url"]
        for each in json.loads(report.read_text())["install"]
        if each["metadata"]["name"] == "fakebus"
    ]
    assert own.startswith(f"file://{wheels}/")


def test_a_wheel_is_made_from_what_docker_is_given(tmp_path: Path) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text().partition("\nFROM python:3.13-slim\n")[0]
    allowed = (ROOT / ".dockerignore").read_text().split()
    for line in re.findall(r"COPY (.*)", dockerfile):
        *sources, _ = line.split()
        for source in sources:
            assert f"!{source}" in allowed
            copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
            copy(ROOT / source, tmp_path / source)
    assert "pip wheel --no-deps --wheel-dir /wheels ." in dockerfile
    command = "wheel --quiet --no-deps --no-build-isolation --wheel-dir wheels .".split()
    run(sys.executable, "-m", "pip", *command, cwd=tmp_path)
    (wheel,) = (tmp_path / "wheels").glob("fakebus-*.whl")
    names = run(sys.executable, "-m", "zipfile", "-l", wheel, cwd=tmp_path).stdout
    for name in ("fakebus/web/routes.txt", "fakebus/openedx/fixtures/fakebus.yaml", "Dockerfile"):
        assert name in names


def test_the_source_distribution_has_all_that_the_tests_need(tmp_path: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("what belongs to the project is known to git only")
    kept = run("git", "ls-files", cwd=ROOT).stdout.splitlines()
    command = "build --sdist --no-isolation --outdir".split()
    run(sys.executable, "-m", *command, tmp_path, ROOT, cwd=tmp_path)
    (archive,) = tmp_path.glob("fakebus-*.tar.gz")
    with tarfile.open(archive) as source:
        names = {name.partition("/")[2] for name in source.getnames()}
    assert {name for name in kept if name not in names} == {".ci/run", ".gitattributes"}
    assert {name for name in names if name not in kept} == {"PKG-INFO"}


@pytest.mark.parametrize("command", ['pip install ".[client,pytest]"', "make wheel"])
def test_the_lines_for_a_checkout_are_in_the_readme(command: str) -> None:
    assert command in (ROOT / "README.md").read_text() + (HOW_TO / "tutor.md").read_text()
