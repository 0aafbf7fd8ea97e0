"""A small university in a devstack: the people, courses and libraries that events speak of.

The same learners and courses appear in the events of all services, so that what one service
says fits what another one says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Data = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody with an account."""

    id: int
    username: str
    name: str
    """Empty for somebody who has given none."""
    is_active: bool = True

    @property
    def user(self) -> Data:
        """The person as UserData."""
        return {
            "id": self.id,
            "is_active": self.is_active,
            "pii": {
                "username": self.username,
                "email": f"{self.username}@example.org",
                "name": self.name,
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A course run."""

    org: str
    number: str
    run: str
    name: str
    start: str
    """When it starts, from now."""
    end: str | None

    @property
    def name_key(self) -> str:
        """``Org+Number+Run``, as it stands in all keys of the course."""
        return f"{self.org}+{self.number}+{self.run}"

    @property
    def key(self) -> str:
        """The course key."""
        return f"course-v1:{self.name_key}"

    def block(self, block_type: str, block_id: str) -> str:
        """Return a usage key."""
        return f"block-v1:{self.name_key}+type@{block_type}+block@{block_id}"

    @property
    def data(self) -> Data:
        """The course as the learning domain's CourseData."""
        found: Data = {
            "course_key": self.key,
            "display_name": self.name,
            "start": {"$time": self.start},
        }
        if self.end is not None:
            found["end"] = {"$time": self.end}
        return found


AMARA = Person(id=5, username="amara", name="Amara Okafor")
BJORN = Person(id=6, username="bjorn", name="Björn Ångström")
CHEN = Person(id=7, username="chen", name="陈伟")
DILNOZA = Person(id=8, username="dilnoza", name="Dilnoza Karimova 🎓")
ESRA = Person(id=9, username="esra", name="")
INACTIVE = Person(id=10, username="felix", name="Felix Muster", is_active=False)
STAFF = Person(id=3, username="staff", name="Sofía Núñez")
COACH = Person(id=4, username="coach", name="Kofi Mensah")

PEOPLE = (AMARA, BJORN, CHEN, DILNOZA, ESRA, INACTIVE, STAFF, COACH)

DEMO = Course(
    org="OpenedX",
    number="DemoX",
    run="DemoCourse",
    name="Open edX Demo Course",
    start="-30w",
    end=None,
)
BIOLOGY = Course(
    org="Humboldt",
    number="BIO101",
    run="2026_T1",
    name="Einführung in die Biologie",
    start="-12w",
    end="+4w",
)
COMPUTING = Course(
    org="UniTokyo",
    number="CS50J",
    run="2026_T2",
    name="計算機科学入門",
    start="-6w",
    end="+10w",
)
COURSES = (DEMO, BIOLOGY, COMPUTING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrollment:
    """Somebody in a course, and how it went."""

    person: Person
    course: Course
    mode: str
    weeks: int
    """How many weeks ago it began."""
    grade: float | None = None
    """From 0 to 1; ``None`` for who has handed in nothing."""
    left: str | None = None
    """When the person left the course."""
    created_by: Person | None = None

    @property
    def id(self) -> str:
        """A name for ids of events."""
        return f"{self.person.username}-{self.course.number.lower()}"

    @property
    def when(self) -> str:
        """When it began, from now."""
        return f"-{self.weeks}w"

    @property
    def upgraded(self) -> str:
        """When it became more than an audit, two days later."""
        return f"-{self.weeks * 7 - 2}d"

    @property
    def passed(self) -> bool:
        """Whether the course is passed."""
        return self.grade is not None and self.grade >= 0.6

    @property
    def letter(self) -> str:
        """The grade as a letter."""
        grade = self.grade or 0.0
        return "A" if grade >= 0.9 else "B" if grade >= 0.75 else "C" if grade >= 0.6 else ""

    def data(self, *, mode: str | None = None, is_active: bool = True) -> Data:
        """Return the enrolment as CourseEnrollmentData."""
        found: Data = {
            "user": self.person.user,
            "course": self.course.data,
            "mode": mode or self.mode,
            "is_active": is_active,
            "creation_date": {"$time": self.when},
        }
        if self.created_by is not None:
            found["created_by"] = self.created_by.user
        return found


ENROLLMENTS = (
    Enrollment(person=AMARA, course=BIOLOGY, mode="verified", weeks=11, grade=0.93),
    Enrollment(person=BJORN, course=BIOLOGY, mode="verified", weeks=11, grade=0.78),
    Enrollment(person=CHEN, course=BIOLOGY, mode="audit", weeks=10, grade=0.41),
    Enrollment(person=DILNOZA, course=BIOLOGY, mode="audit", weeks=10, left="-8w"),
    Enrollment(
        person=CHEN, course=COMPUTING, mode="verified", weeks=5, grade=0.97, created_by=STAFF
    ),
    Enrollment(person=DILNOZA, course=COMPUTING, mode="verified", weeks=5, grade=0.66),
    Enrollment(person=ESRA, course=COMPUTING, mode="audit", weeks=4, left="-3w"),
    Enrollment(person=AMARA, course=DEMO, mode="audit", weeks=20, left="-19w"),
    Enrollment(person=ESRA, course=DEMO, mode="audit", weeks=18),
    Enrollment(person=INACTIVE, course=DEMO, mode="audit", weeks=17),
)
PASSED = tuple(each for each in ENROLLMENTS if each.passed)
GRADED = tuple(each for each in ENROLLMENTS if each.grade is not None)
LEFT = tuple(each for each in ENROLLMENTS if each.left is not None)
