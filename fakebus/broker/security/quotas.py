"""Client quotas: what users, client ids and addresses may use (KIP-13, 124, 546, 599, 612)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_address
from typing import NamedTuple

from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.security.quota_rates import Rate, TokenBucket
from fakebus.broker.values import Values
from fakebus.errors import BrokerError, ErrorCode
from fakebus.real_time import monotonic

USER, CLIENT_ID, IP = "user", "client-id", "ip"
PRODUCE, FETCH, REQUEST = "producer_byte_rate", "consumer_byte_rate", "request_percentage"
MUTATION, CONNECTION = "controller_mutation_rate", "connection_creation_rate"
_WHOLE = {PRODUCE: 2**63 - 1, FETCH: 2**63 - 1, CONNECTION: 2**31 - 1}
"""Quotas that are whole numbers, with the largest that each can be."""
_OF_CLIENTS = (PRODUCE, FETCH, REQUEST, MUTATION)
MOST_ENTITIES = 10_000
"""That a bus keeps quotas of; they all are in memory."""
_MOST_METERS = 10_000

Entity = tuple[tuple[str, str | None], ...]
"""Who a quota is for: names by type, in the order of the types. ``None`` is the default name."""
_Whose = tuple[str, str | None, str | None]
"""Quota, with the user and the client id whose use of it is counted together."""
Quotas = dict[str, float]
"""Values by the names of the quotas."""


class EntityFilter(NamedTuple):
    """Filter of entities."""

    exact: dict[str, str | None]
    """Names by type."""
    any_name: set[str]
    """Types that an entity must have."""
    strict: bool
    """Whether an entity may have no other types."""

    def matches(self, entity: Entity) -> bool:
        """Return whether an entity is one of those wanted."""
        names = dict(entity)
        if self.strict and len(names) != len(self.exact) + len(self.any_name):
            return False
        return self.any_name <= names.keys() and all(
            kind in names and names[kind] == name for kind, name in self.exact.items()
        )


class ClientQuotaAlteration(NamedTuple):
    """Alteration of one entity's quotas: a value for each name, ``None`` to take it away."""

    entity: Entity
    values: Sequence[tuple[str, float | None]]


class ClientQuotas:
    """Quotas that clients have set, and how much of them is used.

    Time is the machine's, as it is for those who wait.

    Args:
        values: where the quotas are kept.
        config: the broker's; tells how rates are measured.
        on_change: told whenever the quotas are others.
    """

    def __init__(
        self, values: Values, config: BrokerConfig, on_change: Callable[[ClientQuotas], None]
    ) -> None:
        self._values = values
        self._config = config
        self._on_change = on_change
        self.by_entity: dict[Entity, Quotas] = {}
        self._connections: dict[str | None, float] = {}
        """How many connections a second each address may open; ``None`` is any other."""
        self._meters: dict[_Whose, Rate | TokenBucket] = {}
        self.load()

    def load(self) -> None:
        """Take in what is stored, and forget what is used."""
        self._meters.clear()
        self._keep(
            {
                tuple((kind, name) for kind, name in json.loads(entity)): json.loads(quotas)
                for entity, quotas in self._values.all().items()
            }
        )

    async def alter(
        self, changes: Iterable[ClientQuotaAlteration], *, validate_only: bool
    ) -> dict[Entity, BrokerError | None]:
        """Set quotas and take them away; those of an entity all together or not at all.

        Args:
            changes: what is wanted.
            validate_only: look only whether it is right.

        Returns:
            By entity, why nothing was changed.

        Raises:
            StorageError: nothing was changed, because it could not be stored.
        """
        results: dict[Entity, BrokerError | None] = {}
        after: dict[Entity, Quotas] = {}
        for entity, values in changes:
            try:
                if entity in results:
                    raise _wrong("the request names this entity twice")
                _check(entity, values)
                changed: dict[str, float | None] = {
                    **self.by_entity.get(entity, {}),
                    **dict(values),
                }
                after[entity] = {
                    name: value for name, value in changed.items() if value is not None
                }
                results[entity] = None
            except BrokerError as error:
                results[entity] = error
                after.pop(entity, None)
        if len({**self.by_entity, **after}) > MOST_ENTITIES:
            too_many = _wrong(f"a bus keeps quotas of no more than {MOST_ENTITIES} entities")
            return dict.fromkeys(results, too_many)
        if after and not validate_only:
            before = self.by_entity
            self._keep({**before, **after})
            await self._values.set_all(
                {
                    json.dumps(entity): json.dumps(quotas) if quotas else None
                    for entity, quotas in after.items()
                },
                lambda: self._keep(before),
            )
        return results

    def _keep(self, by_entity: dict[Entity, Quotas]) -> None:
        self.by_entity = {entity: quotas for entity, quotas in by_entity.items() if quotas}
        self._connections = {
            None if name is None else str(ip_address(name)): quotas[CONNECTION]
            for ((kind, name), *_), quotas in self.by_entity.items()
            if kind == IP
        }
        self._on_change(self)

    def find(self, wanted: EntityFilter) -> dict[Entity, Quotas]:
        """Return the quotas of the entities that a filter matches."""
        return {
            entity: quotas for entity, quotas in self.by_entity.items() if wanted.matches(entity)
        }

    def _limit(self, quota: str, user: str, client_id: str) -> tuple[float, _Whose] | None:
        """Return what limits a client, and whose use counts: its user's, client id's or both."""
        for names in (
            ((CLIENT_ID, client_id), (USER, user)),
            ((CLIENT_ID, None), (USER, user)),
            ((USER, user),),
            ((CLIENT_ID, client_id), (USER, None)),
            ((CLIENT_ID, None), (USER, None)),
            ((USER, None),),
            ((CLIENT_ID, client_id),),
            ((CLIENT_ID, None),),
        ):
            value = self.by_entity.get(names, {}).get(quota)
            if value is not None:
                kinds = dict(names)
                return value, (
                    quota,
                    user if USER in kinds else None,
                    client_id if CLIENT_ID in kinds else None,
                )
        return None

    def record(self, quota: str, user: str, client_id: str, value: float) -> int:
        """Count what a client has used; return for how many milliseconds it has to wait.

        Args:
            quota: the quota's name.
            user: who the client is, without ``User:``.
            client_id: what it calls itself.
            value: how much it has used; negative to take that back.
        """
        limit = self._limit(quota, user, client_id)
        if limit is None:
            return 0
        bound, whose = limit
        now_ms = monotonic() * 1000
        meter = self._meter(whose, bound, now_ms)
        meter.record(value, now_ms)
        return meter.excess_ms(bound, now_ms)

    def mutate(self, user: str, client_id: str, partitions: int, *, strict: bool) -> int:
        """Count partitions that a client creates or deletes; see :meth:`record`.

        Raises:
            BrokerError: THROTTLING_QUOTA_EXCEEDED, if it is strict and too many came before;
                nothing was counted.
        """
        limit = self._limit(MUTATION, user, client_id)
        if limit is None:
            return 0
        bound, whose = limit
        now_ms = monotonic() * 1000
        meter = self._meter(whose, bound, now_ms)
        excess_ms = meter.excess_ms(bound, now_ms)
        if strict and excess_ms:
            raise QuotaExceededError(excess_ms)
        meter.record(partitions, now_ms)
        return 0 if strict else meter.excess_ms(bound, now_ms)

    def connect(self, host: str) -> int:
        """Count a connection of an address; return for how many milliseconds it is one too many."""
        bound = self._connections.get(host, self._connections.get(None))
        if bound is None:
            return 0
        now_ms = monotonic() * 1000
        meter = self._meter((CONNECTION, host, None), bound, now_ms)
        meter.record(1, now_ms)
        excess_ms = meter.excess_ms(bound, now_ms)
        if excess_ms:
            meter.record(-1, now_ms)
        return excess_ms

    def most_bytes(self, user: str, client_id: str) -> float:
        """Return what a fetch may bring at most, so that its client need not wait for ever."""
        limit = self._limit(FETCH, user, client_id)
        samples, window_s = self._windows()
        return float("inf") if limit is None else limit[0] * (samples - 1) * window_s

    @property
    def longest_ms(self) -> int:
        """For how many milliseconds a client waits at most that has taken too much time."""
        return self._windows()[1] * 1000

    def _windows(self) -> tuple[int, int]:
        get_int = self._config.get_int
        return get_int("quota.window.num"), get_int("quota.window.size.seconds")

    def _meter(self, key: _Whose, bound: float, now_ms: float) -> Rate | TokenBucket:
        meter = self._meters.get(key)
        if meter is None:
            if len(self._meters) >= _MOST_METERS:
                self._meters = {
                    other: each for other, each in self._meters.items() if not each.is_idle(now_ms)
                }
                # Else each new name would have all of them looked at; the oldest begin anew.
                too_many = max(0, len(self._meters) - _MOST_METERS // 2)
                for other in list(self._meters)[:too_many]:
                    del self._meters[other]
            if key[0] == MUTATION:
                get_int = self._config.get_int
                samples = get_int("controller.quota.window.num")
                burst_s = samples * get_int("controller.quota.window.size.seconds")
                meter = TokenBucket(burst_s, bound, now_ms)
            else:
                samples, window_s = self._windows()
                meter = Rate(samples, window_s * 1000)
            self._meters[key] = meter
        return meter


class QuotaExceededError(BrokerError):
    """A client has to wait before it may do that.

    Args:
        throttle_ms: for how many milliseconds.
    """

    def __init__(self, throttle_ms: int) -> None:
        super().__init__(ErrorCode.THROTTLING_QUOTA_EXCEEDED)
        self.throttle_ms = throttle_ms


def _check(entity: Entity, values: Sequence[tuple[str, float | None]]) -> None:
    kinds = dict(entity)
    if not 0 < len(kinds) == len(entity):
        raise _wrong("the entity has no type, or one twice")
    for kind, name in entity:
        if kind not in (USER, CLIENT_ID, IP):
            raise _wrong(f"there is no entity type {kind!r}; there are user, client-id and ip")
        if name == "":
            raise _wrong(f"the name of the {kind} is empty; the default one is null")
    if IP in kinds:
        if len(kinds) > 1:
            raise _wrong("an ip cannot be combined with a user or a client id")
        _check_address(kinds[IP])
    if len(dict(values)) != len(values):
        raise _wrong("the request changes a quota of this entity twice")
    for name, value in values:
        if value is not None:
            _check_value(name, value, (CONNECTION,) if IP in kinds else _OF_CLIENTS)


def _check_value(name: str, value: float, known: Sequence[str]) -> None:
    if name not in known:
        raise _wrong(f"there is no such quota as {name!r}; there is {', '.join(known)}")
    if not value > 0:
        raise _wrong(f"the quota {name} must be greater than 0")
    if name in _WHOLE and value > _WHOLE[name]:
        raise _wrong(f"the quota {name} can be {_WHOLE[name]} at most")
    if name in _WHOLE and value % 1.0 > 1e-6:
        raise _wrong(f"the quota {name} must be a whole number")


def _check_address(name: str | None) -> None:
    try:
        ip_address(name or "::1")
    except ValueError:
        raise _wrong(f"{name!r} is no IP address") from None


def _wrong(reason: str) -> BrokerError:
    return BrokerError(ErrorCode.INVALID_REQUEST, reason)
