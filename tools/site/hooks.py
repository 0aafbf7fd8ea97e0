"""Hooks of the documentation site: pages that do not lie in docs/, and links that leave it."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

_ROOT = Path(__file__).parents[2]
_REPOSITORY = "https://github.com/fakebus/fakebus/blob/main/"
_OURS = (_REPOSITORY, "https://raw.githubusercontent.com/fakebus/fakebus/main/")
_PAGES = {
    "index.md": "README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
}
"""Pages of the site that are files of the repository."""
_API = {
    "In tests": (
        *("fakebus.testing.handle.TestBus", "fakebus.cluster.events.Event"),
        "fakebus.testing.unittest_case.FakebusTestCase",
    ),
    "Faults": ("fakebus.broker.faults.Faults", "fakebus.broker.fault.Fault"),
    "A bus in a process": ("fakebus.app.FakeBus", "fakebus.config.Settings"),
}
_LINK = re.compile(r"(\]\(|\]: )([^)\s#]+)((?:#[^)\s]*)?)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in docs/."""
    for page, source in _PAGES.items():
        text = (_ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=_linked(text, source, page)))
    files.append(File.generated(config, "reference/python.md", content=_api()))
    return files


def on_page_markdown(markdown: str, page: object, config: MkDocsConfig, files: Files) -> str:
    """Let links that leave docs/ lead to the site's own page of the file, or to the repository."""
    path = page.file.src_uri  # type: ignore[attr-defined]  # of MkDocs' Page
    return markdown if path in _PAGES else _linked(markdown, f"docs/{path}", path)


def _linked(text: str, source: str, page: str) -> str:
    """Return a page with its links as they are on the site.

    Args:
        text: the page.
        source: where it lies in the repository.
        page: where it lies on the site.
    """

    def replaced(found: re.Match[str]) -> str:
        before, target, anchor = found.groups()
        ours = next((each for each in _OURS if target.startswith(each)), None)
        if ours is not None:
            path = target.removeprefix(ours)
        elif ":" in target:
            return found.group()
        else:
            path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        of_site = {there: here for here, there in _PAGES.items()}.get(path)
        if path.startswith("docs/") and posixpath.splitext(path)[1]:
            of_site = path.removeprefix("docs/")
        if of_site is None:
            return f"{before}{_REPOSITORY}{path}{anchor}"
        return f"{before}{posixpath.relpath(of_site, posixpath.dirname(page) or '.')}{anchor}"

    return _LINK.sub(replaced, text)


def _api() -> str:
    lines = ["# Python", ""]
    for title, names in _API.items():
        lines += [f"## {title}", "", *(f"::: {name}\n" for name in names)]
    return "\n".join(lines)
