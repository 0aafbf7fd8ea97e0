"""A shell that does what pages tell their readers to type, and compares its answers with theirs."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.kafka import free_port

NOT_RUN = {
    "docker": "images are built elsewhere: tests/devstack",
    "tutor": "has to be installed with its images: tests/devstack/test_tutor.py",
    "kcat": "not everywhere: tests/clients/test_other_languages.py",
    "kafka-configs.sh": "Java's: tests/clients/test_share_groups.py sets the same config",
    "make": "a target of the Makefile, which CI calls",
}
"""Programs that pages name and no test runs here, with what holds them."""
FUNCTIONS = """
pip() {
  for word; do
    # A package of the page itself is put where Python finds it; all others are there.
    if [ -d "$word" ] && [ -e "$word/pyproject.toml" ]; then
      python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \\
        --upgrade --target "$PYTHONPATH" "$word" 2>&1 | grep -v WARNING
    fi
  done
  return 0
}
curl() {
  strict="--silent --show-error --fail-with-body"
  case " $* " in
    # A stream has no end.
    *" -N "*) command curl $strict --max-time 2 "$@" || [ $? = 28 ] ;;
    *) command curl $strict "$@" ;;
  esac
}
"""
_SERVES = re.compile(r"fakebus (?:up|demo|console|mcp --listen)\b(?!.*--detach)")
_ASKS = re.compile(r"fakebus (?:why|flow|topics|groups \S+$)[^|;&]*")
_MARK = "--- done ---"
_TIMEOUT_S = 60
_CHANGES = (
    (re.compile(r"\d{4}-\d\d-\d\d"), "DAY"),
    (re.compile(r"\d\d:\d\d:\d\d(?:\.\d+)?(?:\+00:00|Z)?"), "TIME"),
    (re.compile(r"\b\d+(?:\.\d+)? ?(?:ms|s)\b"), "SOME s"),
    (re.compile(r"\b1\d{12}\b"), "MILLISECONDS"),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "UUID"),
    (re.compile(r"\s+"), " "),
)
"""What is another one each time."""


class Terminal:
    """Bash in a directory, with a bus of its own where pages have 127.0.0.1:9092 and :8081."""

    def __init__(self, directory: Path, site: Path) -> None:
        self.directory = directory
        self._log = directory.parent / f"{directory.name}.log"
        self._kafka, self._http, self._console = _ports()
        self._serving: dict[str, int] = {}
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("FAKEBUS_", "PYTEST_"))
        } | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(site),
            "COLUMNS": "100",
            "FAKEBUS_KAFKA": f"127.0.0.1:{self._kafka}",
            "FAKEBUS_HTTP": f"127.0.0.1:{self._http}",
            "FAKEBUS_BOOTSTRAP_SERVERS": f"127.0.0.1:{self._kafka}",
            "FAKEBUS_HTTP_URL": f"http://127.0.0.1:{self._http}",
            # The plugins that a reader has, and not all of the checkout's.
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTEST_PLUGINS": "fakebus.pytest_plugin,fakebus.contract_plugin",
        }
        self._bash = subprocess.Popen(
            ["bash", "--norc"],
            cwd=directory,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._call(FUNCTIONS)

    def here(self, text: str) -> str:
        """A page's text with this terminal's ports."""
        for usual, port in self._all_ports():
            text = re.sub(rf"\b{usual}\b", str(port), text)
        return text

    def write(self, title: str, text: str) -> None:
        """Write a file of the page."""
        path = self.directory / title
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.here(text))

    def do(self, command: str, said: Sequence[str] | None) -> None:
        """Run a command; it says what is shown, or succeeds."""
        words = shlex.split(command, comments=True)
        if not words or words[0] in NOT_RUN:
            return
        if words[:3] in (["python3", "-m", "venv"], [".", ".venv/bin/activate"]):
            return
        if _SERVES.match(command):
            self._serve(re.sub(r"\s+#.*|\s*&$", "", command), said)
            return
        if command.endswith(" &"):
            self._call(f"{command.removesuffix(' &')} >{shlex.quote(str(self._log))}.others 2>&1 &")
            return
        output, status = self._call(self.here(command))
        # What others do comes when it comes; to ask again changes nothing.
        deadline = time.monotonic() + _TIMEOUT_S
        while said is not None and _ASKS.fullmatch(command) and time.monotonic() < deadline:
            if matches(said, self._as_shown(output)):
                break
            time.sleep(1)
            output, status = self._call(self.here(command))
        if said is None:
            assert status == 0, f"{command}\n{output}"
        else:
            assert matches(said, self._as_shown(output)), f"$ {command}\n{self._as_shown(output)}"

    def close(self) -> None:
        """End the shell and all that it has started."""
        for what in [*self._serving]:
            self._stop(what)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._bash.pid, signal.SIGKILL)
        self._bash.communicate()

    def _serve(self, command: str, said: Sequence[str] | None) -> None:
        # There is one bus at a time: who starts another one has ended the first.
        what = "bus" if command.startswith(("fakebus up", "fakebus demo")) else command
        self._stop(what)
        if command.startswith("fakebus demo"):
            command += f" --kafka 127.0.0.1:{self._kafka} --http 127.0.0.1:{self._http}"
        self._log.write_text("")
        pid, _ = self._call(
            f"{{ exec {self.here(command)}\n}} >{shlex.quote(str(self._log))} 2>&1 &\necho $!"
        )
        self._serving[what] = int(pid)
        deadline = time.monotonic() + _TIMEOUT_S
        while not _is_told(said, shown := self._as_shown(self._log.read_text())):
            assert time.monotonic() < deadline, f"$ {command}\n{shown}"
            time.sleep(0.05)

    def _stop(self, what: str) -> None:
        pid = self._serving.pop(what, None)
        if pid is not None:
            self._call(f"kill {pid}; wait {pid}")

    def _call(self, command: str) -> tuple[str, int]:
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        script = f"{{\n{command}\n}} </dev/null; status=$?; echo; echo '{_MARK}' $status\n"
        self._bash.stdin.write(script)
        self._bash.stdin.flush()
        lines = []
        for line in self._bash.stdout:
            if line.startswith(_MARK):
                return "".join(lines).removesuffix("\n"), int(line.removeprefix(_MARK))
            lines.append(line)
        raise AssertionError(f"the shell has ended: {command}\n{''.join(lines)}")

    def _as_shown(self, output: str) -> list[str]:
        for usual, port in self._all_ports():
            output = re.sub(rf"\b{port}\b", str(usual), output)
        return output.replace(f"{self.directory}/", "").splitlines()

    def _all_ports(self) -> Iterator[tuple[int, int]]:
        yield from ((9092 + number, self._kafka + number) for number in range(3))
        yield 8081, self._http
        yield 9021, self._console


def _ports() -> tuple[int, int, int]:
    # Further brokers listen on the ports behind the first one's; 40 between them are others'.
    kafka = free_port()
    while abs(kafka - (http := free_port())) < 40 or abs(kafka - (other := free_port())) < 40:
        pass
    return kafka, http, other


def _is_told(said: Sequence[str] | None, lines: Sequence[str]) -> bool:
    if said is None:
        return any("ready in" in line or "http://" in line for line in lines)
    return matches(said, lines)


def matches(shown: Sequence[str], lines: Sequence[str]) -> bool:
    """Say whether lines are as a page shows them: ``…`` stands for anything."""
    pattern = ""
    for line in shown:
        if line.strip() == "…":
            pattern += r"(?:[^\n]*\n)*?"
        else:
            words = (re.escape(_constant(part, bare=False)) for part in line.rstrip().split("…"))
            pattern += "[^\n]*".join(words) + "\n"
    return bool(re.fullmatch(pattern, "".join(f"{_constant(line)}\n" for line in lines)))


def _constant(line: str, *, bare: bool = True) -> str:
    for pattern, word in _CHANGES:
        line = pattern.sub(word, line)
    return line.rstrip() if bare else line


@contextlib.contextmanager
def terminal(directory: Path) -> Iterator[Terminal]:
    """A terminal in a new directory."""
    page, site = directory / "page", directory / "site"
    page.mkdir()
    site.mkdir()
    found = Terminal(page, site)
    try:
        yield found
    finally:
        found.close()
