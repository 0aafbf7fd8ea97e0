"""Garbage collection of a bus that runs: no look at all of its objects while clients wait.

Python's collector looks at everything whenever there is a quarter more than the last time, and
nothing else goes on meanwhile: half a second where there are thousands of topics and groups.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping

from fakebus.real_time import monotonic

_LONG_S = 0.02
"""A look that takes longer is not taken again."""


class Collections:
    """Collections of garbage, of which long ones leave out what earlier ones have found in use.

    What is left out goes as soon as nothing refers to it, as most does. What only refers to each
    other waits until there is twice as much.
    """

    def __init__(self) -> None:
        self._began = 0.0
        self._most = 0
        """Objects up to which none are looked at again."""
        self._looks_at_all = False

    def begin(self) -> None:
        """Look at nothing that is there by now, and seldom at what comes."""
        gc.freeze()
        self._most = 2 * gc.get_freeze_count()
        # Consumers that wait keep many objects alive, and the default threshold would have them
        # all visited for every few requests.
        gc.set_threshold(20_000, 10, 10)
        gc.callbacks.append(self.collected)
        gc.enable()

    def collected(self, phase: str, information: Mapping[str, int]) -> None:
        """Take note of a collection that begins or ends; Python calls it."""
        if information["generation"] < 2:
            return
        if phase == "start":
            if self._looks_at_all:
                gc.unfreeze()
            self._began = monotonic()
        elif monotonic() - self._began > _LONG_S or self._looks_at_all:
            gc.freeze()
            count = gc.get_freeze_count()
            if self._looks_at_all:
                self._most = max(self._most, 2 * count)
            self._looks_at_all = count > self._most
