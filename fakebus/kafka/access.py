"""What a client has to be allowed before a handler sees its request, in front of every handler.

Each handler declares its needs beside its versions, as texts:

    ``ALTER CLUSTER``                                the whole request needs it
    ``READ GROUP group_id``                          so does the resource that a field names
    ``WRITE TOPIC topics[]``                         each item of a list; the others are answered
    ``CREATE TOPIC topics[] or CREATE CLUSTER``      unless the client may do the second
    ``DESCRIBE TOPIC inside``                        the handler asks for each thing by itself

CONFIG and COORDINATOR stand for the type of resource that the item or the request names. Null
stands for no name and needs nothing, as does a field that the request's version does not have.
Without an authorizer nothing of this is even loaded.
"""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from fakebus.broker.config_requests import ConfigResourceType
from fakebus.broker.security.resources import CLUSTER_NAME, Operation, ResourceType
from fakebus.kafka.api import (
    CloseConnection,
    Handler,
    HandlerFunction,
    HandlerResult,
    PendingResponse,
    RequestContext,
)
from fakebus.kafka.error_responses import refusing_response
from fakebus.protocol.schema import api_schema

_NAMES = ("name", "topic", "topic_name", "group_id", "transactional_id", "resource_name")
_CONFIG_TYPES = {
    ConfigResourceType.TOPIC.value: ResourceType.TOPIC,
    ConfigResourceType.GROUP.value: ResourceType.GROUP,
    ConfigResourceType.BROKER.value: ResourceType.CLUSTER,
    ConfigResourceType.BROKER_LOGGER.value: ResourceType.CLUSTER,
    ConfigResourceType.CLIENT_METRICS.value: ResourceType.CLUSTER,
}
_COORDINATOR_TYPES = {
    0: ResourceType.GROUP,
    1: ResourceType.TRANSACTIONAL_ID,
    2: ResourceType.GROUP,
}
INSIDE = "inside"

Resource = tuple[ResourceType, str]


@dataclass(frozen=True, slots=True)
class Need:
    """Need of an API: an operation on the resources that a field of its requests names."""

    operation: Operation
    kind: str
    """A name of :class:`ResourceType`, CONFIG or COORDINATOR."""
    field: str
    """Empty for the cluster itself, :data:`INSIDE` if the handler asks by itself."""
    of_each: bool
    """Whether the field is a list, whose items may be refused one by one."""
    unless: Need | None

    def is_met(self, request: Any, item: Any, context: RequestContext) -> bool:
        """Return whether the client may do it with what an item names."""
        if item is None:
            return True
        if self.unless is not None and self.unless.is_met(request, CLUSTER_NAME, context):
            return True
        name = _name_of(item, context)
        if name is None:
            return True
        kind = self.resource_type(request, item)
        # What is of no type is refused by the handler.
        return kind is None or context.allows(
            self.operation, kind, CLUSTER_NAME if kind is ResourceType.CLUSTER else name
        )

    def resource_type(self, request: Any, item: Any) -> ResourceType | None:
        """Return the type of the resource that an item names; ``None`` if there is no such."""
        if self.kind == "CONFIG":
            return _CONFIG_TYPES.get(item.resource_type)
        if self.kind == "COORDINATOR":
            return _COORDINATOR_TYPES.get(request.key_type)
        return ResourceType[self.kind]


def parse(text: str) -> Need:
    """Return the need that a text declares.

    Raises:
        ValueError: it is not one.
    """
    first, _, second = text.partition(" or ")
    operation, kind, field = (*first.split(" "), "")[:3]
    if kind not in (*ResourceType.__members__, "CONFIG", "COORDINATOR") or (
        field not in ("", INSIDE) if kind == "CLUSTER" else not field
    ):
        raise ValueError(f"{text!r} is not an operation, a type of resource and a field")
    return Need(
        Operation[operation],
        kind,
        field.removesuffix("[]"),
        field.endswith("[]"),
        parse(second) if second else None,
    )


def guarded(handler: Handler) -> Handler:
    """Return a handler that sees of requests what the client may ask for."""
    needs = [need for need in map(parse, handler.needs) if need.field != INSIDE]
    if not needs:
        return handler
    return handler._replace(function=partial(_begin, handler.function, needs))


def _begin(
    function: HandlerFunction, needs: Iterable[Need], request: Any, context: RequestContext
) -> HandlerResult:
    refused: list[Any] = []
    left = False
    for need in needs:
        if need.field and need.field not in _fields(context.api_key, context.api_version):
            continue
        if need.of_each:
            left = _divide(need, request, context, refused) or left
            continue
        whole = getattr(request, need.field) if need.field else CLUSTER_NAME
        if not need.is_met(request, whole, context):
            kind = need.resource_type(request, whole)
            answer = _answer(request, need, kind, context, whole=True)
            return _joined(answer, (), request)
    if not refused:
        return function(request, context)
    if not left:
        return _joined(refused[0], refused[1:], request)
    return _with(function(request, context), partial(_joined, rest=refused, request=request))


def _divide(need: Need, request: Any, context: RequestContext, refused: list[Any]) -> bool:
    """Take out of a request what the client may not ask for, and answer it.

    Args:
        need: what of each item of a list is needed.
        request: the request.
        context: its context.
        refused: gets the answers.

    Returns:
        Whether anything is left in the list.
    """
    met: list[Any] = []
    unmet: dict[ResourceType | None, list[Any]] = {}
    for item in getattr(request, need.field) or ():
        if need.is_met(request, item, context):
            met.append(item)
        else:
            unmet.setdefault(need.resource_type(request, item), []).append(item)
    for kind, items in unmet.items():
        part = copy.copy(request)
        setattr(part, need.field, items)
        refused.append(_answer(part, need, kind, context))
    if unmet:
        setattr(request, need.field, met)
    return bool(met)


@cache
def _fields(api_key: int, version: int) -> frozenset[str]:
    schema = api_schema(api_key)
    assert schema is not None  # noqa: S101 - it has a handler
    return frozenset(field.name for field in schema.request.root.fields_in(version))


def _answer(
    request: Any,
    need: Need,
    kind: ResourceType | None,
    context: RequestContext,
    *,
    whole: bool = False,
) -> Any:
    assert kind is not None  # noqa: S101 - nothing else is refused
    error = kind.refusal
    # As Kafka, which says so of the cluster alone: other resources stand beside the error.
    lacks = f": it takes {need.operation.name}" if kind is ResourceType.CLUSTER else ""
    return refusing_response(
        context.api_key, context.api_version, request, error, error.text + lacks, whole=whole
    )


def _with(result: HandlerResult, join: Callable[[Any], Any]) -> HandlerResult:
    """Return what a handler has returned, with its answer joined to another one."""
    if isinstance(result, PendingResponse):
        joined = PendingResponse()
        joined.abandon = result.abandon

        def settle(outcome: Any) -> None:
            if not isinstance(outcome, CloseConnection):
                try:
                    outcome = join(outcome)
                except CloseConnection as close:
                    outcome = close
            joined.settle(outcome)

        result.when_settled(settle)
        return joined
    if isinstance(result, Awaitable):
        return _later(result, join)
    return join(result)


async def _later(result: Awaitable[Any], join: Callable[[Any], Any]) -> Any:
    return join(await result)


def _joined(response: Any, rest: Iterable[Any], request: Any) -> Any:
    """Put the lists of all responses into the first one."""
    if response is None or getattr(request, "acks", None) == 0:
        raise CloseConnection("a request that expects no answer is not allowed")
    for other in rest:
        for name in other.__slots__:
            items = getattr(other, name)
            if isinstance(items, list) and items:
                setattr(response, name, [*(getattr(response, name) or ()), *items])
    return response


def _name_of(item: Any, context: RequestContext) -> str | None:
    """Return the name of what an item is about; ``None`` if there is nothing that has one."""
    if isinstance(item, str):
        return item
    for attribute in _NAMES:
        name = getattr(item, attribute, None)
        if isinstance(name, str) and name:
            return name
    if not hasattr(item, "topic_id"):
        return ""
    topic = context.broker.topics.by_id(item.topic_id)
    return None if topic is None else topic.name
