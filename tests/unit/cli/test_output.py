"""How reports are laid out: what may be copied survives it."""

from __future__ import annotations

import pytest

from fakebus.cli.output import wrapped

WORDS = "stop what reads from it, and what writes to it, and when nothing does any more run"
COMMAND = "fakebus groups 'a; rm -rf b' --reset orders=earliest " + "--note x " * 9 + "--end"


@pytest.mark.parametrize("before", [f"{WORDS}: ", f"{WORDS}  ", f"{WORDS} {WORDS}: ", "run: "])
@pytest.mark.parametrize(
    "command", [COMMAND, "kafka-groups.sh --describe", "fakebus up", f"fakebus up\n{COMMAND}"]
)
def test_a_command_that_ends_a_text_stands_in_one_line(before: str, command: str) -> None:
    lines = wrapped(before + command, "  -> ").split("\n")
    command = command.replace("\n", "\\n")
    assert lines[-1].endswith(command)
    assert lines[0].startswith("  -> ")
    assert all(line.startswith(" " * 5) for line in lines[1:])
    assert all(len(line) <= 92 for line in lines if command not in line)
    assert lines[-1].strip() == command or len(lines[-1]) <= 92


@pytest.mark.parametrize("text", ["", "fakebus", "see fakebus up for more of this", "a: b"])
def test_a_text_without_a_command_is_wrapped_as_it_is(text: str) -> None:
    assert wrapped(text, "- ") == f"- {text}".rstrip()
    assert wrapped(f"{text} " + "word " * 40, "- ").count("\n") in (2, 3)
