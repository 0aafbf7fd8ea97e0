"""How the text of a config becomes a value, and which values are valid.

Kafka describes valid values in a short notation: ``[1,...]`` (at least 1), ``[0,...,1]``
(between the two), ``[1,...,9] or -1``, ``[compact, delete]`` (one of these; for a list: a
selection of these), ``non-empty string``. The tables hold that notation as it is; it is read
only when a value has to be checked.

Source: Kafka's ConfigDef.parseType and the validators in ConfigDef.
"""

from __future__ import annotations

import re
from enum import Enum

ConfigValue = bool | int | float | str | list[str] | None


class ConfigType(Enum):
    """The type of a config, with its number in DescribeConfigs responses."""

    UNKNOWN = 0
    BOOLEAN = 1
    STRING = 2
    INT = 3
    SHORT = 4
    LONG = 5
    DOUBLE = 6
    LIST = 7
    CLASS = 8
    PASSWORD = 9


_MOST_DIGITS = 100
_BITS = {ConfigType.SHORT: 16, ConfigType.INT: 32, ConfigType.LONG: 64}
# Patterns are texts, so that importing the tables compiles none of them.
_WHOLE_NUMBER = r"[+-]?[0-9]+"
_NUMBER = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"
_RANGE = r"\[(?P<low>[-0-9.]+),\.\.\.(,(?P<high>[-0-9.]+))?\]( or (?P<also>[-0-9]+))?"
_NAMES = r"(?P<fold>\(case insensitive\) )?\[(?P<names>[^\]]+)\]"
NON_EMPTY = ("non-empty string", "non-empty list")
THROTTLED_REPLICAS = "[partitionId]:[brokerId],[partitionId]:[brokerId],..."
_THROTTLED_REPLICAS = r"\*|([0-9]+:[0-9]+)(,[0-9]+:[0-9]+)*"
SHARE_OFFSET_RESET = "[latest, earliest, by_duration:PnDTnHnMn.nS]"
_DURATION = (
    r"by_duration:P(?=[0-9T])([0-9]+D)?(T(?=[0-9])([0-9]+H)?([0-9]+M)?([0-9]+(\.[0-9]+)?S)?)?"
)


def parse(kind: ConfigType, text: str) -> ConfigValue:
    """Return the value that a text stands for.

    Raises:
        ValueError: the text is not of that type; says what it should be.
    """
    text = text if kind is ConfigType.PASSWORD else text.strip()
    if kind is ConfigType.BOOLEAN:
        return _boolean(text)
    if kind in _BITS:
        return _whole_number(text, _BITS[kind])
    if kind is ConfigType.DOUBLE:
        if not re.fullmatch(_NUMBER, text):
            raise ValueError("is not a number")
        return float(text)
    if kind is ConfigType.LIST:
        return split_list(text)
    return text


def canonical(value: ConfigValue) -> str | None:
    """Return the text that Kafka shows for a value (ConfigDef.convertToString)."""
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(value)
    mantissa, exponent, power = str(value).partition("e")
    if isinstance(value, float) and exponent:
        # Java writes 1.0E-5 where Python writes 1e-05.
        return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{int(power)}"
    return str(value)


def split_list(text: str) -> list[str]:
    """Return the elements of a comma-separated list; an empty text has none."""
    return [part.strip() for part in text.split(",")] if text else []


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("is neither true nor false")
    return text.lower() == "true"


def _whole_number(text: str, bits: int) -> int:
    if not re.fullmatch(_WHOLE_NUMBER, text):
        raise ValueError("is not a whole number")
    # Python reads no more than 4300 digits, and says so in its own words.
    number = int(text) if len(text) <= _MOST_DIGITS else 1 << bits
    if not -(1 << (bits - 1)) <= number < 1 << (bits - 1):
        raise ValueError(f"does not fit into {bits} bits")
    return number


def invalid(kind: ConfigType, valid: str, value: ConfigValue) -> str | None:
    """Return what is wrong with a parsed value, or ``None``.

    Args:
        kind: the config's type.
        valid: Kafka's notation of what is valid; empty for everything.
        value: what :func:`parse` returned.
    """
    if isinstance(value, list):
        problem = _wrong_elements(value, valid)
    elif valid == SHARE_OFFSET_RESET and re.fullmatch(_DURATION, str(value)):
        problem = None
    elif kind in _BITS or kind is ConfigType.DOUBLE:
        problem = _out_of_range(value, valid)
    elif valid in NON_EMPTY:
        problem = None if value else "must not be empty"
    else:
        problem = _not_named(str(value), valid)
    return problem


def _out_of_range(value: ConfigValue, valid: str) -> str | None:
    bounds = re.fullmatch(_RANGE, valid)
    if bounds is None or not isinstance(value, int | float):
        return None
    if bounds["also"] is not None and value == int(bounds["also"]):
        return None
    high = bounds["high"]
    if value < float(bounds["low"]) or (high is not None and value > float(high)):
        return f"is not in {valid}"
    return None


def _not_named(value: str, valid: str) -> str | None:
    names = re.fullmatch(_NAMES, valid)
    if names is None:
        return None
    allowed = names["names"].split(", ")
    if names["fold"]:
        value, allowed = value.lower(), [name.lower() for name in allowed]
    return None if value in allowed else f"is not one of {names['names']}"


def _wrong_elements(elements: list[str], valid: str) -> str | None:
    if valid == THROTTLED_REPLICAS:
        text = ",".join(elements)
        return None if not text or re.fullmatch(_THROTTLED_REPLICAS, text) else f"is not {valid}"
    if valid in NON_EMPTY and not elements:
        return "must not be empty"
    if valid in ("", *NON_EMPTY) and len(set(elements)) < len(elements):
        return "names an element twice"
    if "" in elements:
        return "has an empty element"
    for element in elements:
        if _not_named(element, valid):
            return f"holds {element!r}; valid are {valid[1:-1]}"
    return None
