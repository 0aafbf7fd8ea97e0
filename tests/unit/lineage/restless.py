"""Services that are simulated below the socket: when each step reaches the bus is drawn by chance.

A service says of each record that it writes which one was the cause. Each of its requests takes its
time to the bus and back, now and then very long, as on a machine with too much to do; so what the
bus notes comes in every order that clients can make.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Any

from fakebus.broker.activity import Activity, Origin
from fakebus.broker.peer import Peer
from fakebus.lineage.causes import Causes
from fakebus.lineage.clients import Clients
from fakebus.lineage.known_clients import KnownClients
from fakebus.lineage.known_notes import KnownNotes
from fakebus.lineage.notes import Notebook
from fakebus.lineage.place import Place
from fakebus.lineage.services import Services
from fakebus.processes import Process
from tests.unit.lineage.memory_store import MemoryLineageStore
from tests.unit.lineage.stories import Story

Steps = Generator[float, None, None]
"""A thread: it yields for how many milliseconds it waits."""
ORDERS, PARCELS = "orders", "parcels"
PARTITIONS = 2


@dataclass(frozen=True)
class Model:
    """Habits of a service, and of the machine that it runs on."""

    commits: str = "after"
    """``after`` or ``before`` it writes, ``timer`` (what its program was given)."""
    most: int = 500
    """Records that it takes at once."""
    threads: int = 1
    is_pool: bool = False
    """Whether it takes more before its threads are done."""
    waits: bool = True
    """Whether it waits until a commit is answered."""
    copies: Sequence[int] = (1,)
    """How many records it writes for one, one of these by chance."""
    work_ms: int = 20
    """How long it is at a record, at most."""
    stalls: float = 0.02
    """How many of the steps take seconds."""
    stall_ms: int = 2000
    burst: int = 20
    """Orders that come at once, at most; if it is one, there is a lull behind each."""
    lull_ms: int = 100
    looked_up_ms: int = 0
    """How long it takes until its process is found."""
    producers: int = 1
    consumers: int = 1
    processes: int = 1
    """If more than one, partitions change hands."""
    again: float = 0.0
    """How often it goes back and does again what it has not committed."""
    twice: float = 0.0
    """How often it writes again, as the answer was lost."""
    orders: int = 80
    seed: int = 0


@dataclass
class World:
    """Bus and time."""

    model: Model
    now_ms: float = 1_000_000.0
    truth: dict[Place, Place] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chosen = random.Random(self.model.seed)
        self.clients = Clients(Services())
        self.book = Notebook(self.clients)
        self.ends: dict[tuple[str, int], int] = {}
        self.committed = [-1] * PARTITIONS
        self.is_done = False
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def later(self, ms: float, what: Callable[[], None]) -> None:
        heappush(self._due, (self.now_ms + ms, next(self._numbers), what))

    def start(self, steps: Steps) -> None:
        def go_on() -> None:
            wait = next(steps, None)
            if wait is not None:
                self.later(wait, go_on)

        self.later(0, go_on)

    def run(self) -> None:
        while self._due:
            self.now_ms, _, what = heappop(self._due)
            what()

    def trip(self) -> float:
        """Return how long a step takes."""
        model, chosen = self.model, self.chosen
        if chosen.random() < model.stalls:
            return chosen.random() * model.stall_ms
        return chosen.random() * 3

    def note(
        self, who: Origin, verb: str, place: tuple[str, int], offsets: tuple[int, int], **more: Any
    ) -> None:
        self.book.note(Activity(verb, int(self.now_ms), who, *place, *offsets, **more))

    def append(
        self, who: Origin, topic: str, partition: int, causes: Sequence[Place | None]
    ) -> None:
        """Write one record for each cause, in one request."""
        first = self.ends.get((topic, partition), 0)
        self.ends[topic, partition] = first + len(causes)
        for offset, cause in enumerate(causes, first):
            if cause is not None:
                self.truth[Place(topic, partition, offset)] = cause
        last = first + len(causes) - 1
        self.note(who, "produced", (topic, partition), (first, last))


class Service:
    """Process that reads orders and writes parcels.

    Args:
        world: the bus.
        number: of the process.
        partitions: what it reads at first.
    """

    def __init__(self, world: World, number: int, partitions: Iterable[int]) -> None:
        self.world, self.model = world, world.model
        self.process = Process(number, ("python", "service.py"), "/srv", 1)
        consumers = [self._connect("consumer") for _ in range(self.model.consumers)]
        self.consumers = [consumers[each % len(consumers)] for each in range(PARTITIONS)]
        self.producers = [self._connect("producer") for _ in range(self.model.producers)]
        self.queue: deque[Place] = deque()
        self.given: dict[int, int] = {}
        """Up to where its program was given each partition that it reads."""
        self.times = [0] * PARTITIONS
        """How often it has given up each partition."""
        self.turn = 0
        """Grows when what is on its way is not wanted any more."""
        self.at_work = 0
        for partition in partitions:
            self.takes_over(partition)
        world.start(self.program())
        if self.model.commits == "timer":
            world.start(self.timer())

    def _connect(self, client_id: str) -> Origin:
        world, peer = self.world, Peer(host="127.0.0.1", port=1, local_port=9)
        origin = Origin(front_end="kafka", client_id=client_id, peer=peer)

        def find() -> None:
            peer.process, peer.looked_up = self.process, True
            world.clients.looked_up(peer)

        if self.model.looked_up_ms:
            world.later(self.model.looked_up_ms * world.chosen.random(), find)
        else:
            find()
        return origin

    def takes_over(self, partition: int) -> None:
        """Read a partition from where it is committed."""
        self.given[partition] = max(self.world.committed[partition], 0)
        self.world.start(self.fetching(partition))

    def gives_up(self, partition: int) -> None:
        """Read a partition no more; what is at work goes on."""
        del self.given[partition]
        self.times[partition] += 1
        self.queue = deque(each for each in self.queue if each.partition != partition)
        self.turn += 1

    def fetching(self, partition: int) -> Steps:
        world, position, turn, times = self.world, -1, -1, self.times[partition]

        def is_over() -> bool:
            return world.is_done or times != self.times[partition]

        while not is_over():
            if turn != self.turn:
                queued = [each for each in self.queue if each.partition == partition]
                position = queued[-1].offset + 1 if queued else self.given[partition]
                turn = self.turn
            yield world.trip()
            while turn == self.turn and world.ends.get((ORDERS, partition), 0) <= position:
                if is_over():
                    return
                yield 5
            if turn != self.turn or is_over():
                continue
            last = min(world.ends[ORDERS, partition] - 1, position + 499)
            who, place = self.consumers[partition], (ORDERS, partition)
            world.note(who, "fetched", place, (position, last), group="g")
            yield world.trip()
            if turn == self.turn and not is_over():
                self.queue += [Place(*place, at) for at in range(position, last + 1)]
                position = last + 1

    def committing(self, upto: Mapping[int, int]) -> Steps:
        world, times = self.world, list(self.times)
        yield world.trip()
        for partition, offset in upto.items():
            before = world.committed[partition]
            # Who does not read it any more is refused, also if it has been given it again.
            is_its = partition in self.given and times[partition] == self.times[partition]
            if is_its and offset > max(before, 0):
                more = {"group": "g", "member": "m", "before": before}
                who, place = self.consumers[partition], (ORDERS, partition)
                world.note(who, "committed", place, (offset, offset), **more)
                world.committed[partition] = offset
        yield world.trip()

    def timer(self) -> Steps:
        while not self.world.is_done:
            yield 500
            yield from self.committing(dict(self.given))

    def commit(self) -> Steps:
        if self.model.commits == "timer":
            return
        if self.model.waits:
            yield from self.committing(dict(self.given))
        else:
            self.world.start(self.committing(dict(self.given)))

    def work(self, orders: Sequence[Place], producer: Origin) -> Steps:
        world, model, chosen = self.world, self.model, self.world.chosen
        for order in orders:
            yield chosen.random() * model.work_ms
            causes = [order] * chosen.choice(model.copies)
            while causes:
                yield world.trip()
                world.append(producer, PARCELS, chosen.randrange(PARTITIONS), causes)
                yield world.trip()
                if chosen.random() >= model.twice:
                    break
        self.at_work -= 1

    def program(self) -> Steps:
        world, model = self.world, self.model
        while not world.is_done:
            if not self.queue:
                yield 2
                continue
            orders = [self.queue.popleft() for _ in range(min(model.most, len(self.queue)))]
            before = dict(self.given)
            self.given.update({order.partition: order.offset + 1 for order in orders})
            yield world.chosen.random()
            if model.commits == "before":
                yield from self.commit()
            for at in range(model.threads):
                if some := orders[at :: model.threads]:
                    self.at_work += 1
                    producer = self.producers[at % len(self.producers)]
                    world.start(self.work(some, producer))
            while self.at_work > (16 if model.is_pool else 0):
                yield 1
            if model.commits == "after":
                while self.at_work:
                    yield 1
                if world.chosen.random() < model.again:
                    self._seek(before)
                else:
                    yield from self.commit()

    def _seek(self, places: Mapping[int, int]) -> None:
        self.given.update({each: places[each] for each in self.given if each in places})
        self.queue.clear()
        self.turn += 1


def moving(world: World, services: Sequence[Service]) -> Steps:
    """Let a partition change hands some times."""
    for _ in range(6):
        yield 300 + world.chosen.random() * 1000
        chosen = world.chosen.randrange(PARTITIONS)
        [giver] = [each for each in services if chosen in each.given]
        giver.gives_up(chosen)
        yield world.trip()
        world.chosen.choice(services).takes_over(chosen)


def shop(world: World) -> Steps:
    who, model, number = Origin(front_end="kafka", client_id="shop"), world.model, 0
    while number < model.orders:
        sizes = [1, 1, min(5, model.burst), model.burst]
        for _ in range(min(world.chosen.choice(sizes), model.orders - number)):
            number += 1
            world.append(who, ORDERS, world.chosen.randrange(PARTITIONS), [None])
        yield world.chosen.choice([0, model.lull_ms / 2, model.lull_ms][2 * (model.burst == 1) :])


def ending(world: World) -> Steps:
    """End it all some time after all orders are committed."""
    while sum(max(each, 0) for each in world.committed) < world.model.orders:
        yield 50
    yield 10_000
    world.is_done = True


def lived(model: Model) -> tuple[World, Causes]:
    """Return a world after all is done, and who tells the causes in it."""
    world = World(model)
    per_process = PARTITIONS // model.processes
    services = [
        Service(world, 7 + at, range(at * per_process, (at + 1) * per_process))
        for at in range(model.processes)
    ]
    if len(services) > 1:
        world.start(moving(world, services))
    for steps in (shop(world), ending(world)):
        world.start(steps)
    world.run()
    store = MemoryLineageStore()
    store.add_notes(sorted(world.book.take()), [])
    known = KnownClients(world.clients, int(world.now_ms))
    return world, Causes(KnownNotes(store), known, Story())  # type: ignore[arg-type]
