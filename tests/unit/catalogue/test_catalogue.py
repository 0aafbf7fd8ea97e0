from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from fakebus.cli.main import run
from tests.unit.catalogue.test_impact import FILES
from tests.unit.fixture_files.packages import install

Catalogue = Callable[..., str]
HOSTILE = "<img src=x onerror=alert(1)> {process.exit()} ](javascript:x) \x1b[2J | `"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "set").mkdir()
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def catalogue(root: Path, capsys: pytest.CaptureFixture[str]) -> Catalogue:
    def ask(*words: str, code: int = 0) -> str:
        assert run(["catalogue", "--fixtures", "set", *words]) == code
        return capsys.readouterr().out

    return ask


def events(output: str) -> dict[str, Any]:
    return {each["name"]: each for each in json.loads(output)["event_types"]}


def test_an_event_type_has_its_schema_parties_and_examples(catalogue: Catalogue) -> None:
    found = events(catalogue("--json"))
    assert list(found) == ["shop.Order", "shop.Return"]
    order = found["shop.Order"]
    assert (order["owner"], order["topics"], order["subject"]) == (
        "shop",
        ["orders"],
        "orders-value",
    )
    assert [one["service"] for one in order["producers"]] == ["shop"]
    reads = {one["service"]: one["reads_with"] for one in order["consumers"]}
    assert reads == {
        "billing": "set/billing.avsc",
        "shipping": "set/shipping.avsc",
        "mail": "set/mail.avsc",
        "audit": None,
    }
    assert order["schema"]["type"] == "AVRO"
    assert [each["id"] for each in order["examples"]] == ["1", "2"]
    assert order["place"] == "set/fakebus.yaml:4"


def test_versions_tell_what_changed_in_each(catalogue: Catalogue, root: Path) -> None:
    newer = FILES["set/order.avsc"].replace(
        '{"name": "id"', '{"name": "note", "type": "string", "default": ""}, {"name": "id"'
    )
    (root / "set" / "order-2.avsc").write_text(newer)
    text = FILES["set/fakebus.yaml"].replace(
        "topics:", "  - {subject: orders-value, schema: order-2.avsc}\ntopics:"
    )
    (root / "set" / "fakebus.yaml").write_text(text)
    history = events(catalogue("--json"))["shop.Order"]["history"]
    assert [each["version"] for each in history] == [1, 2]
    assert history[1]["changes"] == ['"note" (string, default "") is new']


def test_a_topic_without_a_schema_is_an_event_type_and_a_key_is_none(
    catalogue: Catalogue, root: Path
) -> None:
    (root / "set" / "fakebus.yaml").write_text("""\
version: 1
subjects: [{subject: plain-key, schema: key.avsc}]
topics:
  - name: plain
    description: what was said
    key: {subject: plain-key}
    owner: shop
    producers: [import]
""")
    (root / "set" / "key.avsc").write_text('"long"')
    (plain,) = events(catalogue("--json")).values()
    assert (plain["name"], plain["description"], plain["schema"]) == (
        "plain",
        "what was said",
        None,
    )
    assert [one["service"] for one in plain["producers"]] == ["shop", "import"]


def test_what_many_schemas_say_word_for_word_describes_none_of_them(
    catalogue: Catalogue, root: Path
) -> None:
    kinds = ("Made", "Sent", "Lost")
    for kind in kinds:
        schema = {"type": "record", "name": kind, "fields": [], "doc": "made by a tool"}
        (root / "set" / f"{kind}.avsc").write_text(json.dumps(schema))
    said = [{"subject": f"x-{kind}", "schema": f"{kind}.avsc"} for kind in kinds]
    for subjects, told in ((said, ""), (said[:2], "made by a tool")):
        whole = {"version": 1, "subjects": subjects}
        (root / "set" / "fakebus.yaml").write_text(yaml.safe_dump(whole))
        found = events(catalogue("--json"))
        assert {each["description"] for each in found.values()} == {told}


@pytest.mark.parametrize(
    ("search", "names"),
    [
        ("BILLING", ["shop.Order"]),
        ("city return", ["shop.Return"]),
        ("street", ["shop.Order", "shop.Return"]),
        ("nowhere", []),
    ],
)
def test_a_search_finds_all_words_anywhere(
    catalogue: Catalogue, search: str, names: list[str]
) -> None:
    assert list(events(catalogue("--json", "--search", search))) == names


def test_text_is_a_table_and_a_single_event_in_full(catalogue: Catalogue) -> None:
    table = catalogue()
    assert table.splitlines()[0].split() == [
        "EVENT",
        "TOPICS",
        "OWNER",
        "WRITTEN",
        "BY",
        "READ",
        "BY",
    ]
    assert '"name": "email"' in catalogue("--search", "billing")


def test_what_others_have_written_is_no_markup(catalogue: Catalogue, root: Path) -> None:
    topic: dict[str, Any] = {"name": "t", "description": HOSTILE, "owner": HOSTILE}
    topic["consumers"] = ["../../up", "..", "a/b", "a-b"]
    (root / "set" / "fakebus.yaml").write_text(
        yaml.safe_dump({"version": 1, "topics": [topic]}, allow_unicode=True)
    )
    for page in (catalogue("--format", "markdown"), catalogue()):
        assert "\x1b" not in page
    page = catalogue("--format", "markdown")
    assert "<img" not in page
    assert "{process" not in page
    assert "](javascript" not in page
    catalogue("--format", "eventcatalog", "-o", "made")
    made = sorted(
        path.relative_to(root / "made").as_posix() for path in (root / "made").rglob("*.mdx")
    )
    assert "services/a-b/index.mdx" in made
    assert "services/a-b-2/index.mdx" in made
    assert all(part.strip(".") for path in made for part in path.split("/"))
    assert {path.name for path in root.iterdir()} == {"set", "made"}
    for path in (root / "made").rglob("*.mdx"):
        _, matter, body = path.read_text().split("---\n", 2)
        assert yaml.safe_load(matter)["id"] in (*path.parts, path.stem)
        assert "<img" not in body
        assert "{process" not in body


def test_the_folders_of_eventcatalog_name_who_sends_and_receives(
    catalogue: Catalogue, root: Path
) -> None:
    catalogue("--format", "eventcatalog", "-o", "made")

    def matter(path: str) -> dict[str, Any]:
        found: dict[str, Any] = yaml.safe_load((root / "made" / path).read_text().split("---\n")[1])
        return found

    shop = matter("services/shop/index.mdx")
    assert shop["sends"] == [{"id": "shop.Order", "version": "1.0.0"}]
    assert matter("services/billing/index.mdx")["receives"] == shop["sends"]
    event = matter("services/shop/events/shop.Order/index.mdx")
    assert (event["owners"], event["schemaPath"]) == (["shop"], "schema.avsc")
    schema = root / "made" / "services/shop/events/shop.Order/schema.avsc"
    assert json.loads(schema.read_text())["name"] == "Order"
    channel = matter("channels/orders/index.mdx")
    assert (channel["protocols"], channel["owners"]) == (["kafka"], ["shop"])
    assert matter("teams/shop.mdx")["name"] == "shop"
    assert matter("services/billing/index.mdx")["owners"] == ["billing"]


def test_what_people_wrote_is_not_overwritten(
    catalogue: Catalogue, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    catalogue("--format", "eventcatalog", "-o", "made")
    catalogue("--format", "eventcatalog", "-o", "made")
    (root / "other" / "services" / "shop").mkdir(parents=True)
    page = root / "other" / "services" / "shop" / "index.mdx"
    page.write_text("ours")
    catalogue("--format", "eventcatalog", "-o", "other", code=2)
    assert page.read_text() == "ours"
    (root / "EVENTS.md").write_text("ours")
    catalogue("--format", "markdown", "-o", "EVENTS.md", code=2)
    for form in ("markdown", "json", "asyncapi"):
        for _ in range(2):
            catalogue("--format", form, "-o", f"page.{form}")
    capsys.readouterr()
    assert run(["catalogue", "--fixtures", "set", "--format", "eventcatalog"]) == 2
    assert "say where, with -o DIR" in capsys.readouterr().err


def test_an_asyncapi_export_is_read_back_as_the_same_set(
    catalogue: Catalogue, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = events(catalogue("--json"))
    catalogue("--format", "asyncapi", "-o", "asyncapi.json")
    assert run(["catalogue", "--fixtures", "asyncapi.json", "--json"]) == 0
    after = events(capsys.readouterr().out)
    assert list(after) == list(before)
    for name, event in after.items():
        for part in ("topics", "subject", "owner", "examples", "config"):
            assert event[part] == before[name][part], part
        assert {one["service"] for one in event["consumers"]} == {
            one["service"] for one in before[name]["consumers"]
        }


@pytest.mark.parametrize(
    ("told", "links"),
    [
        ("Project-URL: Source Code, https://git.example/orders", ["https://git.example/orders"]),
        ("Home-page: https://orders.example", ["https://orders.example"]),
        ("Project-URL: Repository, javascript:alert(1)", []),
        ('Project-URL: Repository, https://a.example/"><b>', []),
        ("Project-URL: Documentation, https://docs.example", []),
    ],
)
def test_an_event_type_links_to_the_code_that_its_package_tells(
    root: Path,
    catalogue: Catalogue,
    monkeypatch: pytest.MonkeyPatch,
    told: str,
    links: list[str],
) -> None:
    files = {"fakebus.yaml": "version: 1\ntopics: [{name: parcels}]\n"}
    install(root / "site", "parcel-events", files)
    metadata = root / "site" / "parcel_events-1.0.dist-info" / "METADATA"
    metadata.write_text(f"{metadata.read_text()}{told}\n")
    monkeypatch.syspath_prepend(str(root / "site"))
    (root / "set" / "fakebus.yaml").write_text(
        "version: 1\nuses: [{package: parcel-events}]\ntopics: [{name: own}]\n"
    )
    found = events(catalogue("--json"))
    assert (found["parcels"]["links"], found["own"]["links"]) == (links, [])
    assert all(f"<{link}>" in catalogue("--format", "markdown") for link in links)


def test_what_people_changed_or_put_elsewhere_is_not_lost(catalogue: Catalogue, root: Path) -> None:
    catalogue("--format", "eventcatalog", "-o", "made")
    page = root / "made" / "services" / "shop" / "index.mdx"
    page.write_text(f"{page.read_text()}More words.")
    catalogue("--format", "eventcatalog", "-o", "made", code=2)
    assert "More words." in page.read_text()
    (root / "elsewhere").mkdir()
    (root / "linked").mkdir()
    (root / "linked" / "services").symlink_to(root / "elsewhere")
    catalogue("--format", "eventcatalog", "-o", "linked", code=2)
    assert not list((root / "elsewhere").iterdir())


@pytest.mark.parametrize(
    "content",
    [
        "# Events\n\nWhat we mean by an event.\n",
        "Made with fakebus catalogue, and then by hand.\n",
        '{"event_types": []}',
        '{"info": {"description": "Not written by fakebus catalogue"}}',
    ],
)
def test_a_file_that_looks_like_a_catalogue_is_not_overwritten(
    catalogue: Catalogue, root: Path, content: str
) -> None:
    (root / "page").write_text(content)
    for form in ("markdown", "json", "asyncapi"):
        catalogue("--format", form, "-o", "page", code=2)
    assert (root / "page").read_text() == content
