"""Why the registry refuses something: the HTTP status, Confluent's error code, a message.

Codes and the wording that clients match on are those of Confluent's registry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence


class RegistryError(Exception):
    """The registry refuses a request.

    Args:
        status: the HTTP status.
        error_code: Confluent's code.
        message: for people, and for clients that look into it.
    """

    def __init__(self, status: int, error_code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_code = error_code
        self.message = message


def _refusal(status: int, error_code: int, message: str) -> Callable[..., RegistryError]:
    return lambda *values: RegistryError(status, error_code, message.format(*values))


subject_not_found = _refusal(404, 40401, "Subject '{}' not found.")
"""There is no such subject, or it holds nothing but deleted versions."""
version_not_found = _refusal(404, 40402, "Version {} not found.")
schema_not_found = _refusal(404, 40403, "Schema not found")
"""The subject has no such schema."""
id_not_found = _refusal(404, 40403, "Schema {} not found")
"""There is no schema with that id or guid."""
subject_soft_deleted = _refusal(
    404, 40404, "Subject '{}' was soft deleted.Set permanent=true to delete permanently"
)
subject_not_soft_deleted = _refusal(
    404, 40405, "Subject '{}' was not deleted first before being permanently deleted"
)
version_soft_deleted = _refusal(
    404, 40406, "Subject '{}' Version {} was soft deleted.Set permanent=true to delete permanently"
)
version_not_soft_deleted = _refusal(
    404, 40407, "Subject '{}' Version {} was not deleted first before being permanently deleted"
)
no_subject_level = _refusal(
    404, 40408, "Subject '{}' does not have subject-level compatibility configured"
)
no_subject_mode = _refusal(404, 40409, "Subject '{}' does not have subject-level mode configured")
invalid_schema = _refusal(422, 42201, "{}")
"""The schema's text, or something that it refers to, is not valid."""
invalid_version = _refusal(
    422,
    42202,
    "The specified version '{}' is not a valid version id. Allowed values are between [1, 2^31-1] "
    'and the string "latest"',
)
invalid_level = _refusal(422, 42203, "{}")
invalid_mode = _refusal(
    422, 42204, "Invalid mode. Valid values are READWRITE, READONLY, IMPORT and FORWARD."
)
not_permitted = _refusal(422, 42205, "{}")
"""The mode does not allow it."""
used_up = _refusal(
    422, 42205, "There is no {} left in {}: the highest there can be was imported, and is taken"
)
reference_exists = _refusal(
    422,
    42206,
    "One or more references exist to the schema {{magic=1,keytype=SCHEMA,subject={},version={}}}.",
)
invalid_subject = _refusal(422, 42208, "The specified subject '{}' is not a valid.")
schema_too_large = _refusal(422, 42209, "Schema is too large: {} bytes, at most {} are allowed")
"""The text is larger than a record may be."""
invalid_rule_set = _refusal(422, 42210, "{}")
context_not_empty = _refusal(422, 42211, "The specified context '{}' is not empty.")
store_failed = _refusal(500, 50001, "Error while writing to the schema log: {}")
operation_timed_out = _refusal(500, 50002, "The schema takes too long to check, and was given up")


def incompatible(subject: str, messages: Sequence[str]) -> RegistryError:
    """The schema does not fit to those that are registered.

    The code is that of released servers, which clients compare with; newer sources say 40901.
    """
    return RegistryError(
        409,
        409,
        "Schema being registered is incompatible with an earlier schema for subject "
        f'"{subject}", details: [{", ".join(messages)}]',
    )
