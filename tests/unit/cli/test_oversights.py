"""What is there when a bus starts and has no effect."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakebus.cli.oversights import oversights
from fakebus.config import Settings


@pytest.mark.parametrize(
    ("files", "settings", "config_file", "told"),
    [
        ([], Settings(), None, []),
        ([], Settings(profile="demo"), None, ["profile has no effect"]),
        ([], Settings(reset=True), None, ["reset has no effect"]),
        (["fixtures/fakebus.yml"], Settings(), None, ["rename it to fixtures/fakebus.yaml"]),
        (["fixtures/Fakebus.yaml"], Settings(), None, ["fixtures/Fakebus.yaml is ignored"]),
        (["fixtures/.fakebus.yaml"], Settings(), None, ["fixtures/.fakebus.yaml is ignored"]),
        (["fakebus.yaml"], Settings(), None, ["fakebus up --fixtures ."]),
        ([".fakebus.toml"], Settings(), None, [".fakebus.toml is ignored; settings are read from"]),
        (["fakebus.tml"], Settings(), None, ["fakebus.tml is ignored"]),
        (["fakebus.tml"], Settings(), "fakebus.tml", []),
        (["fakebus.tml", "fakebus.toml"], Settings(), None, []),
        (["fakebus.yml"], Settings(fixtures=(Path("x"),), profile="demo", reset=True), None, []),
    ],
)
def test_what_has_no_effect_is_told(
    files: list[str], settings: Settings, config_file: str | None, told: list[str], tmp_path: Path
) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = list(oversights(settings, tmp_path, config_file))
    assert [text in line for text, line in zip(told, found, strict=True)] == [True] * len(told)
