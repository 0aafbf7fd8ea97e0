"""The fixture sets that a bus is seeded from when it starts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from fakebus.broker.broker import Broker
from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.fixture_files.loader import load_fixtures
from fakebus.fixture_files.model import FixtureSet
from fakebus.fixture_files.seeding.seeder import Progress, delete_topics, seed
from fakebus.fixture_files.seeding.subject_seeding import register_schemas, schema_type_of
from fakebus.fixture_files.structure.schema_set import SchemaIds
from fakebus.registry.registry import Registry


class BusSeed:
    """Fixture sets, read before a bus opens anything and written when it has started.

    Args:
        directories: where the sets are.
        now_ms: the time that relative times of events count from.
        config: the broker's.
        profile: the part of the sets that is wanted; ``None`` is all of them.

    Raises:
        FixtureError: a set has problems, or sets contradict each other.
    """

    def __init__(
        self,
        directories: Sequence[Path],
        *,
        now_ms: int,
        config: BrokerConfig,
        profile: str | None = None,
    ) -> None:
        self._load = partial(
            load_fixtures, directories, now_ms=now_ms, config=config, profile=profile
        )
        self._set = self._load()

    async def write(
        self,
        broker: Broker,
        registry: Registry,
        *,
        reset: bool = False,
        progress: Progress | None = None,
    ) -> None:
        """Register the schemas and write the topics, events and groups.

        Args:
            broker: a started broker.
            registry: a started registry.
            reset: delete the sets' topics first.
            progress: called with (records seeded, records in all).

        Raises:
            FixtureError: what is there already does not fit.
        """
        if reset:
            await delete_topics(broker, self._set)

        def reload(ids: SchemaIds) -> FixtureSet:
            return self._load(schema_ids=ids)

        registered = await register_schemas(registry, self._set, reload)
        await seed(
            broker,
            registered,
            progress=progress,
            schema_type_of=partial(schema_type_of, registry),
        )
