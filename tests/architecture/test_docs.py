"""Pages that name files and code name what is there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from fakebus.catalogue.smells import smell_table
from fakebus.redis.commands import _COMMANDS as COMMANDS

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "fakebus"
ARCHITECTURE = ROOT / "docs" / "explanation" / "architecture.md"
PAGES = (
    ARCHITECTURE,
    ROOT / "docs" / "glossary.md",
    ROOT / "docs" / "how-to-add.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "tests" / "README.md",
)
MADE_BY_A_RUN = {"fixtures.lock", "fakebus.yaml", "fakebus.toml"}

page = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)


@page
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text()
    named = re.findall(r"`((?:[\w.-]+/)*[\w-]+\.(?:py|pyi|txt|yaml|md|toml)|(?:[\w.-]+/)+)`", text)
    assert named
    places = (ROOT, PACKAGE, ROOT / "docs", page.parent)
    missing = {name for name in named if not any((place / name).exists() for place in places)}
    assert missing - MADE_BY_A_RUN == set()


@page
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())
    assert {link for link in links if not (page.parent / link).exists()} == set()


def test_links_of_the_readme_lead_somewhere_from_everywhere_else() -> None:
    # It is shown on pages of others, where a path of the checkout leads nowhere.
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    home = project["urls"]["Homepage"]
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", (ROOT / "README.md").read_text())
    links += project["urls"].values()
    files = [re.fullmatch(rf"{home}/(?:blob|tree)/main/(.+)", link) for link in links]
    assert [link for link in links if not link.startswith("https://")] == []
    missing = {found[1] for found in files if found is not None and not (ROOT / found[1]).exists()}
    assert missing == set()
    assert sum(found is not None for found in files) > 10


@page
def test_code_that_a_page_places_in_a_file_is_there(page: Path) -> None:
    text = " ".join(page.read_text().split())
    for names, file in re.findall(r"`([A-Za-z_.]+)` in `((?:[\w-]+/)*[\w-]+\.py)`", text):
        source = next(
            (place / file).read_text() for place in (ROOT, PACKAGE) if (place / file).exists()
        )
        for name in names.split("."):
            assert re.search(rf"(?m)^ *(?:(?:async )?def|class) {name}\b|^ *{name}\b", source), (
                f"{names} is not in {file}"
            )


def test_every_room_is_in_the_picture() -> None:
    text = ARCHITECTURE.read_text()
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert {room for room in rooms if f"[{room}/<br>" not in text} == set()


def test_every_command_of_redis_is_in_the_reference() -> None:
    text = (ROOT / "docs" / "reference" / "redis.md").read_text()
    told = re.search(r"(?s)^Commands: (.*?)\.$", text, re.MULTILINE)
    assert told is not None
    names = set[str]()
    # In brackets stand the commands of a container, and the options of others.
    for name, inner in re.findall(r"(?s)([A-Z]+)(?:\s\((.*?)\))?", told[1]):
        names |= {name, *(f"{name} {word}" for word in re.findall(r"[A-Z-]+", inner))}
    assert set(COMMANDS) - names == set()


def test_every_smell_and_every_cause_has_its_row() -> None:
    smells = (ROOT / "docs" / "explanation" / "event-task-or-call.md").read_text()
    rows = "".join(line.split("|")[1] for line in smells.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`(\w+)`", rows)) == set(smell_table())
    reference = (ROOT / "docs" / "reference" / "cli.md").read_text()
    _, _, why = reference.partition("\n## fakebus why\n")
    sources = "".join(path.read_text() for path in (PACKAGE / "lineage" / "why").glob("*.py"))
    codes = set(re.findall(r'\bCause\(\s*"(\w+)"', sources))
    assert set(re.findall(r"(?m)^\| `(\w+)` \|", why.partition("\n## ")[0])) == codes


def test_every_folder_of_tests_has_its_rule() -> None:
    text = (ROOT / "tests" / "README.md").read_text()
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/__init__.py")}
    assert {folder for folder in folders if f"`{folder}/`" not in text} == set()


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = list(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        wanted += extra
    names = {re.split(r"[\[<>=; ]", each)[0].lower() for each in wanted} - {"fakebus"}
    text = (ROOT / "docs" / "decisions" / "0002-dependencies.md").read_text().lower()
    assert {name for name in names if name not in text} == set()
