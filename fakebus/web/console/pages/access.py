"""Access: ACLs, what clients were refused, and how that is changed."""

from __future__ import annotations

from enum import IntEnum
from itertools import islice
from typing import TypeVar

from fakebus.broker.security.acls import Acl, AclFilter
from fakebus.broker.security.authorizer import Authorizer
from fakebus.broker.security.resources import Operation, PatternType, Permission
from fakebus.broker.security.resources import ResourceType as Kind
from fakebus.errors import BrokerError
from fakebus.web.console.addresses import page_url
from fakebus.web.console.call import Call, Page, Redirect
from fakebus.web.errors import RequestError

_MOST_ROWS = 300
_EVERY = AclFilter(Kind.ANY, None, PatternType.ANY, None, None, Operation.ANY, Permission.ANY)
_Choice = TypeVar("_Choice", bound=IntEnum)


def _authorizer(call: Call) -> Authorizer | None:
    return call.cluster.bus("who may do what").broker.security.authorizer


def _demanded(call: Call) -> Authorizer:
    authorizer = _authorizer(call)
    if authorizer is None:
        raise RequestError(400, "there are no ACLs: the bus was started without an authorizer")
    return authorizer


async def index(call: Call) -> Page:
    """List what was refused, and the ACLs that there are."""
    authorizer, wanted = _authorizer(call), call.query.text("q").lower()
    refusals = [] if authorizer is None else authorizer.refusals
    acls = [] if authorizer is None else authorizer.find(_EVERY)
    fitting = [acl for acl in acls if wanted in acl.principal.lower() or wanted in acl.name.lower()]
    return Page(
        template="access.html",
        values={
            "wanted": call.query.text("q"),
            "is_on": authorizer is not None,
            "super_users": [] if authorizer is None else sorted(authorizer.super_users),
            "refusals": refusals[:_MOST_ROWS],
            "more_refusals": max(len(refusals) - _MOST_ROWS, 0),
            "acls": [(_told(acl), acl.to_json()) for acl in islice(fitting, _MOST_ROWS)],
            "left": max(len(fitting) - _MOST_ROWS, 0),
            "kinds": [kind.name for kind in Kind if kind > Kind.ANY],
            "operations": [each.name for each in Operation if each > Operation.ANY],
            "given": call.query,
        },
    )


def _told(acl: Acl) -> dict[str, str]:
    """Return an ACL as Kafka's tools write it."""
    return {
        "principal": acl.principal,
        "host": acl.host,
        "permission": Permission(acl.permission).name,
        "operation": Operation(acl.operation).name,
        "kind": Kind(acl.resource_type).name,
        "pattern": PatternType(acl.pattern_type).name,
        "name": acl.name,
    }


def _chosen(call: Call, name: str, choices: type[_Choice]) -> _Choice:
    text = call.form.text(name)
    if text not in choices.__members__:
        raise RequestError(400, f"there is no {name} {text!r}")
    return choices[text]


async def create(call: Call) -> Redirect:
    """Create an ACL."""
    acl = Acl(
        resource_type=_chosen(call, "kind", Kind),
        name=call.form.text("name"),
        pattern_type=_chosen(call, "pattern", PatternType),
        principal=call.form.text("principal"),
        host=call.form.text("host") or "*",
        operation=_chosen(call, "operation", Operation),
        permission=_chosen(call, "permission", Permission),
    )
    authorizer = _demanded(call)
    try:
        acl.check()
        await authorizer.create([acl])
    except BrokerError as error:
        raise RequestError(400, str(error)) from None
    return Redirect(url=page_url("access"), done=f"The ACL for {acl.principal} holds.")


async def delete(call: Call) -> Redirect:
    """Take an ACL away."""
    authorizer, named = _demanded(call), call.form.raw("acl")
    found = [acl for acl in authorizer.find(_EVERY) if acl.to_json() == named]
    if not found:
        raise RequestError(404, "there is no such ACL any more")
    await authorizer.delete(found)
    return Redirect(url=page_url("access"), done=f"The ACL for {found[0].principal} is gone.")
