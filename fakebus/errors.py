"""Kafka's error codes, and the exceptions of fakebus."""

from __future__ import annotations

from enum import Enum

from fakebus.escaping import printable


class ErrorCode(Enum):
    """An error of the Kafka protocol: number, text, and whether clients retry it.

    Source: the error table of the Kafka protocol guide. Only errors that can cross the
    wire belong here; texts are ours.
    """

    code: int
    text: str
    retriable: bool

    def __new__(cls, code: int, text: str, retriable: bool = False) -> ErrorCode:
        """Make the number the value, so that ``ErrorCode(3)`` finds the member."""
        member = object.__new__(cls)
        member._value_ = code
        member.code = code
        member.text = text
        member.retriable = retriable
        return member

    @property
    def for_old_producers(self) -> ErrorCode:
        """What versions are told that do not know PRODUCER_FENCED (KIP-588)."""
        fenced = self is ErrorCode.PRODUCER_FENCED
        return ErrorCode.INVALID_PRODUCER_EPOCH if fenced else self

    UNKNOWN_SERVER_ERROR = -1, "the server met an error that it did not expect"
    NONE = 0, ""
    OFFSET_OUT_OF_RANGE = 1, "the offset lies outside the log"
    CORRUPT_MESSAGE = 2, "the record batch is damaged (its CRC does not match)", True
    UNKNOWN_TOPIC_OR_PARTITION = 3, "there is no such topic or partition", True
    INVALID_FETCH_SIZE = 4, "the fetch size is not valid"
    LEADER_NOT_AVAILABLE = 5, "the partition has no leader at the moment", True
    NOT_LEADER_OR_FOLLOWER = 6, "this broker does not lead the partition", True
    REQUEST_TIMED_OUT = 7, "the request took too long", True
    BROKER_NOT_AVAILABLE = 8, "the broker is not available"
    REPLICA_NOT_AVAILABLE = 9, "the replica is not available", True
    MESSAGE_TOO_LARGE = 10, "the record batch is larger than max.message.bytes"
    STALE_CONTROLLER_EPOCH = 11, "the controller epoch is old"
    OFFSET_METADATA_TOO_LARGE = 12, "the offset's metadata is longer than allowed"
    NETWORK_EXCEPTION = 13, "the connection broke", True
    COORDINATOR_LOAD_IN_PROGRESS = 14, "the coordinator is still loading", True
    COORDINATOR_NOT_AVAILABLE = 15, "there is no coordinator at the moment", True
    NOT_COORDINATOR = 16, "this broker is not the coordinator", True
    INVALID_TOPIC_EXCEPTION = 17, "the topic's name or the operation on it is not allowed"
    RECORD_LIST_TOO_LARGE = 18, "the record batch is larger than a segment"
    NOT_ENOUGH_REPLICAS = 19, "too few replicas are in sync", True
    NOT_ENOUGH_REPLICAS_AFTER_APPEND = 20, "stored, but too few replicas are in sync", True
    INVALID_REQUIRED_ACKS = 21, "acks must be -1, 0 or 1"
    ILLEGAL_GENERATION = 22, "the generation is not the group's current one"
    INCONSISTENT_GROUP_PROTOCOL = 23, "the member has no protocol in common with the group"
    INVALID_GROUP_ID = 24, "the group id is not valid"
    UNKNOWN_MEMBER_ID = 25, "the group does not know this member"
    INVALID_SESSION_TIMEOUT = 26, "the session timeout is outside the allowed range"
    REBALANCE_IN_PROGRESS = 27, "the group is rebalancing; join again"
    INVALID_COMMIT_OFFSET_SIZE = 28, "the offset commit is too large"
    TOPIC_AUTHORIZATION_FAILED = 29, "not allowed on this topic"
    GROUP_AUTHORIZATION_FAILED = 30, "not allowed on this group"
    CLUSTER_AUTHORIZATION_FAILED = 31, "not allowed on the cluster"
    INVALID_TIMESTAMP = 32, "the record's timestamp is outside the allowed range"
    UNSUPPORTED_SASL_MECHANISM = 33, "the SASL mechanism is not enabled"
    ILLEGAL_SASL_STATE = 34, "the request does not fit the state of the SASL exchange"
    UNSUPPORTED_VERSION = 35, "this version of the API is not served"
    TOPIC_ALREADY_EXISTS = 36, "a topic of this name exists"
    INVALID_PARTITIONS = 37, "the number of partitions is not valid"
    INVALID_REPLICATION_FACTOR = 38, "the replication factor is not valid"
    INVALID_REPLICA_ASSIGNMENT = 39, "the replica assignment is not valid"
    INVALID_CONFIG = 40, "the configuration is not valid"
    NOT_CONTROLLER = 41, "this broker is not the controller", True
    INVALID_REQUEST = 42, "the request contradicts itself or the protocol"
    UNSUPPORTED_FOR_MESSAGE_FORMAT = 43, "the message format does not support this"
    POLICY_VIOLATION = 44, "a policy forbids this"
    OUT_OF_ORDER_SEQUENCE_NUMBER = 45, "the producer's sequence number is not the next one"
    DUPLICATE_SEQUENCE_NUMBER = 46, "the producer's sequence number was seen before"
    INVALID_PRODUCER_EPOCH = 47, "the producer's epoch is old"
    INVALID_TXN_STATE = 48, "the transaction is not in a state that allows this"
    INVALID_PRODUCER_ID_MAPPING = 49, "the producer id does not belong to this transactional id"
    INVALID_TRANSACTION_TIMEOUT = 50, "the transaction timeout is not valid"
    CONCURRENT_TRANSACTIONS = 51, "the previous transaction is still being completed", True
    TRANSACTION_COORDINATOR_FENCED = 52, "the transaction coordinator is an old one"
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53, "not allowed on this transactional id"
    SECURITY_DISABLED = 54, "no authorizer is configured"
    OPERATION_NOT_ATTEMPTED = 55, "not tried, because another part of the request failed"
    KAFKA_STORAGE_ERROR = 56, "the data could not be stored", True
    LOG_DIR_NOT_FOUND = 57, "there is no such log directory"
    SASL_AUTHENTICATION_FAILED = 58, "the credentials are wrong"
    UNKNOWN_PRODUCER_ID = 59, "the producer id is not known"
    REASSIGNMENT_IN_PROGRESS = 60, "a reassignment is under way"
    DELEGATION_TOKEN_AUTH_DISABLED = 61, "delegation tokens are not enabled"
    DELEGATION_TOKEN_NOT_FOUND = 62, "there is no such delegation token"
    DELEGATION_TOKEN_OWNER_MISMATCH = 63, "the delegation token belongs to somebody else"
    DELEGATION_TOKEN_REQUEST_NOT_ALLOWED = 64, "delegation tokens are not allowed here"
    DELEGATION_TOKEN_AUTHORIZATION_FAILED = 65, "not allowed on this delegation token"
    DELEGATION_TOKEN_EXPIRED = 66, "the delegation token has expired"
    INVALID_PRINCIPAL_TYPE = 67, "the principal type is not known"
    NON_EMPTY_GROUP = 68, "the group still has members"
    GROUP_ID_NOT_FOUND = 69, "there is no such group"
    FETCH_SESSION_ID_NOT_FOUND = 70, "there is no such fetch session", True
    INVALID_FETCH_SESSION_EPOCH = 71, "the fetch session's epoch is not the expected one", True
    LISTENER_NOT_FOUND = 72, "there is no matching listener", True
    TOPIC_DELETION_DISABLED = 73, "topic deletion is switched off"
    FENCED_LEADER_EPOCH = 74, "the leader epoch is older than the broker's", True
    UNKNOWN_LEADER_EPOCH = 75, "the leader epoch is newer than the broker's", True
    UNSUPPORTED_COMPRESSION_TYPE = 76, "the compression type needs a newer request version"
    STALE_BROKER_EPOCH = 77, "the broker epoch is old"
    OFFSET_NOT_AVAILABLE = 78, "the offset is not available yet", True
    MEMBER_ID_REQUIRED = 79, "join again with the member id of this answer"
    PREFERRED_LEADER_NOT_AVAILABLE = 80, "the preferred leader is not available", True
    GROUP_MAX_SIZE_REACHED = 81, "the group has as many members as it may have"
    FENCED_INSTANCE_ID = 82, "another member has taken over this group.instance.id"
    ELIGIBLE_LEADERS_NOT_AVAILABLE = 83, "no eligible leader is available", True
    ELECTION_NOT_NEEDED = 84, "the partition has the leader that was asked for"
    NO_REASSIGNMENT_IN_PROGRESS = 85, "no reassignment is under way"
    GROUP_SUBSCRIBED_TO_TOPIC = 86, "the group is subscribed to the topic"
    INVALID_RECORD = 87, "the record batch breaks a rule of the broker"
    UNSTABLE_OFFSET_COMMIT = 88, "an offset is part of an open transaction", True
    THROTTLING_QUOTA_EXCEEDED = 89, "the quota is used up", True
    PRODUCER_FENCED = 90, "a newer producer uses this transactional id"
    RESOURCE_NOT_FOUND = 91, "there is no such resource"
    DUPLICATE_RESOURCE = 92, "the resource exists or is named twice"
    UNACCEPTABLE_CREDENTIAL = 93, "the credential is not acceptable"
    INCONSISTENT_VOTER_SET = 94, "the voter sets differ"
    INVALID_UPDATE_VERSION = 95, "the update version is not valid"
    FEATURE_UPDATE_FAILED = 96, "the feature could not be updated"
    PRINCIPAL_DESERIALIZATION_FAILURE = 97, "the principal could not be read"
    UNKNOWN_TOPIC_ID = 100, "there is no topic with this id", True
    DUPLICATE_BROKER_REGISTRATION = 101, "the broker id is taken"
    BROKER_ID_NOT_REGISTERED = 102, "there is no broker with this id"
    INCONSISTENT_TOPIC_ID = 103, "the topic id does not belong to the topic's name", True
    INCONSISTENT_CLUSTER_ID = 104, "the cluster id is a different one"
    TRANSACTIONAL_ID_NOT_FOUND = 105, "there is no such transactional id"
    FETCH_SESSION_TOPIC_ID_ERROR = 106, "the fetch session mixes topic ids and names", True
    NEW_LEADER_ELECTED = 109, "a new leader was elected"
    FENCED_MEMBER_EPOCH = 110, "the member's epoch is old; join again"
    UNRELEASED_INSTANCE_ID = 111, "the group.instance.id is still in use"
    UNSUPPORTED_ASSIGNOR = 112, "the assignor is not available"
    STALE_MEMBER_EPOCH = 113, "the member's epoch is old; send the newest one"
    MISMATCHED_ENDPOINT_TYPE = 114, "the request went to the wrong kind of endpoint"
    UNSUPPORTED_ENDPOINT_TYPE = 115, "this kind of endpoint is not served"
    UNKNOWN_CONTROLLER_ID = 116, "the controller id is not known"
    UNKNOWN_SUBSCRIPTION_ID = 117, "the telemetry subscription is not known"
    TELEMETRY_TOO_LARGE = 118, "the telemetry is too large"
    INVALID_REGISTRATION = 119, "the broker registration is not valid"
    TRANSACTION_ABORTABLE = 120, "the transaction can only be aborted"
    INVALID_RECORD_STATE = 121, "the record is not in a state that allows this"
    SHARE_SESSION_NOT_FOUND = 122, "there is no such share session", True
    INVALID_SHARE_SESSION_EPOCH = 123, "the share session's epoch is not valid", True
    FENCED_STATE_EPOCH = 124, "the share state's epoch is old"
    INVALID_VOTER_KEY = 125, "the voter key does not match"
    DUPLICATE_VOTER = 126, "the voter exists"
    VOTER_NOT_FOUND = 127, "there is no such voter"
    INVALID_REGULAR_EXPRESSION = 128, "the regular expression is not valid"
    REBOOTSTRAP_REQUIRED = 129, "the client's metadata are too old; bootstrap again"
    STREAMS_INVALID_TOPOLOGY = 130, "the streams topology is not valid"
    STREAMS_INVALID_TOPOLOGY_EPOCH = 131, "the streams topology's epoch is not valid"
    STREAMS_TOPOLOGY_FENCED = 132, "the streams topology's epoch is old"
    SHARE_SESSION_LIMIT_REACHED = 133, "there are too many share sessions", True


class FakebusError(Exception):
    """Base of every error that fakebus raises on purpose; its text is for people.

    It often quotes what others have written, and ends on a terminal, in a log or in a report:
    therefore it is one line that prints.
    """

    def __str__(self) -> str:
        """Return the text."""
        return printable(super().__str__())


class BrokerError(FakebusError):
    """The broker refuses a whole request.

    Args:
        error_code: what goes over the wire.
        message: what was wrong with this request; the code's own text when left out.
    """

    def __init__(self, error_code: ErrorCode, message: str | None = None) -> None:
        super().__init__(message or error_code.text)
        self.error_code = error_code
        self.message = message or error_code.text


class StorageError(FakebusError):
    """The data file cannot be opened, read or written."""


class ConfigError(FakebusError):
    """A setting, flag or environment variable is not valid."""


class MissingExtraError(FakebusError):
    """A feature needs a package that is installed with an extra.

    Args:
        feature: what was asked for.
        extra: the name of the extra, as in ``pip install "fakebus[extra]"``.
    """

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f'{feature} needs an extra package: run  pip install "fakebus[{extra}]"')
        self.extra = extra
