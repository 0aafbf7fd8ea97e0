"""What commands take from flags, environment and fakebus.toml, in this order."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from fakebus.cli.command_settings import complete
from fakebus.cli.main import run
from fakebus.config import command_settings_table, load_settings
from fakebus.errors import ConfigError

FILE = """
kafka = ["SASL_SSL://0.0.0.0:9000", "0.0.0.0:9001"]
registry = "http://file:1"
format = "json"
[client-config]
security.protocol = "SASL_SSL"
client.id = "file"
"""


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def completed(environ: dict[str, str] | None = None, **flags: object) -> argparse.Namespace:
    options = {**dict.fromkeys(command_settings_table()), "client_config": [], **flags}
    arguments = argparse.Namespace(**options)
    complete(arguments, environ or {})
    return arguments


def test_without_anything_there_are_defaults() -> None:
    found = completed()
    assert (found.bootstrap_server, found.registry) == ("127.0.0.1:9092", None)
    assert (found.format, found.client_config) == ("text", [])


def test_the_file_serves_every_command_and_names_its_own_bus(directory: Path) -> None:
    (directory / "fakebus.toml").write_text(FILE)
    found = completed()
    assert (found.bootstrap_server, found.registry) == ("127.0.0.1:9001", "http://file:1")
    assert found.format == "json"
    assert found.client_config == ["security.protocol=SASL_SSL", "client.id=file"]
    (directory / "fakebus.toml").write_text('bootstrap-server = ["a:1", "b:2"]\nkafka = "c:3"')
    assert completed().bootstrap_server == "a:1,b:2"


@pytest.mark.parametrize(
    ("option", "name", "given"),
    [
        ("--bootstrap-server", "bootstrap_server", ""),
        ("--bootstrap-server", "bootstrap_server", " , "),
        ("--bootstrap-server", "cluster", ""),
        ("--http", "http_url", ""),
        ("--registry", "registry", " "),
    ],
)
def test_an_address_that_is_empty_is_refused_by_the_name_of_its_option(
    option: str, name: str, given: str
) -> None:
    with pytest.raises(ConfigError, match=f"^{option} is empty: write .*, or leave it out$"):
        completed(**{name: given})


def test_an_address_that_is_empty_in_the_file_is_refused_by_its_name(directory: Path) -> None:
    (directory / "fakebus.toml").write_text('registry = " "')
    with pytest.raises(ConfigError, match="registry in the file of settings is empty: write http"):
        completed()


def test_a_cluster_named_by_a_flag_is_not_shadowed_by_the_address_of_another_bus(
    directory: Path,
) -> None:
    (directory / "fakebus.toml").write_text('http = ["127.0.0.1:9001"]')
    environ = {"FAKEBUS_HTTP_URL": "http://other:1"}
    assert completed().http_url == "http://127.0.0.1:9001"
    assert completed(environ).http_url == "http://other:1"
    assert completed(environ, bootstrap_server="k:1").http_url is None
    assert (
        completed(environ, bootstrap_server="k:1", http_url="http://h:1").http_url == "http://h:1"
    )


@pytest.mark.parametrize(
    "text",
    [
        "[client-config]\nplugin.library.paths = 'evil.so'",
        "client-config = [' sasl.kerberos.kinit.cmd =rm']",
        "client-config = 'ssl.engine.location=evil.so'",
    ],
)
def test_a_file_that_comes_with_a_checkout_runs_no_program(directory: Path, text: str) -> None:
    (directory / "fakebus.toml").write_text(text)
    with pytest.raises(ConfigError, match="runs programs"):
        completed()
    (directory / "fakebus.toml").unlink()
    given = ["plugin.library.paths=mine.so"]
    assert completed(client_config=given).client_config == given


def test_a_flag_beats_the_environment_which_beats_the_file(directory: Path) -> None:
    (directory / "fakebus.toml").write_text(FILE)
    environ = {
        "FAKEBUS_BOOTSTRAP_SERVERS": "env:1",
        "FAKEBUS_REGISTRY_URL": "http://env:1",
        "FAKEBUS_CLIENT_CONFIG": "client.id=env,acks=1",
        "FAKEBUS_FORMAT": "text",
    }
    found = completed(environ, registry="http://flag:1", client_config=["acks=all"])
    assert (found.bootstrap_server, found.registry) == ("env:1", "http://flag:1")
    assert found.format == "text"
    assert found.client_config == [
        "security.protocol=SASL_SSL",
        "client.id=file",
        "client.id=env",
        "acks=1",
        "acks=all",
    ]


def test_what_is_wrong_in_the_file_is_told_by_every_command(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = directory / "fakebus.toml"
    file.write_text("registri = 1\n")
    assert run(["topics"]) == 2
    assert "fakebus.toml: there is no setting 'registri'; did you mean registry?" in (
        capsys.readouterr().err
    )
    file.write_text('format = "xml"\n')
    with pytest.raises(ConfigError, match="'xml' is not text or json"):
        completed()
    assert completed(format="text").format == "text"


def test_a_bus_and_the_commands_share_one_file(directory: Path) -> None:
    (directory / "fakebus.toml").write_text(FILE)
    assert [address.port for address in load_settings({}, environ={}).kafka] == [9000, 9001]


def test_a_setting_for_the_output_reaches_commands_without_a_cluster(
    directory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKEBUS_FORMAT", "json")
    (directory / "fakebus.yml").touch()
    assert run(["fixtures", "check", str(directory)]) == 1
    (problem,) = json.loads(capsys.readouterr().out)
    assert problem["hint"] == 'did you mean "fakebus.yml"?'


@pytest.mark.parametrize(
    "arguments",
    [
        ["fixtures", "record", "--output", ""],
        ["fixtures", "generate", "orders", "-o", " "],
        ["fixtures", "check", ""],
        ["catalogue", "--output", ""],
        ["sql", "select 1", "--data", ""],
        ["up", "--config", ""],
        ["up", "--data", ""],
        ["up", "--fixtures", ""],
    ],
    ids=" ".join,
)
def test_an_empty_path_is_not_the_current_directory(
    arguments: list[str], directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = run(arguments)
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    assert "an empty path was given: write one, or leave it out" in capsys.readouterr().err


def test_what_sqlite_calls_memory_is_no_name_of_a_file(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["up", "--data", ":memory:"]) == 2
    assert "--memory keeps data nowhere" in capsys.readouterr().err
    assert list(directory.iterdir()) == []
    assert list(directory.iterdir()) == []
