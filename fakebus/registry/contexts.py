"""Subjects and the contexts that they live in.

``:.context:subject`` is a subject of a context, ``subject`` alone one of the default context
``.``. A prefix ``:*:`` stands for all contexts. ``:.__GLOBAL:`` is the context in which
configs and modes of the whole registry are kept.

Source: https://docs.confluent.io/platform/current/schema-registry/schema-contexts-cp.html
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from fakebus.registry.errors import invalid_subject, subject_not_found

DEFAULT_CONTEXT = "."
GLOBAL_CONTEXT = ".__GLOBAL"
GLOBAL_PREFIX = f":{GLOBAL_CONTEXT}:"
ANY_CONTEXT = "*"
_RESERVED = ("__GLOBAL", "__EMPTY")
_UNUSABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters, and halves of characters that nothing can store."""


class QualifiedSubject(NamedTuple):
    """A subject's context and its name in there."""

    context: str
    name: str

    @property
    def prefix(self) -> str:
        """The context as the beginning of subjects; empty for the default context."""
        return context_prefix(self.context)

    def __str__(self) -> str:
        """Return the subject as it is stored and served."""
        return self.prefix + self.name


def context_prefix(context: str) -> str:
    """Return what the subjects of a context begin with."""
    return "" if context == DEFAULT_CONTEXT else f":{context}:"


@lru_cache(maxsize=4096)
def qualified(subject: str) -> QualifiedSubject:
    """Return the parts of a subject."""
    if subject.startswith(":."):
        context, delimiter, name = subject[1:].partition(":")
        return QualifiedSubject(context, name if delimiter else "")
    if subject.startswith(":*:"):
        return QualifiedSubject(ANY_CONTEXT, subject[3:])
    return QualifiedSubject(DEFAULT_CONTEXT, subject)


def context_of(subject: str) -> str:
    """Return the context of a subject."""
    # Nearly all subjects are of the default context.
    return qualified(subject).context if subject.startswith(":") else DEFAULT_CONTEXT


def normalized(subject: str) -> str:
    """Return a subject without the default context's prefix."""
    return str(qualified(subject)) if subject.startswith(":") else subject


def relative(subject: str, parent: str) -> str:
    """Return a subject that another one refers to; it is of the same context if it names none."""
    found = qualified(subject)
    if found.context != DEFAULT_CONTEXT:
        return str(found)
    return str(QualifiedSubject(context_of(parent), found.name))


def checked_subject(subject: str) -> str:
    """Return a subject that schemas may be registered under, normalized.

    Raises:
        RegistryError: 42208.
    """
    found = qualified(subject)
    if _is_reserved(subject) or found.context in (GLOBAL_CONTEXT, ANY_CONTEXT):
        raise invalid_subject(subject)
    return str(found)


def checked_scope(subject: str | None) -> str | None:
    """Return what a config or a mode is set for: a subject, a context's prefix, or ``None``.

    ``None`` stands for the default context.

    Raises:
        RegistryError: 42208.
    """
    if subject is None:
        return None
    if _is_reserved(subject):
        raise invalid_subject(subject)
    return scope(subject)


def scope(subject: str | None) -> str | None:
    """Return what a config or a mode is looked for by."""
    return None if subject is None else normalized(subject) or None


def context_name(context: str) -> str:
    """Return a context's name, however it is written: ``ctx``, ``.ctx`` or ``:.ctx:``.

    Raises:
        RegistryError: 40401, no context can have that name.
    """
    name = context.removeprefix(":").removesuffix(":")
    if ":" in name:
        raise subject_not_found(context)
    return name if name.startswith(".") else f".{name}"


def matches(subject: str, prefix: str) -> bool:
    """Return whether a subject begins with a prefix, which may be for all contexts."""
    if prefix == ":*:":
        return True
    if prefix.startswith(":*:"):
        return qualified(subject).name.startswith(prefix[3:])
    wanted, found = qualified(prefix), qualified(subject)
    return found.context == wanted.context and found.name.startswith(wanted.name)


def _is_reserved(subject: str) -> bool:
    return bool(_UNUSABLE.search(subject)) or qualified(subject).name in _RESERVED
