"""Garbage collection of a bus that runs: no look at all of its objects while clients wait.

Python's collector looks at everything whenever there is a quarter more than the last time, and
nothing else goes on meanwhile: a second where thousands of topics and groups are read by dozens.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Mapping

from fakebus.real_time import monotonic

_LONG_S = 0.02
"""A look that takes longer is not taken again."""
_LOOK_EVERY_S = 60.0
_OF_ALL_EVERY = 10
"""Which of these looks is one at all objects."""
_YOUNG = 20_000, 3
"""Objects behind which there is a small collection, and how many of these come before one that
looks at all since the last such one: 60,000 objects are some 15 ms, what Python has some 50."""
_FULL_AFTER = 1_700
"""Smaller collections behind which there is a full one also while clients wait. Ten, as Python has
it, come with a few dozen large answers."""
_IDLE_S = 0.02
"""Of a processor in a second: nobody waits for the loop."""


class Collections:
    """Collections of garbage, of which long ones leave out what earlier ones have found in use.

    What is left out goes as soon as nothing refers to it, as most does. What only refers to each
    other waits until nobody asks anything.
    """

    def __init__(self) -> None:
        self._began = 0.0
        self._looks = 0

    def begin(self) -> None:
        """Look at nothing that is there by now, and seldom at what comes."""
        gc.freeze()
        # Consumers that wait keep many objects alive, and the default threshold would have them
        # all visited for every few requests.
        gc.set_threshold(*_YOUNG, _FULL_AFTER)
        gc.callbacks.append(self.collected)
        gc.enable()

    def collected(self, phase: str, information: Mapping[str, int]) -> None:
        """Take note of a collection that begins or ends; Python calls it."""
        if information["generation"] < 2:
            return
        if phase == "start":
            self._began = monotonic()
        elif monotonic() - self._began > _LONG_S:
            gc.freeze()

    async def look(self) -> None:
        """Collect what there is when nobody asks anything, for ever."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            used = time.thread_time()
            await asyncio.sleep(1)
            if time.thread_time() - used > _IDLE_S or not gc.get_count()[2]:
                continue
            self._looks += 1
            if not self._looks % _OF_ALL_EVERY:
                gc.unfreeze()
            gc.collect()
