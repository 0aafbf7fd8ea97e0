"""Every block of a page is run somewhere, or read by what will read it; what is not stands here."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from fakebus.cli.main import _parser
from fakebus.config import command_settings_table, load_settings
from fakebus.fixture_files.json_schemas import SCHEMAS
from tests.devstack import test_snippets
from tests.docs.blocks import DOCS, PAGES, ROOT, Block, blocks_of, indented_blocks
from tests.docs.pages import TYPED
from tests.docs.terminal import NOT_RUN, matches
from tests.docs.test_how_to import HOW_TO
from tests.docs.test_tutorials import TUTORIALS
from tests.examples import PAGES as EXAMPLES

FOLLOWED = {ROOT / "README.md", *TUTORIALS, *HOW_TO}
ELSEWHERE = {
    ("docs/how-to/ci.md", "yaml"): "tests/devstack/test_snippets.py runs the workflows",
    ("docs/how-to/go-and-node.md", "go"): "tests/devstack/test_snippets.py runs it",
    ("docs/how-to/go-and-node.md", "js"): "tests/devstack/test_snippets.py runs it",
    ("docs/how-to/tutor.md", "sh"): "tests/devstack/test_tutor.py, with Tutor itself",
    ("docs/reference/fixtures.md", "console"): "tests/unit/fixture_files/drift has its words",
    (
        "docs/reference/fixtures.md",
        "python",
    ): "for those who write a tool: names of the reader's own",
    ("docs/referee.md", "python"): "for tests of our own, which all begin like that",
    ("docs/explanation/architecture.md", "mermaid"): "tests/architecture holds it to the code",
}
"""Blocks that no test of this folder looks at."""
TEXT = {
    "docs/how-to/console.md": "a filter to type into the console",
    "docs/how-to/contracts.md": "what a check says: tests/unit/fixture_files/contracts",
    "docs/how-to/follow-an-event.md": "a flow: tests/unit/lineage/test_flow_text.py",
    "docs/how-to/pytest.md": "a timeline: tests/plugin/test_reports.py",
    "docs/how-to/share-a-set.md": "what a check says: tests/clients/python/test_sharing.py",
    "docs/reference/cli.md": "a record as a line, cut in two",
    "docs/reference/compatibility-policy.md": "an error: tests/compatibility/test_versions.py",
    "docs/reference/fixtures.md": "a directory, and what a check says",
}
"""Pages with blocks that are only looked at."""
ALL = [block for page in PAGES for block in blocks_of(page)]
COMMAND = re.compile(r"\$? *(?:fakebus|pip|curl|docker|python3?|make) \S")

each_block = pytest.mark.parametrize("block", ALL, ids=lambda block: block.name)


def is_elsewhere(block: Block) -> bool:
    return (str(block.page.relative_to(ROOT)), block.language) in ELSEWHERE


@each_block
def test_a_block_is_run_or_read(block: Block) -> None:
    if is_elsewhere(block):
        return
    readers = {
        "sh": typed,
        "console": typed,
        "python": python,
        "yaml": read_yaml,
        "json": read_json,
        "ini": read_ini,
        "toml": read_toml,
        "text": only_text,
    }
    assert block.language in readers, f"{block.name}: nobody runs or reads {block.language!r}"
    readers[block.language](block)


def test_what_is_left_out_is_there() -> None:
    there = {(str(block.page.relative_to(ROOT)), block.language) for block in ALL}
    assert ELSEWHERE.keys() <= there
    assert {(page, "text") for page in TEXT} <= there


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_tells_the_language_of_its_blocks(page: Path) -> None:
    assert indented_blocks(page) == []


def typed(block: Block) -> None:
    """Commands that are not run, since no test follows the page, are those that there are."""
    for command, _ in block.commands:
        words = shlex.split(command, comments=True)
        if words[:1] == ["pip"]:
            assert_extras(words)
        elif block.page not in FOLLOWED:
            for program in programs(command):
                assert_is_one(program, block)


def programs(command: str) -> list[list[str]]:
    """The words of each program of a pipe, without where its output goes."""
    lexer = shlex.shlex(command.replace("\\\n", ""), posix=True, punctuation_chars="|>")
    lexer.whitespace_split = True
    text = list(lexer)
    found: list[list[str]] = [[]]
    for word in text[: text.index(">")] if ">" in text else text:
        if word == "|":
            found.append([])
        else:
            found[-1].append(word)
    return found


def assert_extras(words: list[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for named in re.findall(r"(?:fakebus|\.)\[([\w,-]+)\]", " ".join(words)):
        assert set(named.split(",")) <= project["optional-dependencies"].keys()


def assert_is_one(words: list[str], block: Block) -> None:
    program, *rest = words
    if program == "fakebus":
        _parser(rest[0]).parse_args(rest)
    elif program == "make":
        assert re.search(rf"(?m)^{rest[0]}:", (ROOT / "Makefile").read_text()), block.name
    elif program.startswith("python"):
        path = rest[0] if rest[0] != "-m" else rest[1].replace(".", "/")
        assert path == "pytest" or any((ROOT / f"{path}{end}").exists() for end in ("", ".py"))
    else:
        assert program in {"curl", "eval", "git", "jq", *NOT_RUN}, f"{block.name}: {program}"


def python(block: Block) -> None:
    # One with a title is a file that a command of the page runs.
    assert block.title or block.page in EXAMPLES, f"{block.name}: nobody runs it"
    assert not block.title or block.page in FOLLOWED
    compile(block.text, block.name, "exec")


def read_yaml(block: Block) -> None:
    document = yaml.safe_load(block.text)
    if isinstance(document, list):
        # The steps of a workflow.
        assert all(step.keys() == {"run"} for step in document)
    elif is_compose(document):
        read_compose(document)
    elif "steps" in document:
        jsonschema.validate(document, SCHEMAS["scenario"]())
    else:
        jsonschema.validate({"version": 1} | document, SCHEMAS["fakebus"]())


def is_compose(document: dict[str, Any]) -> bool:
    services = document.get("services", {}).values()
    return "networks" in document or any({"image", "build"} & each.keys() for each in services)


def read_compose(document: dict[str, Any]) -> None:
    for service in document.get("services", {}).values():
        environment = service.get("environment", {})
        if any(name.startswith("FAKEBUS_") for name in environment):
            settings = load_settings({}, environ=environment, directory=Path("nowhere"))
            assert settings.fixtures


def read_json(block: Block) -> None:
    try:
        json.loads(block.text)
    except ValueError:
        for line in block.text.splitlines():
            json.loads(line)


def read_ini(block: Block) -> None:
    parser = ConfigParser()
    parser.read_string(block.text)
    plugins = [ROOT / "fakebus" / f"{name}_plugin.py" for name in ("pytest", "contract")]
    source = "".join(plugin.read_text() for plugin in plugins)
    assert {name for name in parser["pytest"] if f'addini("{name}"' not in source} == set()


def read_toml(block: Block) -> None:
    known = command_settings_table().keys()
    for name in tomllib.loads(block.text):
        assert name.replace("-", "_") in known | {"kafka"}


def only_text(block: Block) -> None:
    assert str(block.page.relative_to(ROOT)) in TEXT, f"{block.name}: why is it only text?"
    assert not COMMAND.match(block.text), f"{block.name}: commands are sh or console"


def test_what_ci_runs_elsewhere_is_run_there() -> None:
    text = Path(test_snippets.__file__).read_text()
    assert {'"go-and-node.md", "go"', '"go-and-node.md", "js"', '"ci.md", "yaml"'} == {
        words for words in re.findall(r'snippets\(("[^)]*")\)', text)
    }
    (ci,) = [page for page in HOW_TO if page.name == "ci.md"]
    assert {language for language in (block.language for block in blocks_of(ci))} == {"yaml"}


@pytest.mark.parametrize(
    ("shown", "said", "is_same"),
    [
        (["ready in 214 ms"], ["ready in 7 ms"], True),
        (["a", "…", "z"], ["a", "b", "c", "z"], True),
        (["a", "…", "z"], ["a", "z"], True),
        (["lag … of 3"], ["lag 2 of 3"], True),
        (["lag … of 3"], ["lag 2 of 4"], False),
        (["a"], ["a", "b"], False),
        (["2026-11-23 09:25:42.015+00:00"], ["2027-01-02 00:00:00.000+00:00"], True),
        (["1 record"], ["2 records"], False),
    ],
)
def test_what_is_shown_is_compared_but_for_times(
    shown: list[str], said: list[str], *, is_same: bool
) -> None:
    assert matches(shown, said) is is_same


def test_pages_that_are_followed_are_pages() -> None:
    assert set(PAGES) >= FOLLOWED
    assert {path.parent for path in FOLLOWED} == {ROOT, DOCS / "tutorials", DOCS / "how-to"}
    assert {"sh", "console"} == set(TYPED)
