"""Templates of the console: how text of strangers, numbers and times are written into pages."""

from __future__ import annotations

import hashlib
import json
import re
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from fakebus import nesting, wording
from fakebus.cluster.filters import instant
from fakebus.escaping import printable, printable_lines
from fakebus.web.console.addresses import PREFIX, page_url
from fakebus.wording import counted

HERE = Path(__file__).parent
STATIC = HERE / "static"
NONE = "\N{EN DASH}"
"""What stands in a table where there is nothing."""


@cache
def static_files() -> dict[str, tuple[bytes, str]]:
    """Return the static files by name: their content and its digest."""
    return {
        path.name: (content := path.read_bytes(), hashlib.sha256(content).hexdigest()[:12])
        for path in STATIC.iterdir()
        if path.is_file()
    }


def static_url(name: str) -> str:
    """Return the address of a static file; another one whenever its content is another."""
    return f"{PREFIX}/static/{name}?v={static_files()[name][1]}"


def environment() -> Environment:
    """Return the templates' environment.

    Everything that is written into a page has what does not print as escapes, and is then escaped
    for HTML; only the filters here make text that has been through both.
    """
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        raw=raw,
        lines=lines,
        number=number,
        size=size,
        time=time_tag,
        instant=instant,
        duration=duration,
        json=laid_out,
        words=words,
    )
    made.globals.update(url=page_url, static=static_url, counted=counted)
    return made


def _finalize(value: object) -> object:
    return printable(value) if type(value) is str else value


def raw(text: str) -> Markup:
    """Return a text as a field of a form holds it: what does not print stays what it is."""
    # Half a surrogate pair cannot be sent at all.
    return escape(text.encode("utf-8", "replace").decode())


def lines(text: str) -> Markup:
    """Return a text of several lines; only its line breaks are kept as they are."""
    return escape(printable_lines(text.split("\n")))


def words(name: str) -> str:
    """Return a name of one word, such as ``PreparingRebalance`` or ``in_sync``, as words."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.replace("_", " "))
    return apart.lower()


def laid_out(data: object) -> str:
    """Return data as JSON for people, or that it cannot be shown."""
    try:
        return nesting.laid_out(data)
    except RecursionError:
        return json.dumps("nested too deeply to be shown")


def number(value: int) -> Markup:
    """Return a number with its thousands apart."""
    return escape(f"{value:,}".replace(",", "\u202f"))


def size(value: int | None) -> str:
    """Return a number of bytes for people."""
    if value is None:
        return NONE
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if value >= factor:
            return f"{value / factor:.1f} {unit}"
    return f"{value} B"


def duration(seconds: float | None) -> str:
    """Return a span of time for people."""
    return NONE if seconds is None else wording.duration(seconds)


def time_tag(ms: int | None) -> Markup:
    """Return a moment, in UTC; a script may show it in the reader's zone."""
    told = None if ms is None else instant(ms)
    if told is None:
        return escape(NONE)
    text = told.replace("T", " ").removesuffix("Z")
    return Markup('<time datetime="{}">{}</time>').format(told, text)
