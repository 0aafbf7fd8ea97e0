"""A notebook, and activities as the broker notes them."""

from __future__ import annotations

import pytest

from fakebus.broker.activity import Activity, Origin
from fakebus.lineage.clients import Clients
from fakebus.lineage.notes import Notebook
from fakebus.lineage.services import Services
from fakebus.storage.lineage_interface import NoteRow


def origin(client_id: str = "shop", **changes: object) -> Origin:
    return Origin(front_end="kafka", client_id=client_id, **changes)  # type: ignore[arg-type]


class Diary:
    """Notebook that is told of activities in words."""

    def __init__(self) -> None:
        self.clients = Clients(Services())
        self.book = Notebook(self.clients)
        self.rows: dict[int, NoteRow] = {}
        self.now_ms = 1000

    def does(self, who: Origin, verb: str, first: int = -1, last: int = -1, **more: object) -> None:
        fields = {"topic": "t", "partition": 0, **more}
        self.book.note(
            Activity(verb, self.now_ms, who, offset=first, last_offset=last, **fields)  # type: ignore[arg-type]
        )

    def notes(self) -> list[tuple[str, int, int]]:
        for row in self.book.take():
            self.rows[row.seq] = row
        return [(row.verb, row.first, row.last) for row in self.rows.values()]


@pytest.fixture
def diary() -> Diary:
    return Diary()
