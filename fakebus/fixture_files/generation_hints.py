"""The functions that make single values of generated events: the hints of ``with``.

Each value has a random source of its own, which depends on the seed, the topic, the number of
the event and the place of the value only. A hint more or less changes no other value.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from random import Random
from typing import Any
from uuid import UUID, uuid5

from fakebus.errors import MissingExtraError
from fakebus.fixture_files.formats.format import kind_of_json
from fakebus.fixture_files.problems import DataError, Position, did_you_mean, quoted

_NAMESPACE = UUID("3c1d5a52-96a5-5f43-8f5e-2a1f4c4f8f0b")
"""Ours; a constant so that the same seed gives the same UUIDs everywhere and for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """Hint that says how a value is made: a function, what it takes, and where that is written."""

    function: str
    argument: object
    options: Mapping[str, object]
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """Draw of one value: which one it is, and what it may be made from."""

    seed: int
    topic: str
    index: int
    """Which event of the topic, from 0."""
    place: str
    """Where the value stands in the event."""
    values_of: Callable[[str], Sequence[object]]
    """Gives the values that a reference names; DataError if there are none."""

    def number(self) -> int:
        """Return a number that nothing but this draw has."""
        text = f"{self.seed}/{self.topic}/{self.index}/{self.place}"
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return int.from_bytes(digest, "big")

    def random(self) -> Random:
        """Return the random source of this draw; the same every time."""
        return Random(self.number())  # noqa: S311 - test data, to be the same every time


@dataclass(frozen=True, slots=True, kw_only=True)
class HintFunction:
    """Function that makes values."""

    make: Callable[[Hint, Draw], object]
    check: Callable[[Hint], None]
    """Raises DataError if what the function takes is wrong."""
    options: tuple[str, ...] = ()


def _no_check(_: Hint) -> None:
    return None


def _number_option(hint: Hint, name: str, default: int) -> int:
    value = hint.options.get(name, default)
    if type(value) is not int:
        raise DataError(
            f"{quoted(name)} must be a whole number, not {kind_of_json(value)}", f"{name}: 1"
        )
    return value


def _check_sequence(hint: Hint) -> None:
    if type(hint.argument) is not int:
        raise DataError(
            f"it begins with a whole number, not {kind_of_json(hint.argument)}",
            "write  {sequence: 1}",
        )
    _number_option(hint, "step", 1)
    text = hint.options.get("text", "{}")
    if not isinstance(text, str) or "{}" not in text:
        raise DataError('"text" must hold {} where the number goes', 'write  text: "user-{}"')


def _sequence(hint: Hint, draw: Draw) -> object:
    start = hint.argument
    assert isinstance(start, int)  # noqa: S101 - checked when it was read
    number = start + draw.index * _number_option(hint, "step", 1)
    text = hint.options.get("text")
    return number if text is None else str(text).replace("{}", str(number))


def _check_choice(hint: Hint) -> None:
    if not isinstance(hint.argument, list) or not hint.argument:
        raise DataError("it takes a list that is not empty", "write  {choice: [audit, verified]}")
    weights = hint.options.get("weights")
    if weights is None:
        return
    numbers = isinstance(weights, list) and all(
        isinstance(each, int | float) and each >= 0 for each in weights
    )
    if not isinstance(weights, list) or not numbers or sum(weights) <= 0:
        raise DataError("the weights must be numbers from 0, not all 0", "write  weights: [9, 1]")
    if len(weights) != len(hint.argument):
        raise DataError(
            f"there are {len(hint.argument)} choices and {len(weights)} weights",
            "give each choice one weight",
        )


def _choice(hint: Hint, draw: Draw) -> object:
    choices = hint.argument
    assert isinstance(choices, list)  # noqa: S101 - checked when it was read
    weights: Any = hint.options.get("weights")
    return draw.random().choices(choices, weights)[0]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_number(hint: Hint) -> None:
    limits = hint.argument
    if not isinstance(limits, list) or len(limits) != 2 or not all(map(_is_number, limits)):
        raise DataError("it takes the lowest and the highest number", "write  {number: [1, 100]}")
    if limits[0] > limits[1]:
        raise DataError(
            f"the lowest number {limits[0]} is above the highest, {limits[1]}", "exchange them"
        )
    _number_option(hint, "decimals", 2)


def _number(hint: Hint, draw: Draw) -> object:
    limits = hint.argument
    assert isinstance(limits, list)  # noqa: S101 - checked when it was read
    lowest, highest = limits
    if isinstance(lowest, int) and isinstance(highest, int) and "decimals" not in hint.options:
        return draw.random().randint(lowest, highest)
    return round(draw.random().uniform(lowest, highest), _number_option(hint, "decimals", 2))


def _check_boolean(hint: Hint) -> None:
    share = hint.argument
    if not (isinstance(share, int | float) and _is_number(share) and 0 <= share <= 1):
        raise DataError("it takes the share of true, from 0 to 1", "write  {boolean: 0.5}")


def _boolean(hint: Hint, draw: Draw) -> object:
    share = hint.argument
    assert isinstance(share, int | float)  # noqa: S101 - checked when it was read
    return draw.random().random() < share


def _check_text(example: str) -> Callable[[Hint], None]:
    def check(hint: Hint) -> None:
        if not isinstance(hint.argument, str) or not hint.argument:
            raise DataError(f"it takes a text, not {kind_of_json(hint.argument)}", example)

    return check


def _uuid(hint: Hint, draw: Draw) -> object:
    # Without the topic, so that two topics can name the same things.
    return str(uuid5(_NAMESPACE, f"{draw.seed}/{hint.argument}/{draw.index}"))


def _time(hint: Hint, _: Draw) -> object:
    return {"$time": hint.argument, **hint.options}


def _ref(hint: Hint, draw: Draw) -> object:
    return draw.random().choice(draw.values_of(str(hint.argument)))


def _check_faker(hint: Hint) -> None:
    _check_text("write  {faker: email}")(hint)
    options = hint.options.get("args", {})
    if not isinstance(options, dict):
        raise DataError('"args" must be an object', "write  args: {max_value: 9}")
    locale = hint.options.get("locale", "")
    if not isinstance(locale, str):
        raise DataError('"locale" must be a text', "write  locale: de_DE")


def faker_version() -> str | None:
    """Return the version of the installed faker, ``None`` if there is none."""
    try:
        module = importlib.import_module("faker")
    except ImportError:
        return None
    return str(module.VERSION)


@lru_cache(maxsize=16)
def _faker_of(locale: str) -> Any:
    try:
        module = importlib.import_module("faker")
    except ImportError:
        # Whoever needs it reads the name of the extra.
        raise DataError(str(MissingExtraError("the function faker", "faker"))) from None
    try:
        return module.Faker(locale or None, use_weighting=False)
    except AttributeError:
        raise DataError(
            f"faker has no locale {quoted(locale)}", "write one such as en_US or de_DE"
        ) from None


def _faker(hint: Hint, draw: Draw) -> object:
    name = str(hint.argument)
    faker = _faker_of(str(hint.options.get("locale", "")))
    # Faker's own methods make no data: its add_provider imports any module that a set names.
    names = {each for part in faker.get_providers() for each in dir(part) if each[0] != "_"}
    provider = getattr(faker, name) if name in names else None
    if not callable(provider):
        hint_text = did_you_mean(name, names)
        if hint_text.startswith("known"):
            hint_text = "see the list of faker's standard providers"
        raise DataError(f"faker has no {quoted(name)}", hint_text)
    faker.seed_instance(draw.number())
    options: Any = hint.options.get("args", {})
    try:
        made = provider(**options)
    except Exception as error:
        # What the providers raise for wrong arguments is not documented.
        raise DataError(f"faker's {name} fails: {error}", 'mend "args"') from error
    return _plain(name, made)


def _plain(name: str, made: object) -> object:
    if made is None or isinstance(made, str | int | float):
        return made
    if isinstance(made, Decimal | UUID):
        return str(made)
    if isinstance(made, datetime | date | time):
        return made.isoformat()
    if isinstance(made, list | tuple | set):
        return [_plain(name, item) for item in made]
    if isinstance(made, dict):
        return {str(key): _plain(name, item) for key, item in made.items()}
    raise DataError(
        f"faker's {name} gives a {type(made).__name__}, which JSON does not have",
        "use another of faker's functions",
    )


HINTS: Mapping[str, HintFunction] = {
    "boolean": HintFunction(make=_boolean, check=_check_boolean),
    "choice": HintFunction(make=_choice, check=_check_choice, options=("weights",)),
    "constant": HintFunction(make=lambda hint, _: hint.argument, check=_no_check),
    "faker": HintFunction(make=_faker, check=_check_faker, options=("args", "locale")),
    "number": HintFunction(make=_number, check=_check_number, options=("decimals",)),
    "ref": HintFunction(make=_ref, check=_check_text("write  {ref: courses.value.course_key}")),
    "sequence": HintFunction(make=_sequence, check=_check_sequence, options=("step", "text")),
    "time": HintFunction(
        make=_time, check=_check_text('write  {time: "at -5m", as: iso}'), options=("as",)
    ),
    "uuid": HintFunction(make=_uuid, check=_check_text("write  {uuid: user}")),
}
"""Every function, by its name."""


def make_value(hint: Hint, draw: Draw) -> object:
    """Return the value of one event.

    Raises:
        DataError: it cannot be made.
    """
    return HINTS[hint.function].make(hint, draw)
