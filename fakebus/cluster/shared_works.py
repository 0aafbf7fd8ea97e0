"""What is asked of a bus as a whole, by many at once, and is found out once for all of them."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from fakebus.broker.turns import SharedWorks
from fakebus.servers import Bus

_works: WeakKeyDictionary[Bus, SharedWorks] = WeakKeyDictionary()


def works_of(bus: Bus) -> SharedWorks:
    """Return the shared works of a bus."""
    return _works.setdefault(bus, SharedWorks())
