"""What a sample event is, and the functions that stand in its data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from fakebus.openedx.world import Data


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One event."""

    name: str
    """Unique among the samples of its type."""
    at: str
    """When, from now."""
    data: Data


Samples = Mapping[str, Callable[[], Iterable[Sample]]]


def uuid(name: str) -> Data:
    """Return the function that gives the same UUID for the same name."""
    return {"$uuid": name}


def time(at: str) -> Data:
    """Return the function that gives a time, from now."""
    return {"$time": at}


def sample(name: str, at: str, argument: str, data: Data) -> Sample:
    """Return a sample with one argument of its signal."""
    return Sample(name=name, at=at, data={argument: data})
