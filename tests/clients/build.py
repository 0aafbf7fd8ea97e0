"""Build the client programs in other languages: python tests/clients/build.py

What is built lies under .cache/clients, in a directory named for a digest of the sources. Where a
toolchain is missing the client is named and left out; in continuous integration (CI=true) that is
a failure.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

CLIENTS_DIRECTORY = Path(__file__).resolve().parent
CHECKOUT = CLIENTS_DIRECTORY.parents[1]
CACHE = CHECKOUT / ".cache" / "clients"
BUILD_TIMEOUT_SECONDS = 600

JVM_OPTIONS = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dlog4j2.level=OFF")
"""A program lives for seconds: start-up time is what one waits for."""


class ToolMissingError(Exception):
    """A toolchain is not installed; the text names it."""


class BuildError(Exception):
    """A toolchain refused the sources; the text ends with its output."""


def find_tool(name: str, what: str) -> str:
    """Return the path of an installed tool.

    Raises:
        ToolMissingError: It is not installed.
    """
    path = shutil.which(name)
    if path is None:
        raise ToolMissingError(f"{name} was not found ({what})")
    return path


def run(command: Sequence[str], directory: Path, **environment: str) -> None:
    done = subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=BUILD_TIMEOUT_SECONDS,
        check=False,
    )
    if done.returncode:
        raise BuildError(f"{' '.join(command)}\n{done.stdout[-4000:]}")


def sources(directory: Path) -> list[Path]:
    """Return the files that a build depends on, not what package managers put beside them."""
    found = directory.rglob("*")
    return sorted(path for path in found if path.is_file() and "node_modules" not in path.parts)


def built(
    name: str, build: Callable[[Path, Path], None], files: Sequence[Path] | None = None
) -> Path:
    """Return the directory with what was built, after building it if the sources changed.

    Args:
        name: A language, or what else the directory is to be named for.
        build: Builds in the first directory, into the second one.
        files: The sources, if they are not all files of the language.
    """
    directory = CLIENTS_DIRECTORY / name if files is None else CLIENTS_DIRECTORY
    digest = hashlib.sha256()
    for path in sources(directory) if files is None else files:
        digest.update(str(path.relative_to(directory)).encode() + b"\0" + path.read_bytes())
    target = CACHE / f"{name}-{digest.hexdigest()[:12]}"
    if not target.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as fresh:
            output = Path(fresh) / "built"
            output.mkdir()
            build(directory, output)
            try:
                output.rename(target)
            except OSError:
                # Another process was faster.
                if not target.exists():
                    raise
    return target


def java_class_path() -> str:
    # Imported here, so that a machine without Java can build the rest.
    sys.path.insert(0, str(CHECKOUT))
    from tools import kafka

    try:
        return str(kafka.class_path())
    except kafka.RefereeError as error:
        raise ToolMissingError(str(error)) from error


def registry_class_path() -> str:
    """Return the class path of the jars in tests/clients/java/pom.xml, fetched if need be."""
    pom = CLIENTS_DIRECTORY / "java" / "pom.xml"

    def fetch(directory: Path, output: Path) -> None:
        goal = ["dependency:copy-dependencies", "-DincludeScope=runtime"]
        command = [find_tool("mvn", "Maven"), "-q", "-B", "-f", str(pom), *goal]
        run([*command, f"-DoutputDirectory={output}"], directory)

    return f"{built('java-jars', fetch, [pom])}/*"


def java_command(program: str) -> list[str]:
    java = find_tool("java", "a JDK 17 or later")
    javac = find_tool("javac", "a JDK 17 or later")
    class_path = java_class_path()
    everything = f"{class_path}:{registry_class_path()}"

    def build(directory: Path, output: Path) -> None:
        files = [str(path) for path in sources(directory) if path.suffix == ".java"]
        options = ["--release", "17", "-Xlint:all", "-cp", everything, "-d", str(output)]
        run([javac, *options, *files], directory)

    classes = built("java", build)
    # Kafka's own programs run on Kafka's own jars.
    used = everything if program == "Registry" else class_path
    return [java, *JVM_OPTIONS, "-cp", f"{classes}:{used}", program]


def go_command(program: str) -> list[str]:
    go = find_tool("go", "the Go toolchain named in tests/clients/go/go.mod")

    def build(directory: Path, output: Path) -> None:
        # The toolchain that is there: another one would be downloaded.
        run([go, "build", "-o", f"{output}/", "./..."], directory, GOTOOLCHAIN="local")

    return [str(built("go", build) / program)]


def node_command(program: str) -> list[str]:
    node = find_tool("node", "Node.js 20.19 or later")
    npm = find_tool("npm", "Node.js 20.19 or later")

    def build(directory: Path, output: Path) -> None:
        for path in sources(directory):
            shutil.copy(path, output)
        run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], output)

    return [node, str(built("node", build) / f"{program}.js")]


def kcat_command() -> list[str]:
    find_tool("kcat", "Debian's package kcat")
    return [sys.executable, str(CLIENTS_DIRECTORY / "kcat" / "program.py")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A Kafka client in another language, and what its program can do."""

    name: str
    command: Callable[[], list[str]]
    """Returns the program's command line, after building it; the bootstrap servers follow."""
    codecs: tuple[str, ...]
    lacks: frozenset[str] = frozenset()
    """Commands and features that the client itself does not have."""


ALL_CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
ADMIN = frozenset(
    {
        "alter_configs",
        "alter_offsets",
        "committed",
        "create_partitions",
        "create_topic",
        "delete_group",
        "delete_offsets",
        "delete_records",
        "delete_topic",
        "describe_configs",
        "describe_group",
        "list_groups",
    }
)

CLIENTS = {
    client.name: client
    for client in (
        Client(name="java", command=lambda: java_command("Client"), codecs=ALL_CODECS),
        Client(name="franz", command=lambda: go_command("franz"), codecs=ALL_CODECS),
        Client(
            name="sarama",
            command=lambda: go_command("sarama"),
            codecs=ALL_CODECS,
            lacks=frozenset({"max_timestamp"}),
        ),
        Client(
            name="segmentio",
            command=lambda: go_command("segmentio"),
            codecs=ALL_CODECS,
            lacks=frozenset(
                {
                    "commit_metadata",
                    "delete_records",
                    "describe_group",
                    "list_groups",
                    "max_timestamp",
                    "topic_id",
                }
            ),
        ),
        Client(
            name="kafkajs",
            command=lambda: node_command("kafkajs"),
            codecs=("none", "gzip"),
            lacks=frozenset({"delete_offsets", "max_timestamp", "topic_id", "alter_metadata"}),
        ),
        Client(
            name="platformatic",
            command=lambda: node_command("platformatic"),
            codecs=("none", "gzip", "snappy", "lz4"),
            lacks=frozenset({"commit_metadata", "alter_metadata", "framed_snappy"}),
        ),
        Client(
            name="kcat",
            command=kcat_command,
            codecs=ALL_CODECS,
            lacks=ADMIN
            | {
                "alter_metadata",
                "commit_metadata",
                "empty_value",
                "max_timestamp",
                "produce_offset",
                "produce_timestamp",
                "topic_id",
            },
        ),
    )
}

REGISTRY_CLIENTS = {
    "confluent-js": lambda: node_command("confluent_registry"),
    "franz-sr": lambda: go_command("registry"),
    "java-flink": lambda: java_command("Registry"),
    "kafkajs-registry": lambda: node_command("kafkajs_registry"),
}
"""Clients of a schema registry, and their programs' command lines; its URL and the bootstrap
servers follow."""


def main() -> int:
    """Build all programs; return 1 if one failed, or is missing in continuous integration."""
    status = 0
    commands = {name: client.command for name, client in CLIENTS.items()} | REGISTRY_CLIENTS
    for name, command in commands.items():
        started = time.monotonic()
        try:
            command()
        except ToolMissingError as error:
            missing_fails = os.environ.get("CI") == "true"
            status = max(status, int(missing_fails))
            print(f"{name}: {'FAILED' if missing_fails else 'left out'}: {error}")
        except BuildError as error:
            status = 1
            print(f"{name}: FAILED: {error}")
        else:
            print(f"{name}: ready after {time.monotonic() - started:.1f} s")
    return status


if __name__ == "__main__":
    sys.exit(main())
