"""ACLs, where the bus has an authorizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, TypeVar

from aiohttp import web

from fakebus.broker.security.acls import Acl, AclFilter, demand_known
from fakebus.broker.security.authorizer import Authorizer
from fakebus.broker.security.resources import Operation, PatternType, Permission, ResourceType
from fakebus.errors import BrokerError, ErrorCode
from fakebus.web.errors import RequestError
from fakebus.web.rest.call import field, objects
from fakebus.web.rest.v3.call import Resource, V3Call, demand

_FIELDS = (
    "resource_type",
    "resource_name",
    "pattern_type",
    "principal",
    "host",
    "operation",
    "permission",
)
_Enum = TypeVar("_Enum", bound=IntEnum)


def _authorizer(call: V3Call) -> Authorizer:
    authorizer = call.bus.broker.security.authorizer
    if authorizer is None:
        raise BrokerError(ErrorCode.SECURITY_DISABLED)
    return authorizer


async def list_acls(call: V3Call) -> object:
    """List the ACLs that a filter matches; none where there is no authorizer."""
    wanted = _filter(call.request.query)
    authorizer = call.bus.broker.security.authorizer
    found = [] if authorizer is None else authorizer.find(wanted)
    return _collection(call, found)


def _collection(call: V3Call, acls: Sequence[Acl]) -> Resource:
    return call.collection("Acl", ("acls",), (_acl(call, each) for each in acls))


def _acl(call: V3Call, acl: Acl) -> Resource:
    fields = {
        "resource_type": ResourceType(acl.resource_type).name,
        "resource_name": acl.name,
        "pattern_type": PatternType(acl.pattern_type).name,
        "principal": acl.principal,
        "host": acl.host,
        "operation": Operation(acl.operation).name,
        "permission": Permission(acl.permission).name,
    }
    return call.resource("Acl", ("acls",), fields)


async def create_acl(call: V3Call) -> object:
    """Create an ACL."""
    await _create(call, [_new(await call.body())])
    return web.Response(status=201, headers={"Location": call.url("acls")})


async def create_acls(call: V3Call) -> object:
    """Create several ACLs, all or none."""
    await _create(call, [_new(each) for each in objects(await call.body(), "data")])
    return web.Response(status=201, headers={"Location": call.url("acls")})


async def _create(call: V3Call, wanted: Sequence[Acl]) -> None:
    authorizer = _authorizer(call)
    demand_known(wanted)
    for each in wanted:
        each.check()
    await authorizer.create(wanted)


async def delete_acls(call: V3Call) -> object:
    """Delete the ACLs that a filter matches, and tell which they were."""
    authorizer, query = _authorizer(call), call.request.query
    if not query:
        raise RequestError(400, "say which ACLs: resource_type, principal and so on")
    found = authorizer.find(_filter(query))
    await authorizer.delete(found)
    return {"data": [_acl(call, each) for each in found]}


def _new(asked: Mapping[str, Any]) -> Acl:
    demand(asked, *_FIELDS)
    name, principal, host = (
        field(asked, each, str) for each in ("resource_name", "principal", "host")
    )
    return Acl(
        _member(asked, "resource_type", ResourceType),
        name,
        _member(asked, "pattern_type", PatternType),
        principal,
        host,
        _member(asked, "operation", Operation),
        _member(asked, "permission", Permission),
    )


def _filter(query: Mapping[str, str]) -> AclFilter:
    return AclFilter(
        _member(query, "resource_type", ResourceType),
        query.get("resource_name"),
        _member(query, "pattern_type", PatternType),
        query.get("principal"),
        query.get("host"),
        _member(query, "operation", Operation),
        _member(query, "permission", Permission),
    )


def _member(asked: Mapping[str, Any], name: str, kind: type[_Enum]) -> _Enum:
    """Return the number of a word; ANY where it is missing, which only a filter may have."""
    word = str(asked.get(name) or "ANY").upper()
    if word not in kind.__members__ or word == "UNKNOWN":
        known = ", ".join(each for each in kind.__members__ if each != "UNKNOWN")
        raise RequestError(400, f"{name} is one of {known}")
    return kind[word]
