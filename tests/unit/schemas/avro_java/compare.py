"""Hold texts, refusals and answers of compatibility against Avro's Java library; run by hand.

    python -m tests.unit.schemas.avro_java.compare [--random N]

Needs Java 17 and Maven. Schemas: the pairs of `avro_pairs`, the texts of `avro_texts`, all
events of the installed openedx-events, and N random ones.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import warnings
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings

from fakebus.schemas.avro.canonical_text import identity_text
from fakebus.schemas.avro.json_text import load
from fakebus.schemas.avro.language import LANGUAGE
from fakebus.schemas.interface import SchemaError
from tests.unit.schemas.avro_openedx import openedx_schemas
from tests.unit.schemas.avro_pairs import PAIRS
from tests.unit.schemas.avro_strategies import schemas
from tests.unit.schemas.avro_texts import INVALID, TEXTS

HERE = Path(__file__).parent
JARS = HERE.parents[3] / ".cache" / "avro-java"

KNOWN_DIFFERENCES = {
    # Java was told to let any name pass, to be able to read Open edX's.
    "name with a hyphen",
    "name that begins with a digit",
    "empty name",
    "symbol with a hyphen",
    "symbol that is a number",
    "field with a dot",
    # Java reads a name that is one of Avro's types as that type ever after.
    "type called like one of Avro's own",
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--random", type=int, default=300)
    random_schemas = [json.dumps(one) for one in _random(arguments.parse_args().random)]
    pairs = [(json.dumps(new), json.dumps(old)) for new, old, *_ in PAIRS]
    pairs += list(pairwise(random_schemas))
    pairs += [(old, new) for new, old in pairs]
    texts = [*TEXTS, *openedx_schemas().values(), *random_schemas, *(new for new, _ in pairs)]
    questions = [{"schema": text} for text in [*texts, *INVALID.values()]]
    questions += [{"reader": reader, "writer": writer} for reader, writer in pairs]
    equals = [*((text, _turned(text)) for text in texts), *pairs]
    questions += [{"one": one, "other": other} for one, other in equals]
    answers = _java(questions)

    wrong = [_text_difference(text, next(answers)) for text in texts]
    for what, text in INVALID.items():
        answer = next(answers)
        if what not in KNOWN_DIFFERENCES and ("error" in answer) != _is_refused(text):
            wrong.append(f"{what}: {answer}")
    wrong += [_answer_difference(reader, writer, next(answers)) for reader, writer in pairs]
    wrong += [_equality_difference(one, other, next(answers)) for one, other in equals]
    for difference in filter(None, wrong):
        print(difference)
    print(f"{len(texts)} texts, {len(INVALID)} refusals, {len(pairs)} pairs,", end=" ")
    print(f"{len(equals)} equalities,", end=" ")
    print(f"{len(list(filter(None, wrong)))} differences")
    sys.exit(any(wrong))


def _java(questions: list[dict[str, str]]) -> Iterator[dict[str, Any]]:
    if not JARS.exists():
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={JARS}"]
        subprocess.run(["mvn", "-q", "-B", "-f", str(HERE / "pom.xml"), *goal], check=True)
    command = ["java", "-cp", f"{JARS}/*", str(HERE / "Answer.java")]
    lines = "".join(json.dumps(question) + "\n" for question in questions)
    done = subprocess.run(command, input=lines.encode(), capture_output=True, check=False)
    if done.returncode:
        sys.exit(done.stderr.decode())
    return map(json.loads, done.stdout.decode().rstrip("\n").split("\n"))


def _text_difference(text: str, answer: dict[str, Any]) -> str | None:
    canonical = LANGUAGE.parse(text).canonical
    if answer.get("canonical") == canonical:
        return None
    return f"{text}\n  java: {answer}\n  ours: {canonical}"


def _turned(text: str) -> str:
    """Return a schema's text with the keys of all its objects the other way round."""

    def turned(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: turned(value[key]) for key in reversed(value)}
        return [turned(one) for one in value] if isinstance(value, list) else value

    return json.dumps(turned(load(text)))


def _equality_difference(one: str, other: str, answer: dict[str, Any]) -> str | None:
    ours = {identity_text(LANGUAGE.parse(text).node, documented=False) for text in (one, other)}
    if (len(ours) == 1) == answer.get("equal"):
        return None
    return f"{one} and {other}\n  java: {answer}\n  ours: {sorted(ours)}"


def _is_refused(text: str) -> bool:
    try:
        LANGUAGE.parse(text)
    except SchemaError:
        return True
    return False


def _answer_difference(reader: str, writer: str, answer: dict[str, Any]) -> str | None:
    reasons = LANGUAGE.parse(reader).incompatibilities(LANGUAGE.parse(writer))
    ours = {f"{one.kind} {one.path}" for one in reasons}
    java = set(answer.get("reasons", ["none"]))
    # For a missing enum field with a default of the enum, Java compares the enum to the record.
    java -= {f"TYPE_MISMATCH {one.partition(' ')[2]}/type" for one in ours if "DEFAULT" in one}
    # Where types hold themselves, ours also tells of the branches that lead back to the fault,
    # and Java keeps the shorter path of a pair that it met in a union that it only tried.
    unknown = {one for one in java if not any(_is_end(one, of) for of in ours)}
    if not unknown and bool(answer["reasons"]) == bool(ours):
        return None
    return f"reader {reader}, writer {writer}\n  java: {answer}\n  ours: {sorted(ours)}"


def _is_end(reason: str, of: str) -> bool:
    kind, _, path = reason.partition(" ")
    return of.startswith(f"{kind} ") and of.endswith(path.rstrip("/"))


def _random(count: int) -> list[Any]:
    found: list[Any] = []

    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(schemas())
    def collect(schema: Any) -> None:
        found.append(schema)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        collect()
    return found


if __name__ == "__main__":
    main()
