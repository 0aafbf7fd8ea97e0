"""DescribeConfigs 1-4.

Behaviour:
    * Every config is listed with its value, default, source and synonyms, also those that
      fakebus only keeps and shows; no list of names, or an empty one, means all.
    * Resources are topics, this broker, the cluster (a broker without a name), loggers,
      groups and client metrics subscriptions.
    * A resource that is named twice in the same words is answered once.
    * A resource of a type that there is not refuses the whole request.
    * Secrets have no value. A resource that does not exist has an error of its own.

Version notes:
    1 synonyms and sources; 2 no change; 3 types and documentation; 4 flexible.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fakebus.broker.config_requests import ConfigResourceType
from fakebus.broker.configs.describing import DescribedConfig
from fakebus.broker.configs.keys import documentation_of
from fakebus.broker.turns import in_turns
from fakebus.errors import BrokerError, ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResourceResult,
    DescribeConfigsResponse,
    DescribeConfigsResult,
    DescribeConfigsSynonym,
)

_SECTIONS = {
    ConfigResourceType.TOPIC: "topic",
    ConfigResourceType.BROKER: "broker",
    ConfigResourceType.GROUP: "group",
    ConfigResourceType.CLIENT_METRICS: "client metrics",
}
_Documentation = Callable[[int, str], str | None]


@handles(ApiKey.DESCRIBE_CONFIGS, needs=("DESCRIBE_CONFIGS CONFIG resources[]",))
async def handle_describe_configs(
    request: DescribeConfigsRequest, context: RequestContext
) -> DescribeConfigsResponse:
    """Show configs."""
    kinds = {kind.value for kind in ConfigResourceType}
    strange = [each for each in request.resources if each.resource_type not in kinds]
    if strange:
        error = BrokerError(
            ErrorCode.INVALID_REQUEST, f"there is no resource type {strange[0].resource_type}"
        )
        return DescribeConfigsResponse(
            results=[_refused(each, error) for each in _different(request.resources)]
        )
    documentation: _Documentation = _no_documentation
    if request.include_documentation:
        documentation = _documentation
    return DescribeConfigsResponse(
        results=[
            _describe(resource, request.include_synonyms, documentation, context)
            async for resource in in_turns(_different(request.resources))
        ]
    )


def _different(resources: Iterable[DescribeConfigsResource]) -> Iterable[DescribeConfigsResource]:
    """Return the resources without those that were named in the same words before."""
    return {
        (each.resource_type, each.resource_name, tuple(each.configuration_keys or ("all",))): each
        for each in resources
    }.values()


def _no_documentation(resource_type: int, name: str) -> str | None:
    return "" if resource_type == ConfigResourceType.BROKER_LOGGER.value else None


def _documentation(resource_type: int, name: str) -> str | None:
    # Loaded when somebody asks: four hundred sentences that hardly anybody reads.

    section = _SECTIONS.get(ConfigResourceType(resource_type))
    return "" if section is None else documentation_of(section, name)


def _describe(
    resource: DescribeConfigsResource,
    with_synonyms: bool,
    documentation: _Documentation,
    context: RequestContext,
) -> DescribeConfigsResult:
    kind, name = resource.resource_type, resource.resource_name
    try:
        configs = context.broker.config_admin.describe(
            kind, name, resource.configuration_keys, node_id=context.node_id
        )
    except BrokerError as error:
        return _refused(resource, error)
    return DescribeConfigsResult(
        error_message="",  # not null, as in Kafka
        resource_type=kind,
        resource_name=name,
        configs=[
            _config(config, with_synonyms, documentation(kind, config.name)) for config in configs
        ],
    )


def _refused(resource: DescribeConfigsResource, error: BrokerError) -> DescribeConfigsResult:
    return DescribeConfigsResult(
        error_code=error.error_code.code,
        error_message=error.message,
        resource_type=resource.resource_type,
        resource_name=resource.resource_name,
    )


def _config(
    config: DescribedConfig, with_synonyms: bool, documentation: str | None
) -> DescribeConfigsResourceResult:
    synonyms = config.synonyms if with_synonyms else ()
    return DescribeConfigsResourceResult(
        name=config.name,
        value=config.value,
        read_only=config.read_only,
        config_source=config.source.value,
        is_sensitive=config.sensitive,
        synonyms=[
            DescribeConfigsSynonym(
                name=synonym.name, value=synonym.value, source=synonym.source.value
            )
            for synonym in synonyms
        ],
        config_type=config.type.value,
        documentation=documentation,
    )
