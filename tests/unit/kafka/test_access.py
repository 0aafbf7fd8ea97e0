"""The needs that handlers declare, and the gate that asks for them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from fakebus.errors import ErrorCode
from fakebus.kafka.access import INSIDE, guarded, parse
from fakebus.kafka.api import Handler
from fakebus.kafka.handlers import handler_of
from fakebus.kafka.served import SERVED
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import AclCreation, CreateAclsRequest
from fakebus.protocol.schema import api_schema

FOR_EVERYBODY = {
    *(ApiKey.API_VERSIONS, ApiKey.SASL_HANDSHAKE, ApiKey.SASL_AUTHENTICATE),
    # Whose a token is decides, not an ACL.
    *(ApiKey.RENEW_DELEGATION_TOKEN, ApiKey.EXPIRE_DELEGATION_TOKEN),
}


@pytest.mark.parametrize(
    "handler", [handler_of(each) for each in SERVED], ids=lambda each: each.api_key.name
)
def test_every_api_but_those_of_the_login_needs_something_that_its_requests_name(
    handler: Handler,
) -> None:
    assert bool(handler.needs) is (handler.api_key not in FOR_EVERYBODY)
    schema = api_schema(int(handler.api_key))
    assert schema is not None
    versions = range(handler.min_version, handler.max_version + 1)
    for need in map(parse, handler.needs):
        if need.field not in ("", INSIDE):
            kinds = {
                field.is_array
                for version in versions
                for field in schema.request.root.fields_in(version)
                if field.name == need.field
            }
            assert kinds == {need.of_each}


@pytest.mark.parametrize(
    "text", ["READ TOPIC", "READ", "READ TOPICS topics[]", "ALTER CLUSTER topics[]", "EAT TOPIC x"]
)
def test_what_is_no_need_is_refused(text: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        parse(text)


def test_a_refusal_on_the_cluster_says_which_operation_it_takes() -> None:
    """As Kafka does; of other resources the answer says already which they are."""
    request = CreateAclsRequest(creations=[AclCreation(), AclCreation()])
    may_nothing = SimpleNamespace(
        api_key=int(ApiKey.CREATE_ACLS), api_version=3, allows=lambda *_: False
    )
    create_acls = guarded(handler_of(ApiKey.CREATE_ACLS)).function
    answer = cast(Any, create_acls(request, cast(Any, may_nothing)))
    error, text = (
        ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
        "not allowed on the cluster: it takes ALTER",
    )
    assert [(each.error_code, each.error_message) for each in answer.results] == [
        (error.code, text)
    ] * 2
