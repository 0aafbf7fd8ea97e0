"""``fakebus fixtures init``: a small set to begin with, or a whole package of one."""

from __future__ import annotations

import argparse
import keyword
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from fakebus.cli.command_settings import path_argument
from fakebus.cli.output import print_lines
from fakebus.config import DEFAULT_FIXTURES
from fakebus.errors import ConfigError
from fakebus.escaping import printable
from fakebus.output_files import write_new

NAME = "init"
HELP = "write a small fixture set to begin with, or a package of one"
DESCRIPTION = (
    "Write a small set that works, with comments. With --package it is a project that pip "
    "installs: the set, the entry point by which others name it, tests, a workflow for CI and a "
    "README. Nothing that is there is overwritten."
)
_TEMPLATES = Path(__file__).parents[1] / "templates"
_END = ".template"
_PACKAGE_NAME = re.compile(r"[a-z][a-z0-9]*([-_.][a-z0-9]+)*")
_OWN_NAME = """\
# name: my-service          # what the set belongs to; it is named when an event changes
# uses:                     # sets of others, which this one builds on
#   - {package: parcel-events, version: ">=2,<3"}
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the action's arguments."""
    parser.add_argument(
        "directory",
        nargs="?",
        type=path_argument,
        metavar="DIR",
        help="where to (default: ./fixtures; with --package a directory of the package's name)",
    )
    parser.add_argument(
        "--package", metavar="NAME", help="write a project for a package of this name"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the files."""
    package: str | None = arguments.package
    if package is not None and not _PACKAGE_NAME.fullmatch(package):
        raise ConfigError(
            f"--package {package!r} is not a name for a package: write small letters, digits and "
            "dashes, as in parcel-events"
        )
    directory: Path = arguments.directory or Path(package or DEFAULT_FIXTURES)
    files = dict(_set(directory) if package is None else _package(package))
    write_new({directory / path: text.encode() for path, text in files.items()})
    print_lines(*(f"{directory / path}" for path in files))
    named = directory if package is None else f"package:{package}"
    steps = [f"fakebus fixtures check {named}", f"fakebus up --fixtures {named}"]
    if package is not None:
        steps.insert(0, f"pip install -e {directory}")
    print_lines(f"next:  {steps[0]}", *(f"       {step}" for step in steps[1:]))
    return 0


def _set(directory: Path) -> Iterator[tuple[str, str]]:
    yield from _filled("set", {"DIRECTORY": printable(str(directory)), "IDENTITY": _OWN_NAME})


def _package(name: str) -> Iterator[tuple[str, str]]:
    module = re.sub(r"[-.]", "_", name)
    # A module of the standard library, or fakebus itself, would no longer be found beside it.
    if keyword.iskeyword(module) or module in sys.stdlib_module_names | {"fakebus"}:
        module += "_events"
    words = {"NAME": name, "MODULE": module, "DIRECTORY": f"package:{name}", "IDENTITY": ""}
    # Tools that look for packages and workflows must not find the templates.
    places = {"init.py": f"{module}/__init__.py", "gitignore": ".gitignore"}
    for path, text in _filled("package", words):
        yield places.get(path, path.replace("github/", ".github/")), text
    for path, text in _filled("set", words):
        yield f"{module}/{path}", text


def _filled(folder: str, words: dict[str, str]) -> Iterator[tuple[str, str]]:
    root = _TEMPLATES / folder
    for path in sorted(root.rglob(f"*{_END}")):
        text = path.read_text(encoding="utf-8")
        for name, word in words.items():
            text = text.replace(f"@{name}@", word)
        yield path.relative_to(root).as_posix().removesuffix(_END), text
