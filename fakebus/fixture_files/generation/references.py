"""References of generated events to the keys and values of other topics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fakebus.fixture_files.events.event_lines import EventLine
from fakebus.fixture_files.events.field_paths import field_of
from fakebus.fixture_files.formats.wrappers import unwrapped
from fakebus.fixture_files.problems import DataError, did_you_mean, quoted
from fakebus.fixture_files.structure.models import Topic


class References:
    """Values that references such as ``orders.value.total`` name.

    Args:
        topics: those of the set, by name.
        lines: the events by topic; more may come.
    """

    def __init__(
        self, topics: Mapping[str, Topic], lines: Mapping[str, Sequence[EventLine]]
    ) -> None:
        self._topics = topics
        self._lines = lines
        self._values: dict[str, Sequence[object]] = {}

    def values_of(self, reference: str) -> Sequence[object]:
        """Return all values that a reference such as ``orders.value.total`` names.

        Raises:
            DataError: there are none.
        """
        if reference not in self._values:
            self._values[reference] = self._find(reference)
        return self._values[reference]

    def split(self, reference: str) -> tuple[str, str, str] | None:
        """Return topic, part and path of a reference; ``None`` if it names no topic."""
        for topic in sorted(self._topics, key=len, reverse=True):
            if reference.startswith(f"{topic}."):
                part, _, path = reference[len(topic) + 1 :].partition(".")
                return topic, part, path
        return None

    def _find(self, reference: str) -> Sequence[object]:
        found = self.split(reference)
        if found is None:
            name = reference.partition(".")[0]
            raise DataError(
                f"there is no topic for {quoted(reference)}", did_you_mean(name, self._topics)
            )
        topic, part, path = found
        if part not in ("key", "value") or (part == "key" and path):
            raise DataError(
                f"{quoted(reference)} names neither a key nor a value",
                f"write {topic}.key, {topic}.value or {topic}.value.FIELD",
            )
        lines = self._lines.get(topic, ())
        if not lines:
            raise DataError(f"{topic} has no events to refer to", "load or generate some")
        return self._collect(self._topics[topic], lines, part, path)

    def _collect(
        self, topic: Topic, lines: Sequence[EventLine], part: str, path: str
    ) -> Sequence[object]:
        found: list[object] = []
        failure: DataError | None = None
        for line in lines:
            data = unwrapped(line.fields.get(part))
            key_field = (line.file.load and line.file.load.key_field) or topic.key_field
            try:
                if part == "key" and "key" not in line.fields and key_field is not None:
                    data = field_of(unwrapped(line.fields.get("value")), key_field)
                if path:
                    data = field_of(data, path)
            except DataError as error:
                failure = error
                continue
            if data is not None:
                found.append(data)
        if not found:
            if failure is not None:
                raise DataError(f"in {topic.name}'s events {failure}", failure.hint)
            raise DataError(f"no event of {topic.name} has a {part}", "refer to something else")
        return found
