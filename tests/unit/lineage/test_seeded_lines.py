"""Files and lines of seeded records, in the detail of a note."""

from __future__ import annotations

import pytest

from fakebus.lineage.seeded_lines import line_place, lines_detail


@pytest.mark.parametrize(
    ("lines", "detail"),
    [
        ([3], "a b:1.ndjson:3"),
        ([1, 2, 3, 4], "a b:1.ndjson:1 +1*3"),
        ([4, 4, 4, 9, 2, 3], "a b:1.ndjson:4 +0*2 +5 -7 +1"),
    ],
)
def test_every_record_of_a_note_has_its_line(lines: list[int], detail: str) -> None:
    assert lines_detail("a b:1.ndjson:", lines) == detail
    places = [line_place(detail, index) for index in range(len(lines))]
    assert places == [f"a b:1.ndjson:{line}" for line in lines]


def test_a_detail_of_another_form_is_told_as_it_is() -> None:
    assert line_place("by hand", 2) == "by hand"


def test_a_replayed_record_names_the_one_that_it_was_made_of() -> None:
    detail = lines_detail("orders[1]@", [7, 8, 11])
    assert [line_place(detail, index) for index in range(3)] == [
        "orders[1]@7",
        "orders[1]@8",
        "orders[1]@11",
    ]
