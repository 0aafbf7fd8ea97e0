"""What all tests share."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# CI decides about a change, so it looks at the same examples every time; whoever runs the
# tests at their desk looks at new ones.
settings.register_profile("ci", derandomize=True, print_blob=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


_LONG = ("kill", "slow", "xdist_group")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let what takes long come first, so that no worker is left alone with it at the end."""
    items.sort(key=lambda item: not any(map(item.get_closest_marker, _LONG)))
