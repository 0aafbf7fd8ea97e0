"""Scenarios: ordered steps that publish events and wait."""

from fakebus.fixture_files.scenarios.playing import Scenario, play

__all__ = ["Scenario", "play"]
