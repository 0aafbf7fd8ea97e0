"""Write the event files of the example set; ``examples/json-events/fakebus.yaml`` is by hand.

The story is a small Open edX site over sixty days: courses are published, learners enrol,
some leave, some earn certificates and badges. The same learners and courses occur in all
topics. Payloads have the shapes of the openedx-events data classes. The same data come out
of every run:

    python tools/generate_json_events.py [DIRECTORY]
"""

from __future__ import annotations

import base64
import json
import random
import struct
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SEED = 20_260_501
DAYS = 60
DAY = 24 * 60
"""Times are minutes before the anchor."""

COURSES = [
    ("course-v1:edX+DemoX+Demo_Course", "Demonstration Course", "instructor"),
    ("course-v1:OpenCraftX+PY101+2026", "Python for Everyone", "self"),
    ("course-v1:UniKöln+DAT200+2026_T1", "Datenbanken für Einsteiger", "instructor"),
    ("course-v1:UNAM+HIST1+2026", "Historia de México en el siglo XX", "self"),
    ("course-v1:KyotoX+ART5+2026_Spring", "日本の美術入門", "instructor"),
    ("course-v1:SorbonneX+PHIL3+2026", "Philosophie : l'éthique aujourd'hui", "self"),
    ("course-v1:MITx+6.001x+2026_T1", "Structure & Interpretation of Programs", "instructor"),
    ("course-v1:AUCx+LIT9+2026", "مدخل إلى الأدب العربي", "self"),
    ("course-v1:TsinghuaX+STAT2+2026", "统计学基础", "instructor"),
    ("course-v1:HelsinkiX+MOOC-AI+2026", "Tekoälyn perusteet", "self"),
]
LEARNERS = """
ada|Ada Lovelace
grace|Grace Hopper
zoe.muller|Zoë Müller
jose|José Ángel Núñez
bjork|Björk Guðmundsdóttir
sun_wei|孫偉
yuki|佐藤 由紀
omar.k|عمر خالد
anya|Аня Смирнова
o'brien|Siobhán O'Brien
noor|Noor de Vries
lukasz|Łukasz Żółć
ines|Inês Conceição
thandi|Thandiwe Nkosi
dev_patel|देव पटेल
mai.tran|Trần Thị Mai
elif|Elif Yılmaz
kofi|Kofi Mensah
maria|Μαρία Παπαδοπούλου
noa|נועה לוי
sam-1|Sam Rivera
sam-2|Sam Rivera
emoji_fan|Robin 🦊 Fuchs
jean-luc|Jean-Luc d'Arcy
petra|Petra Králová
aroha|Aroha Ngāti
min-jun|김민준
chidi|Chidi Ọ̀kẹ́
lea|Léa Gagné
a|Al
"""  # noqa: RUF001 - a Turkish name has a Turkish letter
BLOCKS = ("video", "problem", "html", "vertical", "discussion")
MODES = ("audit", "audit", "honor", "verified", "verified")
BADGES = (
    ("First Steps", "Finished the first unit of any course"),
    ("Explorer 🧭", "Enrolled in three courses"),
    ("Vielseitig", "Erhielt Zertifikate in zwei Sprachen"),
)
TRACKED = (
    "edx.course.enrollment.activated",
    "play_video",
    "pause_video",
    "problem_check",
    "edx.ui.lms.sequence.next_selected",
)

Json = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Event:
    """A line to be, and when it happens."""

    minutes_ago: int
    line: Json
    after: str = ""


@dataclass(slots=True)
class EventFile:
    """The events of one file."""

    name: str
    events: list[Event] = field(default_factory=list)

    def add(self, minutes_ago: int, *, after: str = "", **line: Any) -> None:
        self.events.append(Event(minutes_ago=max(1, minutes_ago), line=line, after=after))

    def write(self, directory: Path) -> int:
        ordered = sorted(self.events, key=lambda event: -event.minutes_ago)
        lines = []
        for event in ordered:
            when = {"after": event.after} if event.after else {"at": before(event.minutes_ago)}
            line = {"id": event.line["id"]} if "id" in event.line else {}
            line |= when | event.line
            lines.append(json.dumps(line, ensure_ascii=False))
        text = "\n".join(lines) + "\n"
        (directory / self.name).write_text(text, encoding="utf-8", newline="\n")
        return len(lines)


def duration(minutes: int) -> str:
    """Return minutes as days, hours and minutes."""
    amounts = ((minutes // DAY, "d"), (minutes % DAY // 60, "h"), (minutes % 60, "m"))
    return "".join(f"{amount}{unit}" for amount, unit in amounts if amount) or "0m"


def before(minutes: int) -> str:
    """Return how far a time lies before the anchor."""
    return "-" + duration(minutes)


def moment(minutes_ago: int) -> Json:
    """Return a time for a payload that moves with the anchor."""
    return {"$time": before(minutes_ago) if minutes_ago > 0 else "+" + duration(-minutes_ago)}


class Story:
    """Everything that happens on the site."""

    def __init__(self) -> None:
        self.random = random.Random(SEED)  # noqa: S311 - the same data every time
        self.files: dict[str, EventFile] = {}
        people = [line.split("|") for line in LEARNERS.strip().splitlines()]
        self.learners = [
            {
                "id": 1000 + number,
                "is_active": True,
                "pii": {
                    "username": username,
                    "email": f"learner{number}@example.org",
                    "name": name,
                },
            }
            for number, (username, name) in enumerate(people, 1)
        ]
        self.courses = [
            {
                "course_key": key,
                "display_name": name,
                "start": moment((50 - n) * DAY),
                "end": moment((-40 - 7 * n) * DAY),
            }
            for n, (key, name, _) in enumerate(COURSES)
        ]
        self.enrolments: list[tuple[int, int, int, str]] = []

    def file(self, name: str) -> EventFile:
        return self.files.setdefault(name, EventFile(name))

    def signal(
        self, name: str, minutes_ago: int, event_type: str, key: str, value: Json, **more: Any
    ) -> None:
        """Add an event as the Open edX event bus sends it."""
        file = self.file(name)
        event_id = more.pop("event_id", f"{name.removesuffix('.ndjson')}-{len(file.events) + 1}")
        headers = [["ce_type", event_type], ["ce_id", {"$uuid": event_id}]]
        file.add(minutes_ago, id=event_id, key=key, headers=headers, value=value, **more)

    def publish_courses(self) -> None:
        for number, (key, name, pacing) in enumerate(COURSES):
            revisions = 2 + number % 3
            for revision in range(revisions):
                catalog = {
                    "course_key": key,
                    "name": name if revision else f"{name} (draft)",
                    "schedule_data": {
                        "start": self.courses[number]["start"],
                        "pacing": pacing,
                        "end": self.courses[number]["end"],
                        "enrollment_start": moment((58 - number) * DAY),
                        "enrollment_end": None,
                    },
                    "hidden": revision == 0,
                    "invitation_only": False,
                }
                self.signal(
                    "course-catalog-info-changed.ndjson",
                    (DAYS - number - revision * 4) * DAY + self.random.randrange(600),
                    "org.openedx.content_authoring.course.catalog_info.changed.v1",
                    key,
                    {"catalog_info": catalog},
                )

    def write_blocks(self) -> None:
        for number, (key, _, _) in enumerate(COURSES):
            for block in range(8):
                self._write_block(number, key.removeprefix("course-v1:"), block)

    def _write_block(self, number: int, course: str, block: int) -> None:
        block_type = BLOCKS[block % len(BLOCKS)]
        block_id = f"{self.random.getrandbits(128):032x}"
        usage_key = f"block-v1:{course}+type@{block_type}+block@{block_id}"
        start = (DAYS - number) * DAY - block * 90 - self.random.randrange(60)
        actions = ["created", "updated", "published"]
        if block == 6:
            actions.append("deleted")
        for step, action in enumerate(actions):
            info = {"usage_key": usage_key, "block_type": block_type, "version": None}
            self.signal(
                "course-authoring-xblock-lifecycle.ndjson",
                start - step * self.random.randrange(5, 60 * 30),
                f"org.openedx.content_authoring.xblock.{action}.v1",
                usage_key,
                {"xblock_info": info},
            )
        if block_type == "problem":
            skills = sorted(self.random.sample(range(1, 90), 3))
            info = {
                "usage_key": usage_key,
                "verified_skills": skills[:2],
                "ignored_skills": skills[2:],
            }
            for vote in range(2):
                self.signal(
                    "learning-xblock-skill-verified.ndjson",
                    start - 10 * DAY - vote * 500,
                    "org.openedx.learning.xblock.skill.verified.v1",
                    usage_key,
                    {"xblock_info": info},
                )

    def enrol(self) -> None:
        for learner in range(len(self.learners)):
            wanted = 3 + self.random.randrange(8)
            for course in self.random.sample(range(len(COURSES)), min(wanted, len(COURSES))):
                minutes = self.random.randrange(2 * DAY, 48 * DAY)
                number = len(self.enrolments) + 1
                mode = self.random.choice(MODES)
                self.enrolments.append((learner, course, minutes, mode))
                self.signal(
                    "course-enrollment-lifecycle.ndjson",
                    minutes,
                    "org.openedx.learning.course.enrollment.created.v1",
                    COURSES[course][0],
                    self._enrolment(learner, course, mode, active=True),
                    event_id=f"enroll-{number}",
                )
                if number % 9 == 0:
                    self._leave(number, learner, course, minutes, mode)
                elif number % 11 == 0:
                    self._upgrade(number, learner, course, minutes)

    def _enrolment(self, learner: int, course: int, mode: str, *, active: bool) -> Json:
        return {
            "enrollment": {
                "user": self.learners[learner],
                "course": self.courses[course],
                "mode": mode,
                "is_active": active,
                "creation_date": {"$time": "at"},
                "created_by": None,
            }
        }

    def _leave(self, number: int, learner: int, course: int, minutes: int, mode: str) -> None:
        later = self.random.randrange(60, minutes)
        self.signal(
            "course-unenrollment-lifecycle.ndjson",
            minutes - later,
            "org.openedx.learning.course.unenrollment.completed.v1",
            COURSES[course][0],
            self._enrolment(learner, course, mode, active=False),
            after=f"enroll-{number} +{duration(later)}",
        )

    def _upgrade(self, number: int, learner: int, course: int, minutes: int) -> None:
        later = self.random.randrange(60, minutes)
        self.signal(
            "course-enrollment-lifecycle.ndjson",
            minutes - later,
            "org.openedx.learning.course.enrollment.changed.v1",
            COURSES[course][0],
            self._enrolment(learner, course, "verified", active=True),
            after=f"enroll-{number} +{duration(later)}",
        )

    def certify(self) -> None:
        for number, (learner, course, minutes, mode) in enumerate(self.enrolments, 1):
            if mode == "audit" or number % 9 == 0 or minutes < 12 * DAY:
                continue
            later = self.random.randrange(8 * DAY, minutes)
            self._certificate("created", number, learner, course, minutes, later, mode)
            if number % 13 == 0:
                self._certificate("revoked", number, learner, course, minutes, later + 300, mode)

    def _certificate(
        self,
        action: str,
        number: int,
        learner: int,
        course: int,
        minutes: int,
        later: int,
        mode: str,
    ) -> None:
        uuid = f"{number:08x}" + "c0ffee00" * 3
        later = min(later, minutes - 1)
        certificate = {
            "user": self.learners[learner],
            "course": self.courses[course],
            "mode": mode,
            "grade": f"{0.7 + number % 30 / 100:.2f}",
            "current_status": "downloadable" if action == "created" else "unavailable",
            "download_url": f"https://lms.example.org/certificates/{uuid}",
            "name": self.learners[learner]["pii"]["name"],
            "previous_status": "" if action == "created" else "downloadable",
        }
        self.signal(
            "learning-certificate-lifecycle.ndjson",
            minutes - later,
            f"org.openedx.learning.certificate.{action}.v1",
            COURSES[course][0],
            {"certificate": certificate},
            after=f"enroll-{number} +{duration(later)}",
        )

    def award_badges(self) -> None:
        for number in range(45):
            learner = self.learners[number * 7 % len(self.learners)]
            name, description = BADGES[number % len(BADGES)]
            template = {
                "uuid": {"$uuid": f"badge-template-{number % len(BADGES)}"},
                "origin": "openedx",
                "name": name,
                "description": description,
                "image_url": f"https://lms.example.org/badges/{number % len(BADGES)}.png",
            }
            badge = {"uuid": {"$uuid": f"badge-{number}"}, "user": learner, "template": template}
            actions = ["awarded", "revoked"] if number % 15 == 14 else ["awarded"]
            for step, action in enumerate(actions):
                self.signal(
                    "learning-badges-lifecycle.ndjson",
                    self.random.randrange(2 * DAY, 40 * DAY) // (step + 1),
                    f"org.openedx.learning.badge.{action}.v1",
                    f"badge-{number}",
                    {"badge": badge},
                )

    def track(self) -> None:
        for number in range(250):
            learner, course, minutes, _ = self.random.choice(self.enrolments)
            name = TRACKED[number % len(TRACKED)]
            key = COURSES[course][0]
            data = {"course_id": key, "sequence": number}
            context = {"course_id": key, "user_id": self.learners[learner]["id"]}
            log = {
                "name": name,
                "timestamp": {"$time": "at"},
                "data": json.dumps(data, ensure_ascii=False),
                "context": json.dumps(context, ensure_ascii=False),
            }
            self.signal(
                "analytics.ndjson",
                self.random.randrange(1, minutes),
                "org.openedx.analytics.tracking.event.emitted.v1",
                name,
                {"tracking_log": log},
            )

    def keep_profiles(self) -> None:
        file = self.file("learner-profiles.ndjson")
        for number, learner in enumerate(self.learners):
            pii = learner["pii"]
            states: list[Json | None] = [{**pii, "language": "en"}]
            if number % 2:
                states.append({**pii, "language": "de", "bio": "Lernt gern 📚"})
            if number % 8 == 5:
                states.append(None)
            for step, state in enumerate(states):
                file.add((55 - 14 * step) * DAY - number, key=pii["username"], value=state)

    def draw_badges(self) -> None:
        file = self.file("badge-images.ndjson")
        for number, color in enumerate(
            ((0xC0, 0x39, 0x2B), (0x27, 0xAE, 0x60), (0x29, 0x80, 0xB9))
        ):
            image = base64.b64encode(png(color)).decode()
            file.add(
                50 * DAY - number,
                key=f"{number}.png",
                value=image,
                headers=[
                    ["content-type", "image/png"],
                    ["checksum", {"type": "binary", "data": checksum(png(color))}],
                ],
            )


def png(color: tuple[int, int, int]) -> bytes:
    """Return an image of 16 by 16 pixels, stored without compression for the same bytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    rows = (b"\0" + bytes(color) * 16) * 16
    header = struct.pack(">IIBBBBB", 16, 16, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows, 0))
        + chunk(b"IEND", b"")
    )


def checksum(data: bytes) -> str:
    """Return a CRC-32 as base64 of its four bytes."""
    return base64.b64encode(struct.pack(">I", zlib.crc32(data))).decode()


def generate(directory: Path) -> dict[str, int]:
    """Write all files and return the number of events in each."""
    story = Story()
    steps: list[Callable[[], None]] = [
        story.publish_courses,
        story.write_blocks,
        story.enrol,
        story.certify,
        story.award_badges,
        story.track,
        story.keep_profiles,
        story.draw_badges,
    ]
    for step in steps:
        step()
    directory.mkdir(parents=True, exist_ok=True)
    return {name: file.write(directory) for name, file in story.files.items()}


def main() -> None:
    default = Path(__file__).resolve().parent.parent / "examples" / "json-events" / "events"
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    counts = generate(directory)
    for name, count in counts.items():
        print(f"{count:5}  {name}")
    print(f"{sum(counts.values()):5}  events")


if __name__ == "__main__":
    main()
