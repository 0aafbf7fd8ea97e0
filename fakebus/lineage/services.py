"""Services: what clients are parts of, as people name them.

A rule names a service by client ids, groups, addresses or commands: first those that were set on
the bus itself, then those of fixture sets. Where no rule says anything, the program that runs is
the service, else the name of its container, else what it calls itself; the first of these that a
fixture set knows as a service comes before the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import translate
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from zlib import crc32

from fakebus.errors import FakebusError

_GENERIC = frozenset(
    "main app run manage server index start __main__ cli worker consumer producer service wsgi "
    "asgi application program".split()
)
"""Names of files that say nothing: the directory is the name then."""
_LAYOUT = frozenset("src dist build lib bin app out target exe debug release cmd".split())
"""Directories that stand between a project and its files."""
_INTERPRETERS = frozenset(
    "python pypy node nodejs deno bun ts-node tsx ruby perl php bash sh dotnet".split()
)
_TAKES_A_VALUE = frozenset("-W -X -r --require --import --loader -I -E --env-file".split())
"""Options of interpreters that the next word belongs to."""
_RUNNERS = frozenset(
    "uvicorn gunicorn hypercorn daphne granian faststream faust celery flask fastapi uwsgi".split()
)
"""Programs whose argument is the module that really runs."""
_NAMES_A_MODULE = ("-A", "--app", "--module", "--wsgi")
_DJANGO = ("django", "django-admin")
"""Programs that run the project of the directory that they work in."""
_MODULE = re.compile(
    r"(?!.*\.(ini|toml|conf|json|ya?ml)$)[^\W\d]\w*(\.[^\W\d]\w*)*(:[^\W\d][\w.]*(\(.*\))?)?"
)
"""What modules look like, and addresses to listen on and files of settings do not."""
_DEFAULT_IDS = re.compile(
    r"(rdkafka|kafkajs|sarama|kgo|kafka-python.*|aiokafka.*|confluent-kafka.*|client|(ad)?min"
    r"|adminclient|producer|consumer|perf-producer-client|)"
)
"""What client libraries call themselves if nobody tells them otherwise."""
_NUMBER = re.compile(r"[-_.]?(\d+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$")
_INSTANCE = re.compile(r"[-_](\d+|run[-_][0-9a-f]{8,})$")
"""What Compose adds to the name of a service for a container of it."""
_VERSION = re.compile(r"[-_]v?\d[\w.]*$")
_MOST_PATTERNS = 1000
_MOST_LETTERS = 10_000
"""Of all rules that are set on a bus; each client is held against all of them."""
_ADDRESS_LABEL = re.compile(r"\d+([-.]\d+){3}")


class TooManyRulesError(FakebusError):
    """Error: the rules that name services would be more than clients can be held against."""


class ServiceRule(NamedTuple):
    """Rule that clients belong to a service; a pattern may have ``*`` and ``?``."""

    service: str
    client_ids: Sequence[str] = ()
    groups: Sequence[str] = ()
    addresses: Sequence[str] = ()
    """IP addresses or host names."""
    commands: Sequence[str] = ()
    """Of the whole command line."""

    @property
    def patterns(self) -> dict[str, Sequence[str]]:
        """What it goes by."""
        return {name: getattr(self, name) for name in PATTERNS}


PATTERNS = ServiceRule._fields[1:]


class _Rules:
    """Rules of services that are looked through at once, however many there are.

    Args:
        rules: the first one that fits counts.
    """

    def __init__(self, rules: Iterable[ServiceRule]) -> None:
        self._services: list[str] = []
        patterns: dict[str, list[str]] = {name: [] for name in PATTERNS}
        for rule in rules:
            self._services.append(rule.service)
            for name, found in rule.patterns.items():
                alternatives = "|".join(map(translate, found))
                patterns[name].append(f"({alternatives})" if found else "((?!))")
        self._patterns = {
            name: re.compile("|".join(found)) for name, found in patterns.items() if found
        }

    def service_of(self, facts: Mapping[str, Any]) -> str | None:
        """Return the service of a client, ``None`` if no rule fits."""
        process = facts["process"]
        texts = {
            "client_ids": [facts["client_id"]],
            "groups": facts["groups"],
            "addresses": [facts["address"], facts["host_name"]],
            "commands": [" ".join(process["arguments"])] if process else (),
        }
        found = [
            fits.lastindex
            for name, pattern in self._patterns.items()
            for text in texts[name]
            if text and (fits := pattern.match(text)) is not None
        ]
        return self._services[min(each or 0 for each in found) - 1] if found else None


class Services:
    """Rules of which client belongs to which service; the first one that fits counts."""

    def __init__(self, rules: Iterable[ServiceRule] = ()) -> None:
        self.rules = list(rules)
        """What was set on the bus itself."""
        self.declared: Mapping[str, ServiceRule] = {}
        self._in_force: _Rules | None = None

    def declare(self, declared: Mapping[str, ServiceRule]) -> None:
        """Take what fixture sets declare, by service; some are known by their names alone."""
        if declared != self.declared:
            self.declared, self._in_force = declared, None

    @property
    def in_force(self) -> _Rules:
        """All rules: the same object as long as nothing changes."""
        if self._in_force is None:
            self._in_force = _Rules((*self.rules, *self.declared.values()))
        return self._in_force

    def set(self, rule: ServiceRule) -> None:
        """Put a rule before all others, in the place of the one that the service had."""
        self.rules, self._in_force = self._with(rule), None

    def check(self, rule: ServiceRule) -> None:
        """Return if there is room for a rule.

        Raises:
            TooManyRulesError: the rules that were set would have too many patterns.
        """
        rules = self._with(rule)
        patterns = [each for known in rules for some in known[1:] for each in some]
        letters = sum(map(len, (*patterns, *(known.service for known in rules))))
        if len(patterns) > _MOST_PATTERNS or letters > _MOST_LETTERS:
            raise TooManyRulesError(
                f"the rules of all services together may have {_MOST_PATTERNS} patterns and "
                f"{_MOST_LETTERS} letters: take back some that are not needed any more"
            )

    def _with(self, rule: ServiceRule) -> list[ServiceRule]:
        rules = [each for each in self.rules if each.service != rule.service]
        return [rule, *rules] if any(rule[1:]) else rules

    def service_of(self, facts: Mapping[str, Any]) -> str:
        """Return the service of a client.

        Args:
            facts: what is known of it: client_id, groups, address, host_name, process.
        """
        service = self.in_force.service_of(facts)
        if service is not None:
            return service
        process = facts["process"]
        program = process and program_name(process["arguments"], process["directory"])
        named = (program, container_name(facts["host_name"]), *_names(facts))
        return (
            next((name for name in named if name in self.declared), "")
            or program
            or named[1]
            or _own_name(facts)
            or (process and _inline_name(process["arguments"]))
            or facts["address"]
            or facts["front_end"]
        )


def _inline_name(arguments: Sequence[str]) -> str:
    """Return a name for a program that has none, as ``python -c`` runs: that of its text."""
    if len(arguments) < 2:
        return _stem(arguments[0]) if arguments else ""
    text = "\0".join(arguments[1:]).encode(errors="replace")
    return f"{_stem(arguments[0])}-{crc32(text):08x}"


def _names(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a client and its groups are called, with and without trailing numbers."""
    for name in (facts["client_id"], *facts["groups"]):
        yield name
        yield _without_number(name)


def _own_name(facts: Mapping[str, Any]) -> str:
    """Return what a client or its groups call themselves, without trailing numbers."""
    names = (_without_number(name) for name in _names(facts))
    return next((name for name in names if not _DEFAULT_IDS.fullmatch(name)), "")


def _without_number(name: str) -> str:
    shorter = _NUMBER.sub("", name)
    return _without_number(shorter) if shorter != name else name


def container_name(host_name: str) -> str:
    """Return the service that the name of a container's address gives; empty for none.

    Docker Compose calls it ``project-service-1.project_network``, Kubernetes
    ``service-0.service.namespace.svc.cluster.local``.
    """
    name, _, network = host_name.rpartition(".")
    if "_" not in network:
        # A name of a domain, whose labels hold no such sign, or a network with a name of its own.
        first, _, rest = host_name.partition(".")
        if _ADDRESS_LABEL.fullmatch(first):
            first, _, rest = rest.partition(".")
        is_none = not rest or first in ("localhost", "_gateway", "gateway", "host")
        return "" if is_none else _NUMBER.sub("", first)
    service = _INSTANCE.sub("", name)
    while service != name and (network := network.rpartition("_")[0]):
        if service.startswith((network + "-", network + "_")):
            return service[len(network) + 1 :]
    # The container has got a name by itself, such as edx.devstack.lms.
    return service.rpartition(".")[2]


def program_name(arguments: Sequence[str], directory: str) -> str:
    """Return what a process runs: its script, module, jar or binary; empty if none has a name.

    Args:
        arguments: the program and its arguments.
        directory: where it works.
    """
    if not arguments:
        return ""
    program = _stem(arguments[0]).lstrip("-")
    kind, rest = _VERSION.sub("", program).rstrip("0123456789."), list(arguments[1:])
    if kind == "java":
        return _java_program(rest)
    if kind not in _INTERPRETERS:
        return _runner_target(program, rest, directory) or _path_name(arguments[0], directory)
    while rest:
        word = rest.pop(0)
        if word == "-m" and rest:
            return _runner_target(rest[0], rest[1:], directory) or _module_name(rest[0], directory)
        if word in ("-c", "-e", "-", "-p", "--eval"):
            return ""
        if word in _TAKES_A_VALUE and rest:
            rest.pop(0)
        elif not word.startswith("-") and word not in ("run", "exec"):
            # A Django project of several services takes the service as its first argument.
            if _stem(word) == "manage" and rest[:1] in (["lms"], ["cms"]):
                return rest[0]
            return _runner_target(_stem(word), rest, directory) or _path_name(word, directory)
    return ""


def _java_program(rest: list[str]) -> str:
    while rest:
        word = rest.pop(0)
        if word == "-jar" and rest:
            return _VERSION.sub("", _stem(rest[0]))
        if word in ("-cp", "-classpath", "--class-path", "-p", "--module-path") and rest:
            rest.pop(0)
        elif not word.startswith("-"):
            return word.rpartition(".")[2]
    return ""


def _runner_target(program: str, rest: Sequence[str], directory: str) -> str:
    if program in _DJANGO:
        return _directory_name(PurePosixPath(directory))
    if program not in _RUNNERS:
        return ""
    for at, word in enumerate(rest):
        option, _, value = word.partition("=")
        if option in _NAMES_A_MODULE and (value or at + 1 < len(rest)):
            return _module_name(value or rest[at + 1], directory)
        if word.endswith(".py"):
            # Behind an option it is a file of settings.
            if not at or not rest[at - 1].startswith("-"):
                return _path_name(word, directory)
        elif (":" in word or "." in word) and _MODULE.fullmatch(word):
            return _module_name(word, directory)
    return ""


def _module_name(module: str, directory: str) -> str:
    words = module.partition(":")[0].split(".")
    parts = [part for part in words if part not in _GENERIC and part not in _RUNNERS]
    return parts[-1] if parts else _directory_name(PurePosixPath(directory))


def _stem(path: str) -> str:
    name = path.replace("\\", "/").rpartition("/")[2]
    stem, dot, ending = name.rpartition(".")
    return stem if dot and ending.isalpha() and stem else name


def _path_name(path: str, directory: str) -> str:
    stem = _stem(path)
    if stem not in _GENERIC:
        return stem
    whole = PurePosixPath(directory or "/") / path
    return _directory_name(whole.parent) or stem


def _directory_name(directory: PurePosixPath) -> str:
    names = [part for part in directory.parts if part not in (*_LAYOUT, "/", ".", "..")]
    return names[-1] if names else ""
