"""What outlives the topics of a scenario, and is taken away before another module meets it."""

from __future__ import annotations

from fakebus.protocol import messages as m
from fakebus.protocol.api_keys import ApiKey
from tests.differential.sides import Side, attempts


def take_away_quotas(side: Side) -> None:
    """Delete all quotas, and wait until the broker shows none: it learns of it a little later."""
    for _ in attempts():
        asked = m.DescribeClientQuotasRequest(components=[])
        found = side.call(ApiKey.DESCRIBE_CLIENT_QUOTAS, 1, asked).entries
        if not found:
            return
        entries = [
            m.AlterClientQuotasRequestEntryData(
                entity=[
                    m.EntityData(entity_type=each.entity_type, entity_name=each.entity_name)
                    for each in entry.entity
                ],
                ops=[m.OpData(key=each.key, value=0.0, remove=True) for each in entry.values],
            )
            for entry in found
        ]
        side.call(ApiKey.ALTER_CLIENT_QUOTAS, 1, m.AlterClientQuotasRequest(entries=entries))
    raise AssertionError(found)


def take_away_credentials(side: Side) -> None:
    """Delete the SCRAM credentials of all users, and wait until the broker shows none."""
    for _ in attempts():
        asked = m.DescribeUserScramCredentialsRequest(users=None)
        found = side.call(ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS, 0, asked).results
        if not found:
            return
        deletions = [
            m.ScramCredentialDeletion(name=each.user, mechanism=info.mechanism)
            for each in found
            for info in each.credential_infos
        ]
        side.call(
            ApiKey.ALTER_USER_SCRAM_CREDENTIALS,
            0,
            m.AlterUserScramCredentialsRequest(deletions=deletions, upsertions=[]),
        )
    raise AssertionError(found)
