"""Settings: which source wins, and what is said about a bad value."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from fakebus.addresses import Address, http_url, parse_address, parse_kafka_address, protocol_of
from fakebus.client.bus_http import BusHttp
from fakebus.client.registry import RegistryClient
from fakebus.config import (
    KINDS,
    LOG_FORMATS,
    LOG_LEVELS,
    Settings,
    load_settings,
    settings_table,
    unknown_variables,
)
from fakebus.errors import ConfigError, FakebusError


def load(
    flags: dict[str, list[str]] | None = None,
    environ: dict[str, str] | None = None,
    toml: str | None = None,
    *,
    directory: Path,
) -> Settings:
    if toml is not None:
        (directory / "fakebus.toml").write_text(toml)
    return load_settings(flags or {}, environ=environ or {}, directory=directory)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:9092", ("127.0.0.1", 9092)),
        ("localhost:0", ("localhost", 0)),
        (":9093", ("127.0.0.1", 9093)),
        ("[::1]:9092", ("::1", 9092)),
        ("[::1]", ("::1", 5)),
        ("kafka", ("kafka", 5)),
    ],
)
def test_addresses_are_read(text: str, expected: tuple[str, int]) -> None:
    assert parse_address(text, 5) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("host:99999", "port must be a number"),
        ("host:-1", "port must be a number"),
        (f"host:{'1' * 5000}", "port must be a number"),
        ("host:\uff19", "port must be a number"),
        ("::1:9092", "write an IPv6 address as"),
        ("", "write HOST:PORT"),
        ("host:", "write HOST:PORT"),
        ("[::1", r"^'\[::1' is not host:port: write 127.0.0.1:9092, or \[::1\]:9092"),
        ("http://h:1", "^'http://h:1' is not host:port: write 127.0.0.1:9092"),
        ("a\x1b[31m:9092", r"^'a\\x1b\[31m:9092' is not an address"),
        ("a\nb:9092", r"^'a\\nb:9092' is not an address"),
        ("two words:9092", "write HOST:PORT"),
        ("\udcff:9092", "write HOST:PORT"),
        ("a..b:1", "cannot be the name of a host"),
        (f"{'a' * 64}.org:1", "cannot be the name of a host"),
    ],
)
def test_a_bad_address_is_explained(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        parse_address(text, 5)


def test_a_null_character_is_refused_where_it_came_from(tmp_path: Path) -> None:
    toml = 'data = "a\\u0000b"\n'
    with pytest.raises(ConfigError, match=r"toml: data: a null character"):
        load({}, {}, toml, directory=tmp_path)


def test_addresses_print_as_they_are_written() -> None:
    assert str(Address("::1", 9092)) == "[::1]:9092"
    assert str(Address("localhost", 1)) == "localhost:1"


def test_a_flag_beats_the_environment_which_beats_the_file(tmp_path: Path) -> None:
    toml = 'kafka = ["f:1"]\nhttp = ["f:2"]\nlog-level = "error"\n'
    settings = load(
        {"kafka": ["flag:1"]},
        {"FAKEBUS_KAFKA": "env:1", "FAKEBUS_HTTP": "env:2, env:3"},
        toml,
        directory=tmp_path,
    )
    assert settings.kafka == (("flag", 1),)
    assert settings.http == (("env", 2), ("env", 3))
    assert settings.log_level == "error"


def test_broker_configs_are_merged_key_by_key(tmp_path: Path) -> None:
    toml = "[set]\nnum.partitions = 3\nauto.create.topics.enable = false\n"
    settings = load(
        {"set": ["num.partitions=5"]},
        {"FAKEBUS_SET": "log.retention.ms=7,num.partitions=4"},
        toml,
        directory=tmp_path,
    )
    assert settings.set == {
        "num.partitions": "5",
        "log.retention.ms": "7",
        "auto.create.topics.enable": "false",
    }


def test_memory_and_data_exclude_each_other_across_sources(tmp_path: Path) -> None:
    assert load(directory=tmp_path).data == Path("fakebus.db")
    assert load({"memory": ["true"]}, directory=tmp_path).data is None
    assert load({"data": ["x.db"]}, {"FAKEBUS_MEMORY": "true"}, directory=tmp_path).data == Path(
        "x.db"
    )
    assert load({}, {"FAKEBUS_MEMORY": "1"}, 'data = "x.db"\n', directory=tmp_path).data is None


def test_fixtures_beside_the_command_are_found_by_themselves(tmp_path: Path) -> None:
    assert load(directory=tmp_path).fixtures == ()
    (tmp_path / "fixtures").mkdir()
    (tmp_path / "fixtures" / "fakebus.yaml").write_text("version: 1\n")
    assert load(directory=tmp_path).fixtures == (tmp_path / "fixtures",)


@pytest.mark.parametrize(
    ("flags", "environ", "toml", "says"),
    [
        ({"set": ["oops"]}, {}, None, "flag --set: 'oops' is not KEY=VALUE"),
        ({"ready_file": ["r"], "kafka": ["x:y"]}, {}, None, "flag --kafka: 'x:y'"),
        ({}, {"FAKEBUS_LOG_LEVEL": "loud"}, None, "FAKEBUS_LOG_LEVEL: 'loud' is not one of"),
        ({}, {"FAKEBUS_MEMORY": "maybe"}, None, "neither true nor false"),
        ({}, {}, "kafkaa = 1\n", "there is no setting 'kafkaa'; did you mean kafka?"),
        ({}, {}, "xyzqw = 1\n", "there is no setting 'xyzqw'; there are fixtures, "),
        ({}, {}, "data = 'x'\nmemory = true\n", "memory and data exclude each other"),
        ({}, {"FAKEBUS_DATA": "x", "FAKEBUS_MEMORY": "1"}, None, "FAKEBUS_MEMORY and data exclude"),
        ({}, {}, "kafka = [\n", "cannot be read as TOML"),
        ({}, {}, f"brokers = {'1' * 5000}\n", "as TOML: a number has too many digits"),
        ({}, {}, f"kafka = {'[' * 5000}", "is nested too deeply"),
        ({}, {}, f"[set]\na{'.a' * 3000} = 1\n", "is no name of a config|is nested too deeply"),
        ({}, {}, "kafka = {a = 1}\n", "kafka must be a text"),
        ({"brokers": ["0"]}, {}, None, "--brokers 0: it is 1 to 20"),
        ({"brokers": ["x"]}, {}, None, "'x' is not a number"),
        ({"kafka": ["24300"]}, {}, None, "24300' is a port alone: write 127.0.0.1:24300"),
        ({"redis": ["6379"]}, {}, None, "6379' is a port alone"),
        ({"kafka": ["a:1,b:2,x:y"]}, {}, None, "flag --kafka: 'x:y'"),
        ({"kafka": ["a:1", "b:2", "c:3"], "advertise": ["a:1", "b:2"]}, {}, None, "one for each"),
        ({"advertise": ["0.0.0.0:9092"]}, {}, None, "all addresses of a machine.*or auto"),
        ({"advertise": ["[::]:9092"]}, {}, None, "all addresses of a machine"),
    ],
)
def test_a_bad_setting_says_where_it_came_from(
    flags: dict[str, list[str]],
    environ: dict[str, str],
    toml: str | None,
    says: str,
    tmp_path: Path,
) -> None:
    with pytest.raises(ConfigError, match=says):
        load(flags, environ, toml, directory=tmp_path)


def test_a_file_without_an_end_is_refused() -> None:
    with pytest.raises(ConfigError, match="it has more than"):
        load_settings({}, environ={}, config_file=Path("/dev/zero"))


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings({}, environ={}, config_file=tmp_path / "no.toml")


def test_each_listener_has_its_advertised_address_or_shares_one(tmp_path: Path) -> None:
    settings = load({"kafka": ["a:1", "b:2"], "advertise": ["auto", "host:7"]}, directory=tmp_path)
    assert [settings.advertised_for(i) for i in range(2)] == [None, ("host", 7)]
    settings = load({"kafka": ["a:1", "b:2"], "advertise": ["host:7"]}, directory=tmp_path)
    assert [settings.advertised_for(i) for i in range(2)] == [("host", 7)] * 2


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])
def test_kafka_listener_says_what_is_spoken_there(protocol: str) -> None:
    address = parse_kafka_address(f"{protocol.lower()}://[::1]:9093")

    assert address == ("::1", 9093)
    assert protocol_of(address) == protocol
    assert protocol_of(parse_kafka_address(":9092")) == "PLAINTEXT"


def test_protocol_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="SASL_PLAINTEXT"):
        parse_kafka_address("http://127.0.0.1:9092")


def test_one_flag_may_name_several_addresses(tmp_path: Path) -> None:
    settings = load(
        {
            "kafka": ["a:1,SSL://b:2", "[::1]:3"],
            "advertise": ["x:1, auto,[::2]:3"],
            "http": ["c:1,d"],
            "redis": ["e:5,"],
            "http_allowed_hosts": ["one,two", "three"],
        },
        directory=tmp_path,
    )
    assert settings.kafka == (("a", 1), ("b", 2), ("::1", 3))
    assert settings.advertise == (("x", 1), None, ("::2", 3))
    assert settings.http == (("c", 1), ("d", 8081))
    assert settings.redis == (("e", 5),)
    assert settings.http_allowed_hosts == ("one", "two", "three")


def test_the_table_holds_every_setting_and_the_reference_every_flag() -> None:
    table = settings_table()
    assert {name for name in table if name != "memory"} == {each.name for each in fields(Settings)}
    assert {setting.kind for setting in table.values()} <= set(KINDS)
    reference = (Path(__file__).parents[2] / "docs/reference/cli.md").read_text(encoding="utf-8")
    assert [s.name for s in table.values() if f"`--{s.name}" not in reference] == []


def test_the_help_tells_the_defaults() -> None:
    defaults, table = Settings(), settings_table()
    for name in ("kafka", "http"):
        [address] = getattr(defaults, name)
        assert f"(default: {address})" in table[name].help
    assert f"(default: {defaults.data})" in table["data"].help
    assert f"(default: {defaults.compatibility})" in table["compatibility"].help
    assert table["log_level"].help == " | ".join(LOG_LEVELS)
    assert table["log_format"].help == " | ".join(LOG_FORMATS)


def test_an_unknown_variable_is_told_with_the_nearest_name() -> None:
    names = ("FAKEBUS_KAFKA", "FAKEBUS_KAFKAS", "FAKEBUS_REGISTRY_URL", "PATH")
    assert list(unknown_variables(dict.fromkeys(names, "x"))) == [
        "the environment variable FAKEBUS_KAFKAS is no setting and is ignored; "
        "did you mean FAKEBUS_KAFKA?"
    ]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("FAKEBUS_REGISTRY", "FAKEBUS_REGISTRY_URL"),
        ("FAKEBUS_BOOTSTRAP_SERVER", "FAKEBUS_BOOTSTRAP_SERVERS"),
        ("FAKE_BUS_KAFKA", "FAKEBUS_KAFKA"),
        ("FAKEBUS__KAFKA", "FAKEBUS_KAFKA"),
        ("fakebus_log_level", "FAKEBUS_LOG_LEVEL"),
        ("FAKBUS_DATA", "FAKEBUS_DATA"),
        ("FAKEBUS_CLIENT_CONFIGS", "FAKEBUS_CLIENT_CONFIG"),
    ],
)
def test_a_misspelt_variable_leads_to_the_right_one(name: str, meant: str) -> None:
    (told,) = unknown_variables({name: "1", meant: "1"})
    assert told.startswith(f"the environment variable {name} is no setting")
    assert told.endswith(f"did you mean {meant}?")


def test_an_unknown_variable_that_is_near_to_none_is_told_with_all_names() -> None:
    (told,) = unknown_variables({"FAKEBUS_XYZQW": "1"})
    assert "known: FAKEBUS_FIXTURES, " in told
    assert "FAKEBUS_BOOTSTRAP_SERVERS" in told


@pytest.mark.parametrize("name", ["SERVICE_HOST", "SERVICE_PORT_HTTP", "PORT", "PORT_80_TCP"])
def test_what_kubernetes_sets_for_a_service_of_our_name_is_not_told(name: str) -> None:
    assert list(unknown_variables({f"FAKEBUS_{name}": "tcp://10.0.0.1:80"})) == []


@pytest.mark.parametrize(
    ("flag", "url"),
    [
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("https://collector/otlp/", "https://collector/otlp/v1/traces"),
        ("http://collector:4318/v1/traces", "http://collector:4318/v1/traces"),
    ],
)
def test_a_collector_takes_traces_below_its_url(tmp_path: Path, flag: str, url: str) -> None:
    assert load_settings({"otlp": [flag]}, environ={}, directory=tmp_path).otlp == url


@pytest.mark.parametrize(
    "text",
    [
        *("", "localhost:4318", "file:///etc/passwd", "ftp://h", "http://", "http:///path"),
        *("http://[::1", "http://[::1]:x", "http://[h]", "http://h:65536", "http://h:-1"),
        *("http://h:0", "http://h:x", "http://a b", "http://a\nb", "http://a\x1b"),
    ],
)
def test_what_is_no_url_of_http_is_refused_by_all_who_need_one(tmp_path: Path, text: str) -> None:
    assert http_url(text) is None
    with pytest.raises(ConfigError, match=r"flag --otlp: .* is no URL"):
        load_settings({"otlp": [text]}, environ={}, directory=tmp_path)
    with pytest.raises(FakebusError, match="is not the URL of a registry"):
        RegistryClient(text)
    if text:  # which names the usual place
        with pytest.raises(FakebusError, match="is not the URL of a fakebus"):
            BusHttp(text)


@pytest.mark.parametrize(
    ("environ", "otlp"),
    [
        ({}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, ""),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c"}, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "true"}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": "none"}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, None),
        (
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
            },
            "",
        ),
    ],
)
def test_variables_of_opentelemetry_name_a_collector_too(
    tmp_path: Path, environ: dict[str, str], otlp: str | None
) -> None:
    assert load_settings({}, environ=environ, directory=tmp_path).otlp == otlp


def test_a_list_in_a_file_is_a_list_of_a_config(tmp_path: Path) -> None:
    (tmp_path / "fakebus.toml").write_text('[set]\nlog.cleanup.policy = ["compact", "delete"]\n')
    assert load({}, directory=tmp_path).set == {"log.cleanup.policy": "compact,delete"}
