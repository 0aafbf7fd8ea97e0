from __future__ import annotations

import pytest

from fakebus.broker.configs.values import (
    SHARE_OFFSET_RESET,
    THROTTLED_REPLICAS,
    ConfigType,
    canonical,
    invalid,
    parse,
)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (ConfigType.INT, " 12 ", 12),
        (ConfigType.INT, "+7", 7),
        (ConfigType.INT, "-2147483648", -(2**31)),
        (ConfigType.SHORT, "32767", 32767),
        (ConfigType.LONG, "9223372036854775807", 2**63 - 1),
        (ConfigType.DOUBLE, "0.5", 0.5),
        (ConfigType.DOUBLE, "1e3", 1000.0),
        (ConfigType.DOUBLE, ".5", 0.5),
        (ConfigType.BOOLEAN, "TRUE", True),
        (ConfigType.BOOLEAN, "false", False),
        (ConfigType.LIST, "", []),
        (ConfigType.LIST, "a, b ,c", ["a", "b", "c"]),
        (ConfigType.STRING, " gzip ", "gzip"),
        (ConfigType.PASSWORD, " secret ", " secret "),
    ],
)
def test_a_text_is_read_as_kafka_reads_it(kind: ConfigType, text: str, value: object) -> None:
    parsed = parse(kind, text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (ConfigType.INT, ""),
        (ConfigType.INT, "1_000"),
        (ConfigType.INT, "1.0"),
        (ConfigType.INT, "\u0661"),
        (ConfigType.INT, "2147483648"),
        (ConfigType.SHORT, "32768"),
        (ConfigType.LONG, "9223372036854775808"),
        (ConfigType.DOUBLE, "nan"),
        (ConfigType.DOUBLE, "half"),
        (ConfigType.BOOLEAN, "yes"),
        (ConfigType.BOOLEAN, "1"),
    ],
)
def test_a_text_of_another_type_is_refused(kind: ConfigType, text: str) -> None:
    with pytest.raises(ValueError, match=r"number|bits|true"):
        parse(kind, text)


@pytest.mark.parametrize(
    ("kind", "valid", "text", "ok"),
    [
        (ConfigType.INT, "[1,...]", "1", True),
        (ConfigType.INT, "[1,...]", "0", False),
        (ConfigType.INT, "[1,...,9] or -1", "-1", True),
        (ConfigType.INT, "[1,...,9] or -1", "0", False),
        (ConfigType.INT, "[1,...,9] or -1", "10", False),
        (ConfigType.INT, "[-131072,...,22]", "-131072", True),
        (ConfigType.DOUBLE, "[0,...,0.5]", "0.51", False),
        (ConfigType.LONG, "", "-99", True),
        (ConfigType.STRING, "[CreateTime, LogAppendTime]", "LogAppendTime", True),
        (ConfigType.STRING, "[CreateTime, LogAppendTime]", "createtime", False),
        (ConfigType.STRING, "(case insensitive) [UPGRADE, DOWNGRADE]", "upgrade", True),
        (ConfigType.STRING, "(case insensitive) [UPGRADE, DOWNGRADE]", "both", False),
        (ConfigType.STRING, "non-empty string", "", False),
        (ConfigType.STRING, "non-empty string", "x", True),
        (ConfigType.STRING, "[, latest, earliest]", "", True),
        (ConfigType.STRING, "[, latest, earliest]", "none", False),
        (ConfigType.LIST, "[compact, delete]", "compact,delete", True),
        (ConfigType.LIST, "[compact, delete]", "", True),
        (ConfigType.LIST, "[compact, delete]", "compact,compact", True),
        (ConfigType.LIST, "[compact, delete]", "compact,keep", False),
        (ConfigType.LIST, "non-empty list", "", False),
        (ConfigType.LIST, "", "a,a", False),
        (ConfigType.LIST, "", "a,,b", False),
        (ConfigType.LIST, THROTTLED_REPLICAS, "", True),
        (ConfigType.LIST, THROTTLED_REPLICAS, "*", True),
        (ConfigType.LIST, THROTTLED_REPLICAS, "0:1,12:1", True),
        (ConfigType.LIST, THROTTLED_REPLICAS, "0:1,x", False),
        (ConfigType.STRING, SHARE_OFFSET_RESET, "earliest", True),
        (ConfigType.STRING, SHARE_OFFSET_RESET, "by_duration:PT1H", True),
        (ConfigType.STRING, SHARE_OFFSET_RESET, "by_duration:P2DT3H4M5.5S", True),
        (ConfigType.STRING, SHARE_OFFSET_RESET, "by_duration:PT", False),
        (ConfigType.STRING, SHARE_OFFSET_RESET, "none", False),
    ],
)
def test_kafkas_notation_of_valid_values_is_obeyed(
    kind: ConfigType, valid: str, text: str, ok: bool
) -> None:
    assert (invalid(kind, valid, parse(kind, text)) is None) is ok


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (0.5, "0.5"),
        (1.7976931348623157e308, "1.7976931348623157E308"),
        (1e-5, "1.0E-5"),
        ("one", "one"),
        (7, "7"),
        (["a", "b"], "a,b"),
        ([], ""),
        ("x", "x"),
        (None, None),
    ],
)
def test_a_value_is_shown_as_kafka_shows_it(value: object, text: str | None) -> None:
    assert canonical(value) == text  # type: ignore[arg-type]
