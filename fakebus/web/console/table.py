"""The table of the console's pages, read from ``pages.txt``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

if TYPE_CHECKING:
    from fakebus.web.console.call import Call, Outcome

PageHandler = Callable[["Call"], Awaitable["Outcome"]]


class Route(NamedTuple):
    """Line of the table: a page, or what a form of a page does."""

    method: str
    path: tuple[str, ...]
    """Its parts; one in braces stands for any."""
    handler: str
    label: str
    """In the navigation; empty for a page that is reached from others."""

    def match(self, parts: tuple[str, ...]) -> dict[str, str] | None:
        """Return what stands for the parts in braces, ``None`` if the path is another."""
        if len(parts) != len(self.path):
            return None
        found = {}
        for wanted, part in zip(self.path, parts, strict=True):
            if wanted.startswith("{"):
                found[wanted[1:-1]] = part
            elif wanted != part:
                return None
        return found

    def load(self) -> PageHandler:
        """Return the function that answers; its module is imported at the first call."""
        module, _, function = self.handler.partition(".")
        pages = import_module(f"fakebus.web.console.pages.{module}")
        return cast(PageHandler, getattr(pages, function))


def parts_of(path: str) -> tuple[str, ...]:
    """Return the parts of a path."""
    return tuple(path.strip("/").split("/")) if path.strip("/") else ()


@cache
def page_routes() -> tuple[Route, ...]:
    """Return the table."""
    text = Path(__file__).with_name("pages.txt").read_text(encoding="utf-8")
    rows = (line.split(maxsplit=3) for line in text.splitlines() if line and line[0] != "#")
    return tuple(
        Route(method, parts_of(path), handler, "".join(label))
        for method, path, handler, *label in rows
    )
