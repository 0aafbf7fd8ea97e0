from __future__ import annotations

from pathlib import Path

from fakebus.testing.shared_sets import SharedSets

SHARED = """\
version: 1
name: parcels
profiles:
  small: {tags: [small]}
  big: {include: [more.ndjson]}
topics: [{name: orders, load: orders.ndjson}]
"""


def test_the_events_of_all_profiles_count_even_where_only_one_is_used(tmp_path: Path) -> None:
    shared, own = tmp_path / "shared", tmp_path / "own"
    shared.mkdir()
    own.mkdir()
    (shared / "fakebus.yaml").write_text(SHARED)
    (shared / "orders.ndjson").write_text(
        '{"key": "1", "value": {"n": 1}, "tags": ["small"]}\n'
        '{"key": "2", "value": {"n": 2}, "tags": ["large"]}\n'
    )
    (shared / "more.ndjson").write_text('{"topic": "orders", "key": "3", "value": {"n": 3}}\n')
    (own / "fakebus.yaml").write_text(
        "version: 1\nname: billing\nuses: [{path: ../shared, profile: small}]\n"
        "include: [own.ndjson]\n"
    )
    (own / "own.ndjson").write_text('{"topic": "orders", "key": "4", "value": {"n": 4}}\n')
    sets = SharedSets((own,))
    plain = [case for case in sets.cases("orders") if not case.form]
    assert sorted(case.where for case in plain) == [
        "billing/own.ndjson:1",
        "parcels/more.ndjson:1",
        "parcels/orders.ndjson:1",
        "parcels/orders.ndjson:2",
    ]
    assert sorted(sets.versions) == ["billing", "parcels"]
    assert sum(map(len, sets.topics["orders"].events.values())) == 4
