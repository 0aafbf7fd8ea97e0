"""``python -m benchmarks.checking``: what ``fakebus fixtures check`` of many Avro events costs.

The events are enrolments as Open edX puts them on its bus: eight headers, an id and a time that
calls give, and in every fifth a time in the value. With ``--keep DIR`` the set stays there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

EVENTS = 100_000
FILES = 2
"""A file of events may have 64 MiB."""
SCHEMA = "org.openedx.learning.course.enrollment.created.v1"
TOPIC = "dev-learning-course-enrollment-lifecycle"
SCHEMAS = Path(__file__).parents[1] / "fixtures" / "schemas"
HEADERS = {
    "ce_id": {"$event": "uuid"},
    "ce_source": "openedx/lms/web",
    "ce_specversion": "1.0",
    "ce_time": {"$time": "at"},
    "ce_minorversion": "0",
    "ce_type": SCHEMA,
    "sourcehost": "edx.devstack.lms",
    "sourcelib": "11.2.0",
}


def enrolments(start: int, stop: int, own_headers: bool) -> Iterator[str]:
    for n in range(start, stop):
        user, course = n * 7 % 5000, f"course-v1:OpenedX+Demo{n % 40}+2026"
        event = {
            "id": f"enrolment-{n}",
            "at": f"-{n % 80 + 1}d{n % 86_400}s",
            "key": course,
            "headers": HEADERS,
            "value": {
                "enrollment": {
                    "user": {
                        "id": user,
                        "is_active": True,
                        "pii": {
                            "username": f"learner{user}",
                            "email": f"learner{user}@example.org",
                            "name": f"Learner Number {user}",
                        },
                    },
                    "course": {"course_key": course, "display_name": "Open edX Demo Course"},
                    "mode": ("audit", "verified", "honor")[n % 3],
                    "is_active": n % 4 > 0,
                    "creation_date": "2026-05-01T09:00:00+00:00" if n % 5 else {"$time": "-20w"},
                }
            },
        }
        if not own_headers:
            del event["headers"]
        yield json.dumps(event)


def write_set(directory: Path, count: int, own_headers: bool) -> None:
    files = [f"enrolments-{number}.ndjson" for number in range(FILES)]
    for number, file in enumerate(files):
        lines = enrolments(count * number // FILES, count * (number + 1) // FILES, own_headers)
        (directory / file).write_text("".join(f"{line}\n" for line in lines))
    for name in ("key-string", SCHEMA):
        (directory / f"{name}.avsc").write_bytes((SCHEMAS / f"{name}.avsc").read_bytes())
    topic = {
        "name": TOPIC,
        "partitions": 6,
        "key": {"subject": f"{TOPIC}-key"},
        "value": {"subject": f"{TOPIC}-value"},
        "load": files,
    }
    if not own_headers:
        topic["headers"] = HEADERS
    subjects = [
        {"subject": f"{TOPIC}-key", "schema": "key-string.avsc"},
        {"subject": f"{TOPIC}-value", "schema": f"{SCHEMA}.avsc"},
    ]
    # JSON is YAML.
    text = json.dumps({"version": 1, "subjects": subjects, "topics": [topic]}, indent=1)
    (directory / "fakebus.yaml").write_text(text)


def check(directory: Path) -> tuple[float, float, int]:
    """Return processor seconds and MB of a check, and its exit code."""
    command = [sys.executable, "-m", "fakebus", "fixtures", "check", str(directory)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, process.returncode


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument(
        "--own-headers", action="store_true", help="headers stand in the events, not at the topic"
    )
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="write the set there, check it not"
    )
    arguments = parser.parse_args()
    if arguments.keep is not None:
        arguments.keep.mkdir(parents=True, exist_ok=True)
        write_set(arguments.keep, arguments.events, arguments.own_headers)
        return
    with tempfile.TemporaryDirectory() as name:
        write_set(Path(name), arguments.events, arguments.own_headers)
        for _ in range(arguments.runs):
            seconds, megabytes, code = check(Path(name))
            print(f"{arguments.events} events: {seconds:.2f} s, {megabytes:.0f} MB, exit {code}")


if __name__ == "__main__":
    main()
