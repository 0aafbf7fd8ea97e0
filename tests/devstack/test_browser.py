"""The page at the root in a real browser."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

from fakebus.addresses import Address
from fakebus.app import FakeBus
from fakebus.config import Settings

ROOT = Path(__file__).parents[2]
ANYWHERE = Address("127.0.0.1", 0)


@pytest.fixture
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is missing")
        pytest.skip("needs Chromium")
    return found


@pytest.mark.timeout(120)
def test_a_browser_shows_the_page_and_runs_nothing(chromium: str, tmp_path: Path) -> None:
    name = "<script>document.title='run'</script><style>body{display:none}</style>"
    settings = Settings(
        data=None,
        kafka=(ANYWHERE,),
        http=(ANYWHERE,),
        fixtures=(ROOT / "examples" / "json-events",),
    )
    with FakeBus.thread(settings) as bus:
        path = f"/subjects/{quote(name, safe='')}/versions"
        requests.post(bus.http_url + path, json={"schema": '"string"'}, timeout=10)
        flags = "--headless --no-sandbox --disable-gpu --enable-logging=stderr --dump-dom".split()
        profile = f"--user-data-dir={tmp_path}"
        done = subprocess.run(
            [chromium, *flags, profile, bus.http_url], capture_output=True, text=True, timeout=100
        )
        assert bus.bootstrap_servers in done.stdout
    assert "<title>fakebus</title>" in done.stdout
    assert "&lt;script&gt;" in done.stdout
    assert "<script" not in done.stdout
    # What a policy forbids is told on the console.
    assert "Content Security Policy" not in done.stderr
