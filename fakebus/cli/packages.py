"""The event schemas that an installed Python package brings."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, packages_distributions, version

from fakebus.errors import FakebusError

OPENEDX_EVENTS = "openedx-events"


def package_schemas(name: str) -> tuple[str, list[tuple[str, str]], str | None]:
    """Return what a package is called with its version, and its schema files.

    Args:
        name: a package or module, as in ``pip install`` or ``import``.

    Returns:
        The name with version, path and text of each schema, and how the names of files begin
        that only this package can have.

    Raises:
        FakebusError: it is not installed here, or has no schemas.
    """
    if name.replace("_", "-") == OPENEDX_EVENTS:
        # Its schemas are made of classes, there are no files.
        from fakebus.openedx.catalogue import events_version, load_catalogue

        events = [(f"{each.event_type}.avsc", json.dumps(each.schema)) for each in load_catalogue()]
        return f"{OPENEDX_EVENTS} {events_version()}", events, "org.openedx."
    from fakebus.fixture_files.drift.schema_files import read_folder
    from fakebus.fixture_files.set_sources import package_folders

    module = name.replace("-", "_")
    folders = package_folders(module)
    if not folders:
        raise FakebusError(
            f"there is no package {name} here; install it beside fakebus, or name the folder of "
            "its schemas with --from-avsc"
        )
    files = [file for folder in folders for file in read_folder(folder)]
    return _with_version(name, module), files, None


def package_version(name: str) -> str:
    """Return the name of an installed package with its version.

    Raises:
        FakebusError: it is not installed here.
    """
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        raise FakebusError(f"there is no package {name} here; install it beside fakebus") from None


def _with_version(name: str, module: str) -> str:
    distributions = packages_distributions().get(module.partition(".")[0], [name])
    try:
        return f"{name} {version(distributions[0])}"
    except PackageNotFoundError:
        return name
