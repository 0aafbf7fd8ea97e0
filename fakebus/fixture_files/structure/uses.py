"""Sets that a set uses: where each is found, and what of it is wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from fakebus.fixture_files.problems import DataError, Position, quoted
from fakebus.fixture_files.set_sources import (
    SHIPPED,
    SetSource,
    asyncapi_source,
    directory_source,
    pack_source,
    package_source,
    shipped_source,
)
from fakebus.fixture_files.structure.declarations import (
    Model,
    Origin,
    Reading,
    declared,
    read_object,
)
from fakebus.fixture_files.structure.kinds import BOOLEAN, by_name, custom, several, text
from fakebus.fixture_files.structure.yaml_tree import YamlNode, YamlScalar

KINDS: Mapping[str, Callable[[str, Path], SetSource]] = {
    "package": lambda name, folder: package_source(name),
    "path": directory_source,
    "pack": pack_source,
    "asyncapi": asyncapi_source,
    SHIPPED: lambda name, folder: shipped_source(),
}
"""How the source of a set is found, by what an entry of ``uses`` names it with."""
_WITHOUT_PROFILES = {
    "pack": ("a pack", "pack the profile by itself, with --profile"),
    "asyncapi": ("a document of AsyncAPI", "leave  profile:  out"),
}
_HINT = f"write  - package: NAME;  instead of package: {', '.join([*KINDS][1:])}"


def _range(text: str) -> str:
    # Most sets ask for no version.
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        exact = f', or "=={text}" for just this one' if text[:1].isdigit() else ""
        raise DataError(
            f"{quoted(text)} is not a range of versions", f'write ">=2,<3"{exact}'
        ) from None
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Use(Model):
    """Set that another one uses."""

    WHAT: ClassVar[str] = 'an entry of "uses"'
    HINT: ClassVar[str] = _HINT
    IS_WHOLE: ClassVar[bool] = True

    package: str | None = declared(text())
    path: str | None = declared(text())
    pack: str | None = declared(text())
    asyncapi: str | None = declared(text())
    openedx: bool | None = declared(BOOLEAN)
    profile: str | None = declared(text())
    version: str | None = declared(text(_range, also=("int", "float")))
    parameters: Mapping[str, str] = declared(
        by_name(text(also=("int", "float", "bool")), what='the parameter "{}"'), default=dict
    )

    @property
    def kind(self) -> str:
        """What names the set: one of :data:`KINDS`."""
        return next(name for name in KINDS if getattr(self, name))

    @property
    def place(self) -> Position:
        """Where the set is named."""
        return self.at(self.kind)

    def source(self, folder: Path) -> SetSource:
        """Return where the set lies.

        Args:
            folder: where relative paths begin.

        Raises:
            DataError: it is not there, or has another version.
        """
        found = KINDS[self.kind](str(getattr(self, self.kind)), folder)
        if self.version is not None:
            self._check_version(found)
        return found._replace(parameters=self.parameters)

    def _check_version(self, found: SetSource) -> None:
        from packaging.specifiers import SpecifierSet
        from packaging.version import InvalidVersion, Version

        if found.version is None:
            raise DataError(
                f"the package {quoted(self.package or '')} is not installed as a distribution, so "
                "it has no version",
                "leave  version:  out, or install it with pip",
            )
        try:
            holds = SpecifierSet(self.version or "").contains(Version(found.version), True)
        except InvalidVersion:
            holds = False
        if not holds:
            raise DataError(
                f"{found.name} {found.version} is installed, and {quoted(self.version or '')} is "
                "wanted",
                f'run  pip install "{found.name}{self.version}", or widen  version:  and have  '
                "fakebus fixtures check  say what has changed",
            )

    def finished(self, reading: Reading) -> Any:
        """Return the entry if it names one set, and asks for nothing that the set cannot have."""
        named = [name for name in KINDS if getattr(self, name)]
        if len(named) != 1:
            message = f"the entry names {' and '.join(named) or 'no set'}"
            return reading.wrong(self.position, message, "keep one of them" if named else _HINT)
        if self.version is not None and self.kind != "package":
            message = "only packages have a range of versions"
            return reading.wrong(self.at("version"), message, "leave  version:  out")
        if self.parameters and self.kind != "asyncapi":
            message = "only documents of AsyncAPI have parameters"
            return reading.wrong(self.at("parameters"), message, "leave  parameters:  out")
        if self.profile is not None and self.kind in _WITHOUT_PROFILES:
            what, hint = _WITHOUT_PROFILES[self.kind]
            message = f"{what} has no profiles, so there is no {quoted(self.profile)} in it"
            return reading.wrong(self.at("profile"), message, hint)
        return self


def _read_use(node: YamlNode, what: str, reading: Reading) -> Any:
    if isinstance(node, YamlScalar) and node.text == SHIPPED:
        return Use(origin=Origin(node.position, {}, reading.relative), openedx=True)
    return read_object(Use, node, what, reading)


USES = several(custom(_read_use, {"oneOf": [{"const": SHIPPED}, {"$ref": "#/$defs/use"}]}))
