"""The how-tos do, typed as they stand, what they say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.docs.blocks import DOCS, ROOT
from tests.docs.pages import NOTHING, Before, follow
from tests.examples import INI, SHARED

ELSEWHERE = {"tutor"}
"""Pages whose commands all need what is only there for tests/devstack."""
HOW_TO = sorted(page for page in (DOCS / "how-to").glob("*.md") if page.stem not in ELSEWHERE)
_LINE = {
    "topic": "orders",
    "at": "2026-05-01T08:00:00Z",
    "headers": {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
}
_ORDER_LINES = [
    {
        **_LINE,
        "key": f"o-{number}",
        "value": {"id": f"o-{number}", "currency": "EUR", "total": number, "status": "open"},
    }
    for number in range(13)
]
_SHOP = {
    "orders.ndjson": "".join(f"{json.dumps(each)}\n" for each in _ORDER_LINES),
    "parcels.ndjson": '{"topic": "parcels", "key": "o-1", "value": {"order_id": "o-1"}}\n',
}
_UP = "fakebus up"
_FILLED = (_UP, "cat orders.ndjson parcels.ndjson | fakebus produce --json")
BEFORE = {
    "README": Before(checkout=["fixtures"]),
    "console": Before(files={"token.txt": "a-word-of-sixteen-letters"}, commands=[_UP]),
    "contracts": Before(
        files={
            **{f"fixtures/{name}": text for name, text in SHARED.items()},
            "pytest.ini": "[pytest]\nfakebus_fixtures = fixtures\nfakebus_service = billing\n",
            "test_billing.py": (
                "import pytest\n\n\n@pytest.mark.fakebus(consumes='orders')\n"
                "def test_orders(fakebus, shared_event):\n    pass\n"
            ),
        },
        commands=["python -m pytest"],
    ),
    "faults": Before(commands=[_UP]),
    "follow-an-event": Before(files=_SHOP, commands=_FILLED),
    "pytest": Before(
        files={
            "pytest.ini": INI.replace("fakebus_fixtures = shared\n", ""),
            "test_one.py": "def test_one(fakebus):\n    fakebus.publish('orders', '7')\n",
        },
        commands=[_UP],
    ),
    "rest": Before(commands=[_UP]),
    "snapshots": Before(files=_SHOP, commands=_FILLED),
    "sql": Before(commands=[_UP]),
}
"""What a page takes for granted: what its reader has anyway, or has done on other pages."""

pytestmark = pytest.mark.clients


@pytest.mark.parametrize("page", HOW_TO, ids=lambda path: path.stem)
def test_a_how_to_is_as_it_says(page: Path, tmp_path: Path) -> None:
    follow(page, tmp_path, BEFORE.get(page.stem, NOTHING))


def test_the_readme_is_as_it_says(tmp_path: Path) -> None:
    follow(ROOT / "README.md", tmp_path, BEFORE["README"])
