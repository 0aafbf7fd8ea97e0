"""The blocks of pages: what readers type, the files that they write, and what they see."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md")))
_FENCED = re.compile(r"^( *)```([^\n]*)\n(.*?)^\1```[ ]*$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:\A|\n[ \t]*\n)((?: {4}[^\n]*(?:\n|\Z))+)")
_LINK = re.compile(r"<(http://127\.0\.0\.1:8081[^>]*)>")


@dataclass(frozen=True)
class Block:
    """Fenced block of a page.

    ``sh`` are commands that succeed, ``console`` commands after ``$`` with what they say. A block
    with a title is the file of that name.
    """

    page: Path
    line: int
    language: str
    title: str
    text: str = field(repr=False)

    @property
    def name(self) -> str:
        """The page and the line."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def commands(self) -> list[tuple[str, list[str] | None]]:
        """Commands, each with the lines that it prints; without, they are not shown."""
        found: list[tuple[str, list[str] | None]] = []
        open_command = ""
        for line in self.text.splitlines():
            if open_command:
                open_command += f"\n{line}"
            elif self.language == "console" and not line.startswith("$ "):
                assert found, f"{self.name}: begins with what no command has said"
                command, said = found[-1]
                found[-1] = (command, [*(said or []), line])
                continue
            else:
                open_command = line.removeprefix("$ ")
            if _is_whole(open_command):
                if open_command.strip():
                    found.append((open_command, None))
                open_command = ""
        assert not open_command, f"{self.name}: {open_command} does not end"
        # An empty line before the next command is for the eye.
        return [(command, said and _trimmed(said)) for command, said in found]


def _trimmed(lines: list[str]) -> list[str]:
    return "\n".join(lines).rstrip("\n").splitlines()


def _is_whole(command: str) -> bool:
    try:
        shlex.split(command, comments=True)
    except ValueError:
        return False
    return not command.endswith("\\")


def blocks_of(page: Path) -> list[Block]:
    """The blocks of a page in their order."""
    text = page.read_text()
    found = []
    for each in _FENCED.finditer(text):
        indent, info, body = each.groups()
        language, _, options = info.partition(" ")
        title = re.fullmatch(r'title="([^"]+)"', options)
        assert title or not options, f"{page}: unknown options of a block: {options}"
        if indent:
            body = re.sub(rf"(?m)^{indent}", "", body)
        line = text.count("\n", 0, each.start()) + 1
        found.append(Block(page, line, language, title[1] if title else "", body))
    return found


def links_of(page: Path) -> list[tuple[int, str]]:
    """Addresses of the bus that a page sends its readers to, with their lines."""
    text = page.read_text()
    return [(text.count("\n", 0, each.start()) + 1, each[1]) for each in _LINK.finditer(text)]


def indented_blocks(page: Path) -> list[str]:
    """Blocks that are only indented, whose language cannot be told; not what belongs to a list."""
    text = _FENCED.sub("", page.read_text())
    return [
        each[1]
        for each in _INDENTED.finditer(text)
        if not re.search(r"(?m)^ *(?:[-*]|\d+\.) [^\n]*(?:\n[^\n]+)*\s*\Z", text[: each.start()])
    ]
