"""An AsyncAPI document among sets that are loaded together."""

from __future__ import annotations

import json

from fakebus.fixture_files.asyncapi.document import Document
from fakebus.fixture_files.asyncapi.reading import AsyncApiReader, AsyncApiSet
from fakebus.fixture_files.directory_loading import DirectoryLoader
from fakebus.fixture_files.events.event_lines import EventFile, EventLine
from fakebus.fixture_files.set_parts import LoadSettings, Part
from fakebus.fixture_files.sources import FixtureDirectory
from fakebus.fixture_files.structure.models import RootFile


class AsyncApiLoader(DirectoryLoader):
    """Loader of an AsyncAPI document, whose examples are the events."""

    def __init__(self, part: Part, settings: LoadSettings) -> None:
        super().__init__(part, settings)
        self._directory = FixtureDirectory(part.source.root.parent, part.problems)
        self._described = AsyncApiSet()

    def read(self) -> None:
        """Read the document."""
        part = self.part
        document = Document(self._directory, part.source.root.name, part.problems)
        found = self._described = AsyncApiReader(
            document, part.notes, part.source.parameters
        ).read()
        part.spec.root = RootFile(name=found.name or None, release=found.version or None)
        part.spec.subjects, part.spec.topics = found.subjects, found.topics
        self._show_topics()

    def read_events(self) -> None:
        """Take the examples."""
        name = self.part.source.root.name
        files = {
            topic.name: EventFile(name, self._directory.display(name), "", topic.name)
            for topic in self.part.spec.topics
        }
        self._take(
            EventLine(
                file=files[example.topic],
                line=example.place.position.line,
                text=json.dumps(example.fields, ensure_ascii=False),
                fields={name: data for name, data in example.fields.items() if name != "topic"},
                is_converted=True,
            )
            for example in self._described.examples
        )
