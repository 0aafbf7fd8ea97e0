"""One request for a page: what was asked for, and what a page answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from fakebus.web.errors import RequestError

if TYPE_CHECKING:
    from fakebus.cluster.interface import Cluster

MAX_FIELDS = 2_000


class Fields:
    """Values of a query or a form, by name; a name may come several times.

    Args:
        pairs: names and values, in their order.
    """

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self.pairs = pairs

    def text(self, name: str, default: str = "") -> str:
        """Return the first value without blanks around it; the default if there is none."""
        return self.raw(name, default).strip()

    def raw(self, name: str, default: str = "") -> str:
        """Return the first value as it came."""
        return next((value for key, value in self.pairs if key == name), default)

    def all(self, name: str) -> list[str]:
        """Return all values of a name."""
        return [value for key, value in self.pairs if key == name]

    def number(self, name: str, default: int) -> int:
        """Return the first value as a whole number; the default if it is left out or empty.

        Raises:
            RequestError: 400 if it is none.
        """
        text = self.text(name)
        if not text:
            return default
        if not is_number(text.removeprefix("-")):
            raise RequestError(400, f"{name} has to be a whole number, not {text!r}")
        return int(text)


def is_number(text: str) -> bool:
    """Whether a text is a whole number that is not negative, and no larger than offsets are."""
    # int() also takes digits of other scripts, underscores and thousands of digits.
    return text.isascii() and text.isdigit() and len(text) < 19


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Answer: a template and what it shows."""

    template: str
    values: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """Answer: another page, where a sentence tells what has been done."""

    url: str
    done: str = ""


Outcome = Page | Redirect | web.StreamResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Request for a page of a cluster's console."""

    cluster: Cluster
    request: web.Request
    parts: Mapping[str, str]
    """What stood in the path for the parts in braces."""
    query: Fields
    form: Fields
    """Empty unless it is a POST."""

    @property
    def is_abandoned(self) -> bool:
        """Whether nobody waits for the answer any more."""
        transport = self.request.transport
        return transport is None or transport.is_closing()
