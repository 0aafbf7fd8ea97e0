"""What can be sent to a bus: frames of Kafka's clients, requests by HTTP, commands of Redis."""

from __future__ import annotations

import json
import random
import urllib.request
from collections import Counter
from typing import Protocol

from fuzzing.bus import FuzzedBus
from fuzzing.commands_mutation import CommandMutator
from fuzzing.corpus import of_clients, of_every_api
from fuzzing.mutation import Mutator
from fuzzing.requests_corpus import of_console, of_description, of_tests, requests_of_tests
from fuzzing.requests_mutation import RequestMutator
from fuzzing.requests_sending import Talk, read_http, read_redis
from fuzzing.sending import Sender

CONVERSATIONS = 0.02
"""How many of the frames begin a conversation; those of one are 20 or so."""
DOORS = ("http", "redis")


class Source(Protocol):
    """Source of what is sent, and what became of it."""

    problems: list[str]

    @property
    def sent(self) -> int:
        """How many have been sent."""

    def send_some(self, count: int) -> None:
        """Send so many, or more."""

    def figures(self) -> dict[str, float]:
        """Return what became of them."""

    def close(self) -> None:
        """Close the connections."""


class Frames:
    """Frames of Kafka's clients.

    Args:
        ports: of the bus's listener, and of the one that wants a login.
        choice: chance.
        group: of APIs that are mutated; all if it is empty.
    """

    def __init__(self, ports: list[int], choice: random.Random, group: str = "") -> None:
        self.problems: list[str] = []
        self._mutator = Mutator(of_clients(ports[0]), of_every_api(choice), choice, group)
        self.sender = Sender(ports, choice)
        self._choice = choice
        self.close = self.sender.close

    @property
    def sent(self) -> int:
        return self.sender.sent

    def send_some(self, count: int) -> None:
        for _ in range(count):
            if self._choice.random() < CONVERSATIONS:
                self.sender.converse(*self._mutator.conversation())
            else:
                self.sender.send(self._mutator.frame())

    def figures(self) -> dict[str, float]:
        sender = self.sender
        return {
            "frames": float(sender.sent),
            "answered": float(sender.answered),
            "connections that were closed": float(sender.refused),
            "without an answer": float(sender.given_up),
        }


class Requests:
    """Requests by HTTP, or commands of Redis.

    Args:
        talk: sends them.
    """

    def __init__(self, talk: Talk) -> None:
        self.problems = talk.problems
        self.send_some, self.close = talk.send_some, talk.close
        self._talk = talk

    @property
    def sent(self) -> int:
        return self._talk.sent

    def figures(self) -> dict[str, float]:
        talk = self._talk
        kinds: Counter[str] = Counter()
        for answer, times in talk.answers.items():
            kinds[f"answered {answer[:1]}"] += times
        return {
            "sent": float(talk.sent),
            **{kind: float(times) for kind, times in sorted(kinds.items())},
            "connections that were closed": float(talk.refused),
            "without an answer": float(talk.given_up),
        }


def http_requests(port: int, choice: random.Random) -> Talk:
    """Return the talk with a bus by HTTP: of its description, its console, and what tests say.

    Nothing switches on a fault: a bus with one does not do what it should, on purpose.
    """
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/openapi.json", timeout=60) as answer:
        described = json.load(answer)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v3/clusters", timeout=60) as answer:
        cluster = json.load(answer)["data"][0]["cluster_id"]
    requests = [*of_description(described), *of_console(), *requests_of_tests()]
    known = [
        each._replace(path=each.path.replace("the-cluster", cluster))
        for each in requests
        if each.method != "POST" or not each.path.endswith("/faults")
    ]
    return Talk(port, RequestMutator(known, choice).request, read_http)


def redis_commands(port: int, choice: random.Random) -> Talk:
    """Return the talk with a bus as Redis."""
    return Talk(port, CommandMutator(of_tests("redis"), choice).commands, read_redis)


def source_of(group: str, bus: FuzzedBus, choice: random.Random) -> Source:
    """Return what is sent to a bus."""
    if group == "http":
        return Requests(http_requests(bus.http_port, choice))
    if group == "redis":
        return Requests(redis_commands(bus.redis_port, choice))
    return Frames(bus.ports, choice, group)
