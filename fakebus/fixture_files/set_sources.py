"""Where fixture sets lie: directories, packs, installed packages, and the set that fakebus brings.

Wherever a set may be named, these names hold: ``package:NAME``, ``openedx``, a directory, or a
file that ``fakebus fixtures pack`` wrote. A package is found by what is installed; none of its code
is imported.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.machinery import ModuleSpec
from importlib.metadata import (
    Distribution,
    EntryPoint,
    PackageNotFoundError,
    distribution,
    entry_points,
)
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from fakebus.fixture_files.problems import DataError, did_you_mean, quoted
from fakebus.fixture_files.sources import (
    NOT_FETCHED,
    PACK_SUFFIX,
    ROOT_FILE,
    is_asyncapi,
    is_remote,
)

ENTRY_POINTS = "fakebus.fixtures"
"""The group of entry points whose values name the packages that hold a set."""
SHIPPED = "openedx"
_CODE_LABELS = frozenset(("source", "sourcecode", "code", "repository", "repo", "github", "git"))
_LINK = re.compile(r"https?://[!#-;=?-~]{1,300}")
_PACKAGE = "package:"
_PACKAGE_NAME = re.compile(r"\w+([.-]+\w+)*")


class SetSource(NamedTuple):
    """Source of a set."""

    root: Path
    """The directory or the pack."""
    name: str | None = None
    """What the set is called if it does not say so itself."""
    version: str | None = None
    """Its version if it does not say so itself."""
    links: tuple[str, ...] = ()
    """Where its code lives, as its package tells."""
    parameters: Mapping[str, str] = MappingProxyType({})
    """What stands for parameters of addresses in a document of AsyncAPI."""


def _is_name(text: str, folder: Path) -> bool:
    """Whether a text names a set and is no path from a folder."""
    return text.startswith(_PACKAGE) or (text == SHIPPED and not (folder / text).exists())


def set_path(text: str | Path, folder: Path = Path()) -> Path:
    """Return the path that stands for a set's name; a relative one begins at a folder."""
    return Path(text) if _is_name(str(text), folder) else folder / text


def source_of(path: Path) -> SetSource:
    """Return the source that a path stands for, as :func:`set_path` gave it.

    Raises:
        DataError: there is no such package, or no set in it.
    """
    name = str(path)
    if name.startswith(_PACKAGE):
        return package_source(name.removeprefix(_PACKAGE))
    return shipped_source() if _is_name(name, Path()) else SetSource(path)


def shipped_source() -> SetSource:
    """Return the set that comes with fakebus."""
    package = Path(__file__).parents[1]
    code = ("https://github.com/openedx/openedx-events",)
    installed = package / SHIPPED / "fixtures"
    # An editable installation has them where the repository has.
    root = installed if installed.exists() else package.parent / "fixtures"
    return SetSource(root, links=code)


def directory_source(text: str, folder: Path) -> SetSource:
    """Return the source of a set in a directory.

    Raises:
        DataError: there is none.
    """
    root = _joined(folder, text)
    if root.is_file():
        if root.suffix == PACK_SUFFIX:
            raise DataError(f"{quoted(text)} is a pack, not a directory", f"write  pack: {text}")
        message = f"{quoted(text)} is a file, not a directory with a {ROOT_FILE}"
        raise DataError(message, "write its directory")
    if not root.is_dir():
        raise DataError(f"there is no directory {quoted(text)}", where_to_look(text, root))
    if not (root / ROOT_FILE).is_file():
        hint = f"looked in {root}"
        with suppress(OSError):
            if not any(root.iterdir()):
                hint += ", which is empty; for a submodule of git run  git submodule update --init"
        raise DataError(f"the directory {quoted(text)} has no {ROOT_FILE}", hint)
    return SetSource(root)


def pack_source(text: str, folder: Path) -> SetSource:
    """Return the source of a set in a pack.

    Raises:
        DataError: there is none.
    """
    root = _joined(folder, text)
    if root.is_dir():
        raise DataError(f"{quoted(text)} is a directory, not a pack", f"write  path: {text}")
    if root.suffix != PACK_SUFFIX and not is_remote(text):
        raise DataError(
            f"{quoted(text)} is not a pack", f"packs end with {PACK_SUFFIX}; write  path: DIR"
        )
    if not root.is_file():
        raise DataError(
            f"there is no pack {quoted(text)}",
            where_to_look(text, root, "fakebus fixtures pack makes it"),
        )
    return SetSource(root)


def asyncapi_source(text: str, folder: Path) -> SetSource:
    """Return the source of a set that a document of AsyncAPI describes.

    Raises:
        DataError: there is none.
    """
    root = _joined(folder, text)
    if not root.is_file():
        raise DataError(f"there is no file {quoted(text)}", where_to_look(text, root))
    if not is_asyncapi(root):
        raise DataError(
            f"{quoted(text)} is not a document of AsyncAPI", "its name ends with .yaml or .json"
        )
    return SetSource(root)


def where_to_look(text: str, root: Path, otherwise: str = "") -> str:
    """Return a hint about what is not where it was looked for."""
    if is_remote(text):
        return NOT_FETCHED
    if text.startswith(("~", "$")):
        return f"looked for {root}; neither ~ nor variables are replaced: write the path out"
    return f"looked for {root}" + (f"; {otherwise}" if otherwise else "")


def _joined(folder: Path, text: str) -> Path:
    if "\0" in text:
        raise DataError(f"{quoted(text)} is not a path", "write a path")
    root = folder / text
    plain = Path(os.path.normpath(root))
    # ".." behind a link is another place than it seems.
    return plain if plain.resolve() == root.resolve() else root


def package_source(name: str) -> SetSource:
    """Return the source of the set that an installed package brings.

    Args:
        name: of an entry point in the group ``fakebus.fixtures``, of a distribution, or of a
            package that can be imported. It is not imported.

    Raises:
        DataError: there is no such package, or no set in it.
    """
    if not _PACKAGE_NAME.fullmatch(name):
        raise DataError(f"{quoted(name)} is not the name of a package", "write it as pip does")
    entry = _entry_point(name)
    if entry is not None:
        root = _package_root(entry.value)
        dist = entry.dist
        owner = name if dist is None else dist.name
        if root is None:
            raise DataError(
                f"the entry point {quoted(entry.name)} of {owner} names the package "
                f"{quoted(entry.value)}, which is not there",
                "mend the entry point, and install the package again",
            )
        return _checked(root, f"the package {quoted(entry.value)} of {owner}", owner, dist)
    dist = _distribution(name)
    found = dist and next(_roots_of(dist), None)
    if dist is not None and found:
        return SetSource(found, dist.name, dist.version, _links_of(dist))
    root = _package_root(name.replace("-", "_"))
    if root is None and dist is None:
        known = sorted({each.name for each in entry_points(group=ENTRY_POINTS)})
        hint = f"; {did_you_mean(name, known)}" if known else ""
        raise DataError(
            f"there is no package {quoted(name)} here", f"install it beside fakebus{hint}"
        )
    if root is None or not (root / ROOT_FILE).is_file():
        raise DataError(
            f"the package {quoted(name)} has no fixture set: neither an entry point in the group "
            f"{ENTRY_POINTS} nor a {ROOT_FILE}",
            "name the package that has one",
        )
    return _checked(root, f"the package {quoted(name)}", name, dist)


def _checked(root: Path, what: str, name: str, dist: Distribution | None) -> SetSource:
    if not (root / ROOT_FILE).is_file():
        raise DataError(f"{what} has no {ROOT_FILE}", "put the set's files into the package")
    if dist is None:
        return SetSource(root, name)
    return SetSource(root, name, dist.version, _links_of(dist))


def _links_of(dist: Distribution) -> tuple[str, ...]:
    """Return where a distribution says that its code lives, or else its home page."""
    found: dict[str, str] = {}
    for text in dist.metadata.get_all("Project-URL") or ():
        label, _, url = str(text).partition(",")
        found.setdefault(re.sub("[^a-z]", "", label.lower()), url.strip())
    homes = [found.get("homepage", ""), *(dist.metadata.get_all("Home-page") or ())]
    links = [url for label, url in found.items() if label in _CODE_LABELS] or homes[:2]
    return tuple(url for url in links if _LINK.fullmatch(url))


def _entry_point(name: str) -> EntryPoint | None:
    known = list(entry_points(group=ENTRY_POINTS))
    wanted = _normal(name)
    named = [each for each in known if _normal(each.name) == wanted]
    if len(named) > 1:
        owners = " and ".join(sorted(str(each.dist and each.dist.name) for each in named))
        raise DataError(
            f"{owners} both give a set the name {quoted(name)}",
            "uninstall one of them, or write the name of the distribution that is meant",
        )
    theirs = named or [each for each in known if _owner(each) == wanted]
    if len(theirs) > 1:
        names = ", ".join(sorted(each.name for each in theirs))
        raise DataError(f"the package {quoted(name)} has several sets", f"name one: {names}")
    return theirs[0] if theirs else None


def _owner(entry: EntryPoint) -> str:
    return "" if entry.dist is None else _normal(entry.dist.name)


def _normal(name: str) -> str:
    return name.replace("_", "-").replace(".", "-").lower()


def _distribution(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except (PackageNotFoundError, ValueError):
        return None


def _roots_of(dist: Distribution) -> Iterator[Path]:
    for file in dist.files or ():
        if file.name == ROOT_FILE:
            path = Path(str(file.locate()))
            if path.is_file():
                yield path.parent


def _package_root(name: str) -> Path | None:
    """Return the folder of a package; the one with a set, if it lies in several."""
    roots = package_folders(name)
    with_set = (root for root in roots if (root / ROOT_FILE).is_file())
    return next(with_set, next(iter(roots), None))


def package_folders(name: str) -> list[Path]:
    """Return the folders of a package, none if it is not there; nothing of it is run.

    ``importlib.util.find_spec`` would import the packages around an inner one.
    """
    folders: list[str] | None = None
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        spec = _spec(".".join(parts[:count]), folders)
        if spec is None or spec.submodule_search_locations is None:
            return []
        folders = list(spec.submodule_search_locations)
    return [Path(folder) for folder in folders or ()]


def _spec(name: str, folders: list[str] | None) -> ModuleSpec | None:
    finders = (finder for finder in sys.meta_path if hasattr(finder, "find_spec"))
    specs = (finder.find_spec(name, folders) for finder in finders)
    return next((spec for spec in specs if spec is not None), None)
