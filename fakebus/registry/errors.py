"""Why the registry refuses something: the HTTP status, Confluent's error code, a message.

Codes and the wording that clients match on are those of Confluent's registry.
"""

from __future__ import annotations

from collections.abc import Sequence


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


def subject_not_found(subject: str) -> RegistryError:
    """There is no such subject, or it holds nothing but deleted versions."""
    return RegistryError(404, 40401, f"Subject '{subject}' not found.")


def version_not_found(version: int | str) -> RegistryError:
    """The subject has no such version."""
    return RegistryError(404, 40402, f"Version {version} not found.")


def schema_not_found(what: int | str | None = None) -> RegistryError:
    """There is no schema with that id or guid, or under that subject."""
    if what is None:
        return RegistryError(404, 40403, "Schema not found")
    return RegistryError(404, 40403, f"Schema {what} not found")


def subject_soft_deleted(subject: str) -> RegistryError:
    """The subject is soft-deleted already."""
    return RegistryError(
        404,
        40404,
        f"Subject '{subject}' was soft deleted.Set permanent=true to delete permanently",
    )


def subject_not_soft_deleted(subject: str) -> RegistryError:
    """A subject must be soft-deleted before it is deleted for ever."""
    return RegistryError(
        404,
        40405,
        f"Subject '{subject}' was not deleted first before being permanently deleted",
    )


def version_soft_deleted(subject: str, version: int) -> RegistryError:
    """The version is soft-deleted already."""
    return RegistryError(
        404,
        40406,
        f"Subject '{subject}' Version {version} was soft deleted."
        "Set permanent=true to delete permanently",
    )


def version_not_soft_deleted(subject: str, version: int) -> RegistryError:
    """A version must be soft-deleted before it is deleted for ever."""
    return RegistryError(
        404,
        40407,
        f"Subject '{subject}' Version {version} was not deleted first "
        "before being permanently deleted",
    )


def no_subject_level(subject: str) -> RegistryError:
    """The subject has no config of its own."""
    return RegistryError(
        404, 40408, f"Subject '{subject}' does not have subject-level compatibility configured"
    )


def no_subject_mode(subject: str) -> RegistryError:
    """The subject has no mode of its own."""
    return RegistryError(
        404, 40409, f"Subject '{subject}' does not have subject-level mode configured"
    )


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


def invalid_schema(reason: str) -> RegistryError:
    """The schema's text, or something that it refers to, is not valid."""
    return RegistryError(422, 42201, reason)


def invalid_version(version: int | str) -> RegistryError:
    """The version is neither a number in range nor ``latest``."""
    return RegistryError(
        422,
        42202,
        f"The specified version '{version}' is not a valid version id. Allowed values are "
        'between [1, 2^31-1] and the string "latest"',
    )


def invalid_level(reason: str) -> RegistryError:
    """There is no such compatibility level."""
    return RegistryError(422, 42203, reason)


def invalid_mode() -> RegistryError:
    """There is no such mode."""
    return RegistryError(
        422,
        42204,
        "Invalid mode. Valid values are READWRITE, READONLY, IMPORT and FORWARD.",
    )


def not_permitted(reason: str) -> RegistryError:
    """The mode does not allow it."""
    return RegistryError(422, 42205, reason)


def used_up(what: str, place: str) -> RegistryError:
    """The highest number was imported, and a higher one could not be stored."""
    return not_permitted(f"There is no {what} left in {place}: the highest there can be is taken")


def reference_exists(subject: str, version: int) -> RegistryError:
    """Another schema refers to what is to be deleted."""
    return RegistryError(
        422,
        42206,
        "One or more references exist to the schema "
        f"{{magic=1,keytype=SCHEMA,subject={subject},version={version}}}.",
    )


def id_does_not_match(reason: str) -> RegistryError:
    """The schema has another id, or the id another schema."""
    return RegistryError(422, 42207, reason)


def invalid_subject(subject: str) -> RegistryError:
    """The subject's name is not allowed."""
    return RegistryError(422, 42208, f"The specified subject '{subject}' is not a valid.")


def schema_too_large(size_bytes: int, limit_bytes: int) -> RegistryError:
    """The schema's text is larger than a record may be."""
    return RegistryError(
        422, 42209, f"Schema is too large: {size_bytes} bytes, at most {limit_bytes} are allowed"
    )


def invalid_rule_set(reason: str) -> RegistryError:
    """The rule set is not valid."""
    return RegistryError(422, 42210, reason)


def context_not_empty(context: str) -> RegistryError:
    """A context can be deleted only when it holds no subject."""
    return RegistryError(422, 42211, f"The specified context '{context}' is not empty.")


def store_failed(reason: str) -> RegistryError:
    """The record could not be written to the log."""
    return RegistryError(500, 50001, f"Error while writing to the schema log: {reason}")


def operation_timed_out() -> RegistryError:
    """A check took too long."""
    return RegistryError(500, 50002, "The schema takes too long to check, and was given up")
