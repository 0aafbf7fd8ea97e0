"""Install fakebus as a user does, start it, send a record through a real client, and stop it.

    python tools/smoke.py [--limit SECONDS]

A wheel is made from the checkout and installed into a new virtual environment; nothing of the
checkout is used after that.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
START_TIMEOUT_S = 30.0
CLIENT = """
import sys, urllib.request
from confluent_kafka import Consumer, Producer

bootstrap_servers, http_url = sys.argv[1:]
producer = Producer({"bootstrap.servers": bootstrap_servers})
producer.produce("smoke", b"it works", key=b"k")
assert producer.flush(20) == 0
consumer = Consumer({
    "bootstrap.servers": bootstrap_servers, "group.id": "smoke", "auto.offset.reset": "earliest"
})
consumer.subscribe(["smoke"])
message = consumer.poll(20)
assert message is not None and message.error() is None, message
assert (message.key(), message.value()) == (b"k", b"it works")
consumer.close()
assert b"dev-user-login-string" in urllib.request.urlopen(http_url + "/subjects").read()
"""


def run(*command: str | Path, directory: Path) -> None:
    """Run a command that must succeed."""
    # What lies in the checkout must not be imported instead of what is installed.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([*map(str, command)], cwd=directory, env=environment, check=True)


def pip(*arguments: str | Path, directory: Path, python: Path | None = None) -> None:
    """Run this environment's pip, for another one if ``python`` is given."""
    other = () if python is None else ("--python", python)
    quiet = ("--quiet", "--disable-pip-version-check")
    run(sys.executable, "-m", "pip", *quiet, *other, *arguments, directory=directory)


def install(directory: Path) -> Path:
    """Return the directory of the commands of a new environment with a wheel of the checkout."""
    wheel = ("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", directory, CHECKOUT)
    pip(*wheel, directory=directory)
    (built,) = directory.glob("fakebus-*.whl")
    run(sys.executable, "-m", "venv", "--without-pip", "venv", directory=directory)
    commands = directory / "venv" / "bin"
    pip("install", f"{built}[client]", directory=directory, python=commands / "python")
    return commands


def try_out(commands: Path, directory: Path) -> None:
    """Start a bus, use it and stop it."""
    ready_file = directory / "ready.json"
    flags = "up --memory --fixtures openedx --kafka 127.0.0.1:0 --http 127.0.0.1:0"
    command = [commands / "fakebus", *flags.split(), "--ready-file", ready_file]
    bus = subprocess.Popen(command, cwd=directory)
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not ready_file.exists():
            if bus.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("fakebus did not start")
            time.sleep(0.02)
        ready = json.loads(ready_file.read_text())
        addresses = ready["bootstrap_servers"], ready["http_url"]
        run(commands / "python", "-c", CLIENT, *addresses, directory=directory)
    finally:
        bus.send_signal(signal.SIGTERM)
        status = bus.wait(10)
    if status:
        raise SystemExit(f"fakebus ended with {status}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 if all of it works, and within the limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=float, help="how many seconds it may take")
    limit = parser.parse_args(arguments).limit
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fakebus-smoke-") as name:
        directory = Path(name)
        commands = install(directory)
        installed = time.monotonic()
        try_out(commands, directory)
    ended = time.monotonic()
    print(f"works: installed in {installed - started:.1f} s, tried in {ended - installed:.1f} s")
    if limit is not None and ended - started > limit:
        print(f"too slow: it took {ended - started:.1f} s, and may take {limit:g} s")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
