"""What the commands do before they need a cluster: arguments, help, fixture checks, tables."""

from __future__ import annotations

import argparse
import errno
import io
import json
import os
import re
import sys
from pathlib import Path

import pytest

from fakebus.__main__ import main
from fakebus.cli.main import COMMANDS, command_module, run
from fakebus.cli.output import print_table
from fakebus.wording import nearest

REFERENCE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "cli.md"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["produce", "t", "--null"], "--null needs --key"),
        (["produce", "t", "--value", "a", "--json"], "leave out --value"),
        (["produce", "--value", "a"], "name the TOPIC"),
        (["produce", "--whole"], "name the TOPIC"),
        (["produce", "--key-separator", ":"], "name the TOPIC"),
        (["produce", "t", "--key", "a", "--key-separator", ":"], "leave one out"),
        (["produce", "t", "--key-separator", ""], "must not be empty"),
        (["produce", "t", "--value", "a", "--partition", "-1"], "from 0"),
        (["tail", "t", "--from", "soon"], "is not a position"),
        (["tail", "t", "--count", "0"], "--count"),
        (["tail", "t", "--group", "g", "--from", "3"], "fakebus groups g --reset t=3"),
        (["tail", "t", "--group", "g", "--partition", "0"], "exclude each other"),
        (["topics", "t", "--delete", "u"], "name the topic once"),
        (["topics", "--partitions", "3"], "belong to --create"),
        (["topics", "t", "--internal"], "--internal is for the list"),
        (["doctor", "--port-check", "127.0.0.1:1", "--topic", "t"], "--port-check stands alone"),
        (["groups", "--reset", "t=earliest"], "--reset needs the group"),
        (["groups", "g", "--reset", "t"], "is not KEY=VALUE"),
        (["groups", "g", "--reset", "t=soon"], "is not a position"),
        (["groups", "g", "--delete", "h"], "stands alone"),
        (["topics", "\udcff"], r"'\udcff' is not UTF-8"),
        (["topics", "--create", "t", "--config", "a\udcff=b"], "is not UTF-8"),
        (["tail", "t", "--group", "\udcff"], "is not UTF-8"),
        (["groups", "\udcff"], "is not UTF-8"),
        (["produce", "\udcff", "--value", "v"], "is not UTF-8"),
        (["doctor", "--group", "\udcff"], "is not UTF-8"),
        (["topics", "--client-config", "client.id=\udcff"], "is not UTF-8"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_before_anything_is_sent(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "command"),
    [([], "fakebus"), (["tpics"], "fakebus"), (["fixtures"], "fakebus fixtures")],
)
def test_wrong_usage_is_told_with_the_way_to_the_help(
    arguments: list[str], command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(arguments)
    assert capsys.readouterr().err.endswith(f"(see {command} --help)\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("tpics", "did you mean topics? (see fakebus --help)"),
        ("faults ad", "did you mean add? (see fakebus faults --help)"),
        ("tail t --format jsn", "did you mean json? (see fakebus tail --help)"),
        ("topics --partitons=3", "did you mean --partitions? (see fakebus topics --help)"),
        ("topics create t", "did you mean --create? (see fakebus topics --help)"),
        ("groups g reset t=latest", "did you mean --reset? (see fakebus groups --help)"),
        ("topics t more", "unrecognized arguments: more (see fakebus topics --help)"),
    ],
)
def test_a_slip_is_told_by_the_command_that_it_belongs_to_with_the_word_that_was_meant(
    words: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(words.split())
    assert capsys.readouterr().err.endswith(f"{told}\n")


@pytest.mark.parametrize("option", ["--bootstrap", "-b"])
def test_the_beginning_of_the_option_for_the_cluster_is_enough(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["topics", option, "127.0.0.1:1"]) == 2
    assert "start a bus with  fakebus up" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["topics", "groups", "doctor", "demo"])
def test_a_missing_client_library_is_said_with_the_extra_that_brings_it(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    assert run([command]) == 2
    assert f'fakebus {command} needs an extra package: run  pip install "fakebus[client]"' in (
        capsys.readouterr().err
    )


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    """Return the long options of a command and of its actions."""
    found: set[str] = set()
    for argument in parser._actions:
        if isinstance(argument, argparse._SubParsersAction):
            found |= {
                option for action in argument.choices.values() for option in options_of(action)
            }
        elif argument.help != argparse.SUPPRESS:
            found |= {option for option in argument.option_strings if option.startswith("--")}
    return found - {"--help"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_in_the_reference(command: str) -> None:
    parser = argparse.ArgumentParser()
    command_module(command).configure(parser)
    reference = REFERENCE.read_text()
    heading = f"\n## fakebus {command}\n"
    assert heading in reference, f"the command {command} has no section in {REFERENCE.name}"
    section = reference.split(heading)[1].split("\n## ")[0]
    shared = reference.split("\n## Which cluster\n")[1].split("\n## ")[0]
    options = options_of(parser)
    assert command == "down" or options
    missing = {option for option in options if not re.search(f"{option}[ `,]", section + shared)}
    assert not missing


def test_the_reference_begins_with_all_commands() -> None:
    table = re.findall(r"(?m)^\| \[`(\w+)`\]\(#fakebus-\1\) \| (.+) \|$", REFERENCE.read_text())
    assert table == list(COMMANDS.items())


def test_correct_fixtures_exit_with_0(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "fakebus.yaml").write_text(
        "version: 1\ntopics:\n  - name: orders\n    partitions: 2\n"
    )
    assert run(["fixtures", "check", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path}: no problems\n"


def test_mistakes_in_fixtures_exit_with_1_and_their_place(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "fakebus.yaml"
    file.write_text("version: 1\ntopics:\n  - name: orders\n    partitons: 2\n")
    assert run(["fixtures", "check", str(tmp_path)]) == 1
    assert f"{file}:4:" in capsys.readouterr().out
    assert run(["fixtures", "check", str(tmp_path), "--format", "json"]) == 1
    (problem,) = json.loads(capsys.readouterr().out)
    assert problem["line"] == 4
    assert "partitons" in problem["message"]


def test_a_table_in_a_pipe_is_aligned_and_has_no_boxes(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("topic", "records"), [("orders", 5), ("a", 1200), ("b", None)], title="all")
    assert capsys.readouterr().out == (
        "all\nTOPIC   RECORDS\norders        5\na          1200\nb             -\n"
    )


@pytest.mark.parametrize(("is_cropped", "lines"), [(True, 5), (False, 10)])
def test_a_row_of_a_table_is_one_line_where_only_so_many_fit(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    is_cropped: bool,
    lines: int,
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    print_table(["group", "lag"], [["group-" * 30, 7]], is_cropped=is_cropped)
    assert capsys.readouterr().out.count("\n") == lines


def test_a_table_on_a_terminal_is_boxed_and_takes_brackets_as_they_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_table(("topic", "records"), [("[red]orders\n\x1b[2J", 5)], title="\x1b[2J")
    output = capsys.readouterr().out
    assert "[red]orders\\n\\x1b[2J" in output
    assert "\x1b[2J" not in output
    assert "│" in output


@pytest.mark.parametrize(
    ("word", "known", "expected"),
    [
        ("ordes", ["orders", "payments"], "did you mean orders?"),
        ("ORDERS", ["orders"], "did you mean orders?"),
        ("x", ["orders", "__consumer_offsets"], "there are orders"),
        ("x", [], "there are none at all"),
        ("x", [f"topic{number}" for number in range(10)], "and 2 more"),
    ],
)
def test_a_misspelt_name_leads_to_the_nearest(word: str, known: list[str], expected: str) -> None:
    assert expected in nearest(word, known)


def test_init_writes_nothing_through_a_link(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "fakebus.yaml").symlink_to(tmp_path / "elsewhere")
    assert run(["fixtures", "init", str(tmp_path / "set")]) == 2
    assert "nothing is overwritten" in capsys.readouterr().err
    assert not (tmp_path / "elsewhere").exists()


def test_the_name_of_a_directory_stays_in_the_comment_of_its_set(tmp_path: Path) -> None:
    directory = tmp_path / "a\nversion: 5\nb"
    assert run(["fixtures", "init", str(directory)]) == 0
    assert run(["fixtures", "check", str(directory)]) == 0


@pytest.mark.parametrize(
    ("name", "module"), [("json", "json_events"), ("fakebus", "fakebus_events")]
)
def test_the_package_of_a_set_hides_no_other(tmp_path: Path, name: str, module: str) -> None:
    assert run(["fixtures", "init", "--package", name, str(tmp_path / "set")]) == 0
    assert (tmp_path / "set" / module / "fakebus.yaml").is_file()


class Unwritable(io.StringIO):
    """Standard output that takes nothing."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._error = OSError(number, os.strerror(number))

    def flush(self) -> None:
        raise self._error


@pytest.mark.parametrize(
    ("number", "command", "code"),
    [
        (errno.EPIPE, "check", 1),  # what was found is not known to be fine
        (errno.EPIPE, "list", 0),
        (errno.ENOSPC, "check", 2),
        (errno.ENOSPC, "list", 2),
    ],
)
def test_output_that_cannot_be_written_is_no_finding_and_no_traceback(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
    command: str,
    code: int,
) -> None:
    (tmp_path / "fakebus.yaml").write_text("version: 1\n")
    commands = {
        "check": ["fixtures", "check", str(tmp_path)],
        "list": ["catalogue", "--fixtures", str(tmp_path)],
    }
    monkeypatch.setattr(sys, "stdout", Unwritable(number))
    assert run(commands[command]) == code
    told = capsys.readouterr().err
    assert ("the disk is full" in told) == (number == errno.ENOSPC)
    assert "Traceback" not in told


def test_without_a_standard_output_what_is_printed_goes_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "argv", ["fakebus", "--version"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    sys.stdout.close()


def test_a_path_or_name_that_no_system_takes_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["fixtures", "lock", "x" * 5000, "--check"]) == 2
    told = capsys.readouterr().err
    # From 3.14 on Python says of such a path that it is not there.
    assert "… cannot be used: File name too long" in told or "create it with a file" in told
    assert run(["snapshot", "save", "\udcff"]) == 2
    assert r"'\udcff' is not UTF-8" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["faults", "list"], ["brokers", "stop", "2"], ["snapshot", "save", "x"]]
)
def test_what_may_be_given_several_times_adds_to_what_stands_in_front_of_an_action(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    command, *action = words
    # Each of the two is found to be none.
    for first, last in (("wrong", "a=b"), ("a=b", "wrong")):
        given = ["--client-config", first, *action, "--client-config", last]
        assert run([command, "--bootstrap-server", "127.0.0.1:1", *given]) == 2
        assert "'wrong' is not KEY=VALUE" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["faults", "list"], ["brokers", "stop", "2"], ["snapshot"]])
@pytest.mark.parametrize("is_behind", [False, True])
def test_where_a_bus_is_may_be_said_in_front_of_an_action_and_behind_it(
    words: list[str], is_behind: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    command, *action = words
    where = ["--http", "http://127.0.0.1:1"]
    given = [command, *action, *where] if is_behind else [command, *where, *action]
    assert run(given) == 2
    assert "no fakebus answers at http://127.0.0.1:1" in capsys.readouterr().err
