"""UpdateFeatures 0-2.

Behaviour:
    * The levels of the cluster's features are those of the Kafka that this is like. Setting one
      to the level that it has succeeds; anything else is INVALID_UPDATE_VERSION for all.

Version notes:
    1 kind of change instead of permission to downgrade, validation only; 2 no result for each.
"""

from __future__ import annotations

from fakebus.broker.features import UpgradeType, check_update
from fakebus.errors import BrokerError
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    UpdatableFeatureResult,
    UpdateFeaturesRequest,
    UpdateFeaturesResponse,
)

_FIRST_WITH_KIND_OF_CHANGE = 1
_SUCCESS = "NONE"
"""What Kafka writes where there is nothing to say."""


@handles(ApiKey.UPDATE_FEATURES, needs=("ALTER CLUSTER",))
def handle_update_features(
    request: UpdateFeaturesRequest, context: RequestContext
) -> UpdateFeaturesResponse:
    """Accept the levels as they are."""
    for update in request.feature_updates:
        change = update.upgrade_type
        if context.api_version < _FIRST_WITH_KIND_OF_CHANGE:
            change = UpgradeType.SAFE_DOWNGRADE if update.allow_downgrade else UpgradeType.UPGRADE
        try:
            check_update(update.feature, update.max_version_level, change)
        except BrokerError as error:
            return UpdateFeaturesResponse(
                error_code=error.error_code.code, error_message=error.message
            )
    return UpdateFeaturesResponse(
        results=[
            UpdatableFeatureResult(feature=update.feature, error_message=_SUCCESS)
            for update in request.feature_updates
        ]
    )
