"""What import-linter cannot say: files and their lists, sizes, and the walk of one record."""

from __future__ import annotations

import ast
import asyncio
import importlib
import re
import sys
from pathlib import Path
from types import FrameType

import pytest

import fakebus
from fakebus.app import FakeBus
from fakebus.broker.fetching import FetchTarget
from fakebus.cli.main import COMMANDS
from fakebus.config import Settings
from fakebus.kafka.handlers import handler_of
from fakebus.kafka.served import SERVED
from fakebus.records.builder import build_batch
from fakebus.records.record import NewRecord
from fakebus.types import TopicPartition

PACKAGE = Path(fakebus.__file__).parent
MAX_LINES = 450
NOT_COMMANDS = {"__init__", "main"}


def modules(folder: str) -> set[str]:
    return {path.stem for path in (PACKAGE / folder).glob("*.py")} - {"__init__"}


def test_every_handler_file_is_in_the_list() -> None:
    listed = {api_key.name.lower() for api_key in SERVED}
    assert listed == modules("kafka/handlers")


def test_no_api_is_listed_twice_and_the_list_is_sorted() -> None:
    source = (PACKAGE / "kafka" / "served.py").read_text()
    names = re.findall(r"_served\(ApiKey\.(\w+)", source)
    assert names == sorted(set(names))


def test_every_handler_file_says_which_versions_it_serves() -> None:
    for handler in map(handler_of, SERVED):
        module = importlib.import_module(handler.function.__module__)
        assert module.__doc__ is not None
        title = module.__doc__.splitlines()[0]
        low, high = handler.min_version, handler.max_version
        versions = str(low) if low == high else f"{low}-{high}"
        assert versions in title, f"{module.__name__} serves {versions}, its title says {title!r}"
        assert "Behaviour:" in module.__doc__


def test_every_command_file_is_in_the_list() -> None:
    listed = set(COMMANDS)
    commands = {
        name
        for name in modules("cli") - NOT_COMMANDS
        if hasattr(importlib.import_module(f"fakebus.cli.{name}"), "configure")
    }
    assert listed == commands


def test_commands_write_in_one_place_where_it_is_escaped() -> None:
    writing = re.compile(r"\bprint\(|sys\.std(?:out|err)\.write")
    writers = {
        path.name for path in (PACKAGE / "cli").rglob("*.py") if writing.search(path.read_text())
    }
    # What progress.py writes is all our own.
    assert writers == {"output.py", "progress.py"}


def test_only_the_broker_reaches_its_storage() -> None:
    reaching = {
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE).parts[0] not in ("broker", "storage")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("storage", "_storage")
    }
    assert reaching == set()


def test_private_names_are_used_in_their_own_module_alone() -> None:
    of_named_tuples = {"_asdict", "_fields", "_make", "_replace"}
    named: dict[Path, set[str]] = {}
    used: list[tuple[Path, str]] = []
    for path in PACKAGE.rglob("*.py"):
        named[path] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                named[path].add(node.name)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                named[path].add(node.attr)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                named[path].add(node.id)
            elif isinstance(node, ast.Attribute) and node.attr.startswith("_"):
                # A class may use what it has from the one that it extends.
                if ast.unparse(node.value) not in ("self", "cls"):
                    used.append((path, node.attr))
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fakebus"):
                used += [(path, each.name) for each in node.names if each.name.startswith("_")]
    ours = {name for names in named.values() for name in names} - of_named_tuples
    found = {
        str(path.relative_to(PACKAGE))
        for path, name in used
        if name in ours and name not in named[path] and not name.endswith("__")
    }
    # It is the part of a partition's log that puts one content in the place of another.
    assert found == {"broker/log_rewriting.py"}


def test_logs_are_read_by_fetches_and_by_cursors_alone() -> None:
    readers = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("read_cached", "read")
        if isinstance(node.value, ast.Name | ast.Attribute)
        if (node.value.id if isinstance(node.value, ast.Name) else node.value.attr) == "log"
    }
    # A look-up by time reads the one batch that it has found.
    assert readers == {"broker/delayed_fetch.py", "broker/offset_lookup.py", "broker/tail.py"}


def test_the_docstring_of_a_class_begins_with_its_noun() -> None:
    wrong = {"what", "who", "whoever", "where", "how", "which", "whether", "somebody", "something"}
    found = [
        f"{path.relative_to(PACKAGE)}: {node.name}"
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        and (ast.get_docstring(node) or "").partition(" ")[0].lower() in wrong
    ]
    assert found == []


def test_modules_stay_small() -> None:
    sizes = {
        str(path.relative_to(PACKAGE)): len(path.read_text().splitlines())
        for path in PACKAGE.rglob("*.py")
    }
    assert {name: size for name, size in sizes.items() if size > MAX_LINES} == {}


WALK = {
    "broker/broker.py",
    "broker/appending.py",
    "broker/partition_log.py",
    "broker/tail_cache.py",
    "broker/topic_names.py",
    "broker/topics.py",
    "broker/activity.py",
    "broker/fetch_positions.py",
    "broker/fetching.py",
    "broker/delayed_fetch.py",
    "records/batch.py",
}


async def test_a_record_walks_through_few_modules_and_its_body_is_never_decoded() -> None:
    async with FakeBus(Settings(data=None, kafka=(), http=())) as bus:
        await bus.broker.topics.create("t", 1, {})
        data = build_batch([NewRecord(key=b"k", value=b"v", timestamp_ms=1)])
        await bus.broker.produce(TopicPartition("t", 0), bytearray(data))
        entered: set[str] = set()

        def note(frame: FrameType, event: str, _: object) -> None:
            path = Path(frame.f_code.co_filename)
            if event == "call" and path.is_relative_to(PACKAGE):
                entered.add(str(path.relative_to(PACKAGE)))

        log = bus.broker.partition_log(TopicPartition("t", 0))
        sys.setprofile(note)
        try:
            await bus.broker.produce(TopicPartition("t", 0), bytearray(data))
            (found,) = await bus.broker.fetch([FetchTarget(log, 1, 1000)])
        finally:
            sys.setprofile(None)
        assert found.size_bytes == len(data)
        surprising = {
            name for name in entered if not name.startswith(("storage/", "clock", "real_time"))
        } - WALK
        assert surprising == set()


async def test_a_bus_without_listeners_is_a_plain_library() -> None:
    async with FakeBus(Settings(data=None, kafka=(), http=())) as bus:
        assert bus.bootstrap_servers == ""
        assert bus.http_url == ""
        await asyncio.sleep(0)


NEEDS_LITTLE = (
    "fakebus.cli.main",
    "fakebus.cli.tail",
    "fakebus.cli.produce",
    "fakebus.cli.topics",
    "fakebus.cli.groups",
    "fakebus.cli.doctor",
    "fakebus.pytest_plugin",
)


@pytest.mark.parametrize("module", NEEDS_LITTLE)
def test_start_up_does_not_import_what_it_does_not_need(module: str) -> None:
    import subprocess

    code = f"import sys, {module}; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"aiohttp", "rich", "confluent_kafka", "yaml", "cramjam", "hypothesis"}
    assert "asyncio" not in loaded or module == "fakebus.pytest_plugin"


def test_a_bus_that_nobody_has_asked_anything_has_imported_nothing_of_sets_and_catalogues() -> None:
    import subprocess

    code = (
        "import sys; from tests.unit.web.server import connect, http_bus\n"
        "with http_bus() as bus:\n"
        "    print(' '.join(sys.modules))\n"
        "    connect(bus).request('GET', '/health')\n"
        "    print(' '.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    at_rest, asked = (set(line.split()) for line in done.stdout.splitlines())
    # A quarter of the memory of a bus at rest, and half of the time of its start.
    assert not at_rest & {"aiohttp", "fakebus.web.application"}
    assert "fakebus.web.admin.room" in asked
    asked_for = {"fakebus.catalogue", "fakebus.cluster", "fakebus.client", "fakebus.schemas.avro"}
    assert not asked & (
        asked_for | {"yaml", "msgpack", "re2", "jinja2", "fakebus.web.console.site"}
    )
