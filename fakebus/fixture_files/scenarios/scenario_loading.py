"""From the files under ``scenarios`` to checked scenarios."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fakebus.fixture_files.encoding.encoder import TopicEncoder
from fakebus.fixture_files.problems import ProblemList, did_you_mean, quoted
from fakebus.fixture_files.scenarios.playing import Scenario
from fakebus.fixture_files.scenarios.scenario_specs import ScenarioFile, ScenarioLine, read_scenario
from fakebus.fixture_files.sources import MAX_YAML_BYTES, FixtureDirectory
from fakebus.fixture_files.structure.event_models import Load
from fakebus.fixture_files.structure.models import Topic


class ScenarioLoader:
    """Loader of scenarios, which encodes each of their events once."""

    def __init__(
        self,
        directory: FixtureDirectory,
        topics: Mapping[str, Topic],
        problems: ProblemList,
    ) -> None:
        self._directory = directory
        self._topics = topics
        self._problems = problems
        self.played = ProblemList()
        """Where encoders tell what is wrong, while reading and again while playing."""

    def load(
        self, files: Sequence[Load], encoders: Mapping[str, TopicEncoder], now_ms: int
    ) -> dict[str, Scenario]:
        """Return the scenarios by name.

        Args:
            files: where they stand.
            encoders: by topic; they report to :attr:`played`.
            now_ms: the time of the events that are encoded to check them.
        """
        found: dict[str, Scenario] = {}
        seen: set[str] = set()
        for load in files:
            if load.file in seen:
                self._problems.add(
                    load.position,
                    f"the scenario {quoted(load.file)} is named twice",
                    "name it once",
                )
                continue
            seen.add(load.file)
            spec = self._read(load)
            if spec is None:
                continue
            first = found.get(spec.name)
            if first is not None:
                self._problems.add(
                    spec.position,
                    f"there are two scenarios {quoted(spec.name)} "
                    f"(the first in {first.spec.position.file})",
                    "give one another name",
                )
                continue
            for line in spec.lines():
                self._check(line, encoders, now_ms)
            found[spec.name] = Scenario(spec=spec, encoders=encoders, problems=self.played)
        self._problems.extend(self.played)
        return found

    def _read(self, load: Load) -> ScenarioFile | None:
        text = self._directory.read_text(load.file, load.position, MAX_YAML_BYTES)
        if text is None:
            return None
        return read_scenario(text, load.file, self._directory, self._problems)

    def _check(self, line: ScenarioLine, encoders: Mapping[str, TopicEncoder], now_ms: int) -> None:
        topic = str(line.fields["topic"])
        if topic in self._topics:
            encoders[topic].encode(line, now_ms)
            return
        self._problems.add(
            line.position("topic"),
            f"there is no topic {quoted(topic)}",
            did_you_mean(topic, self._topics) if self._topics else "add it under topics",
        )
