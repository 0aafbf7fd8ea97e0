"""Named values that others keep with the bus: small texts under a prefix of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from fakebus.storage.interface import MetaStore, Undo


class Values:
    """Named values under one prefix.

    Args:
        store: where they are kept.
        prefix: what all their keys begin with.
    """

    def __init__(self, store: MetaStore, prefix: str) -> None:
        self._store = store
        self._prefix = prefix

    def all(self) -> dict[str, str]:
        """Return the values by their names, without the prefix."""
        keys = self._store.meta_keys(self._prefix)
        found = {key.removeprefix(self._prefix): self._store.get_meta(key) for key in keys}
        return {name: value for name, value in found.items() if value is not None}

    def get(self, name: str) -> str | None:
        """Return a value; ``None`` if there is none."""
        return self._store.get_meta(self._prefix + name)

    def set(self, name: str, value: str | None) -> asyncio.Future[None]:
        """Keep a value, or forget it if it is ``None``; done when that is stored."""
        return self._store.set_meta(self._prefix + name, value)

    def set_all(
        self, values: Mapping[str, str | None], undo: Undo | None = None
    ) -> asyncio.Future[None]:
        """Keep or forget several values at once; ``undo`` is called if that cannot be stored."""
        named = {self._prefix + name: value for name, value in values.items()}
        return self._store.set_all_meta(named, undo)
