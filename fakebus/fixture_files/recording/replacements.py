"""What stands in recordings instead of people and secrets.

Every person and secret has a number, and a text made from it by the rule. Where a schema does not
take that text, one of the same shape is tried: as long, with letters, digits and signs where they
were. All of them are known again, so that what is redacted already is redacted to itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import count

NORMAL, SHAPED, SHAPED_FROM_9, AS_IT_WAS = range(4)
"""Forms of what stands instead, in the order in which they are tried."""
BIRTH = "birth"
_BIRTH_DAY = "2000-01-01"
_IBAN_COUNTRY = "DE"
_CARD_ISSUER = "400000"
_FIRST_IPV4 = int(IPv4Address("198.18.0.1"))
_IPV4_COUNT = 1 << 17
_FIRST_IPV6 = int(IPv6Address("2001:db8::"))
_CARDS = re.compile(
    r"4(?:\d{15}|\d{18})|(?:5[1-5]|2[2-7])\d{14}|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}"
    r"|(?:6011|65\d\d|64[4-9]\d)\d{12,15}|35\d{14}|62\d{14,17}|(?:5[06-8]|6\d)\d{10,17}"
)
"""Of the well-known issuers; many other numbers have a right check digit by chance."""


def luhn_digit(digits: str) -> str:
    """Return the digit that makes a card number of digits."""
    doubled = sum(sum(divmod(2 * int(each), 10)) for each in digits[-1::-2])
    return str(-(doubled + sum(map(int, digits[-2::-2]))) % 10)


def iban_check(country: str, account: str) -> str:
    """Return the two digits that make an IBAN (ISO 7064, mod 97)."""
    number = int("".join(str(int(each, 36)) for each in f"{account}{country}00"))
    return f"{98 - number % 97:02}"


def _is_card(text: str) -> bool:
    digits = re.sub("[ -]", "", text)
    return bool(_CARDS.fullmatch(digits)) and luhn_digit(digits[:-1]) == digits[-1]


def _is_iban(text: str) -> bool:
    plain = text.replace(" ", "")
    return 15 <= len(plain) <= 34 and iban_check(plain[:2], plain[4:]) == plain[2:4]


def _is_phone(text: str) -> bool:
    digits = sum(map(str.isdigit, text))
    # Numbers with leading zeros are not written in groups.
    return 7 <= digits <= 15 and (text[0] != "0" or not text.isdigit())


def _is_ip(text: str) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified or address.is_multicast)


CHECKS: Mapping[str, Callable[[str], bool]] = {
    "card": _is_card,
    "iban": _is_iban,
    "ip": _is_ip,
    "phone": _is_phone,
}


def _card(number: int, original: str) -> str:
    digits = f"{_CARD_ISSUER}{number:09d}"
    return digits + luhn_digit(digits)


def _iban(number: int, original: str) -> str:
    account = f"{number:018d}"
    return _IBAN_COUNTRY + iban_check(_IBAN_COUNTRY, account) + account


def _ip(number: int, original: str) -> str:
    if ":" in original:
        return f"2001:db8::{number:x}"
    return str(IPv4Address(_FIRST_IPV4 + (number - 1) % _IPV4_COUNT))


def _birth(number: int, original: str) -> str:
    zeros = re.sub(r"\d", "0", original[10:])
    return _BIRTH_DAY + zeros if re.match(r"\d{4}-\d\d-\d\d", original) else _BIRTH_DAY


_MAKERS: Mapping[str, Callable[[int, str], str]] = {
    BIRTH: _birth,
    "card": _card,
    "iban": _iban,
    "ip": _ip,
}
_SHAPES: Mapping[str, str] = {
    BIRTH: rf"{_BIRTH_DAY}(?:[T ][0:.,+Zz-]*)?()",
    "card": rf"{_CARD_ISSUER}(\d{{9}})\d",
    "iban": rf"{_IBAN_COUNTRY}\d\d0{{8}}(\d{{10}})",
    "ip": r"198\.1[89]\.\d{1,3}\.\d{1,3}()|2001:db8::[0-9a-f]{1,6}()",
}


@lru_cache(maxsize=64)
def shape_of(instead: str) -> re.Pattern[str]:
    """Return what texts look like that stand instead of others, with the number in a group."""
    if instead in _SHAPES:
        return re.compile(_SHAPES[instead])
    return re.compile(r"(\d{1,9})".join(map(re.escape, re.split(r"\{.*\}", instead))))


class Replacements:
    """Replacements by number, of one recording.

    Args:
        insteads: what rules have texts made of.
    """

    def __init__(self, insteads: Iterable[str]) -> None:
        self._numbers: dict[str, dict[str, int]] = {each: {} for each in insteads}
        self._taken: dict[str, set[int]] = {each: set() for each in self._numbers}
        shapes = (f"(?P<at{at}>{shape_of(each).pattern})" for at, each in enumerate(self._taken))
        self._shapes = re.compile("|".join(shapes))

    def reserve(self, text: str) -> None:
        """Give no other text a number that a text shows already."""
        for found in self._shapes.finditer(text):
            at, instead = next(
                (f"at{at}", each) for at, each in enumerate(self._taken) if found[f"at{at}"]
            )
            if instead == "ip":
                address = ip_address(found[at])
                first = _FIRST_IPV4 - 1 if address.version == 4 else _FIRST_IPV6
                self._taken[instead].add(int(address) - first)
            elif (number := shape_of(instead).fullmatch(found[at])) and number[1]:
                self._taken[instead].add(int(number[1]))

    def text(self, text: str, instead: str, form: int = NORMAL) -> str:
        """Return what stands instead of a text.

        Args:
            text: the original.
            instead: as a rule has it.
            form: one of the forms.
        """
        if form == AS_IT_WAS or shape_of(instead).fullmatch(text) or is_shaped(text):
            return text
        known, taken = self._numbers[instead], self._taken[instead]
        if text not in known:
            known[text] = next(each for each in count(len(taken) + 1) if each not in taken)
            taken.add(known[text])
        if form != NORMAL and instead == "iban":
            account = _shaped("".join(text.split())[4:], known[text], "0").upper()
            return text[:2] + iban_check(text[:2], account) + account
        if form != NORMAL:
            return _shaped(text, known[text], "9" if form == SHAPED_FROM_9 else "0")
        maker = _MAKERS.get(instead)
        return instead.format(known[text]) if maker is None else maker(known[text], text)

    def number(self, number: int, instead: str) -> int:
        """Return what stands instead of a number: one with as many digits."""
        text = self.text(str(abs(number)), instead, SHAPED_FROM_9)
        return int(text) if number >= 0 else -int(text)


def _shaped(text: str, number: int, first: str) -> str:
    """Return a text of the same shape that tells a number."""
    digits = sum(each.isdigit() for each in text)
    if not digits or (digits == 1 and first == "9"):
        return _lettered(text, number)
    told = str(number)[-(digits - (first == "9")) :].rjust(digits, "0")
    told = first + told[1:] if first == "9" else told
    left = iter(told)
    is_hex = bool(re.fullmatch(r"[0-9a-fA-F-]+", text))
    return "".join(
        next(left) if each.isdigit() else _letter(each, "a" if is_hex else "x") for each in text
    )


def _lettered(text: str, number: int) -> str:
    letters = sum(each.isalnum() for each in text)
    told = iter(f"{number:b}"[-letters:].rjust(letters, "0") if letters else "")
    return "".join(
        _letter(each, "y" if next(told) == "1" else "x") if each.isalnum() else each
        for each in text
    )


def _letter(original: str, letter: str) -> str:
    if not original.isalpha():
        return original
    return letter.upper() if original.isupper() else letter


_IBAN_BEGIN = re.compile(r"[A-Z]{2}\d\d(?=[0-9A-Z]{11,30}$)")
_SHAPED_DIGITS = re.compile(r"9?(0+)\d*")
_SHORTEST_SHAPED, _SHORTEST_DIGITS = 4, 6
"""In letters and digits, or in digits alone; a shorter text may look so by chance."""


def is_shaped(text: str) -> bool:
    """Return whether a text was given in the place of one of its shape."""
    text = _IBAN_BEGIN.sub("", text)
    letters = "".join(filter(str.isalpha, text)).lower()
    digits = "".join(filter(str.isdigit, text))
    if len(letters) + len(digits) < (_SHORTEST_SHAPED if letters else _SHORTEST_DIGITS):
        return False
    if letters.strip("xy") and not (letters.strip("a") == "" and digits):
        return False
    if not digits:
        return True
    zeros = _SHAPED_DIGITS.fullmatch(digits)
    return zeros is not None and 2 * len(zeros[1]) >= len(digits)
