"""What is there when a bus starts and has no effect, so that it was probably meant otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fakebus.config import DEFAULT_CONFIG_FILE, DEFAULT_FIXTURES, Settings
from fakebus.output_files import misnamed

_SET = "fakebus.yaml"


def oversights(settings: Settings, directory: Path, config_file: str | None) -> Iterator[str]:
    """Yield a sentence for each.

    Args:
        settings: what the bus is started with.
        directory: where it is started.
        config_file: the file of settings that was named, if one was.
    """
    if not settings.fixtures:
        for name, given in (("profile", settings.profile), ("reset", settings.reset)):
            if given:
                yield f"{name} has no effect, as there are no fixtures; name them with --fixtures"
        other = misnamed(directory / DEFAULT_FIXTURES / _SET)
        if other is not None:
            shown = DEFAULT_FIXTURES / other
            yield f"{shown} is ignored; rename it to {DEFAULT_FIXTURES / _SET}, and it is seeded"
        elif (directory / _SET).exists():
            yield f"{_SET} is ignored; to seed the bus from it, say  fakebus up --fixtures ."
    other = misnamed(directory / DEFAULT_CONFIG_FILE)
    if other is not None and config_file is None and not (directory / DEFAULT_CONFIG_FILE).exists():
        yield f"{other} is ignored; settings are read from {DEFAULT_CONFIG_FILE}, or from --config"
