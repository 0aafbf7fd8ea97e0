"""Problems in the formats that continuous integration and editors read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from fakebus import __version__
from fakebus.escaping import printable, printable_lines
from fakebus.fixture_files.drift.findings import RULES as DRIFT_RULES
from fakebus.fixture_files.drift.lock import RULE as LOCK_RULE
from fakebus.fixture_files.lint_rules import RULES
from fakebus.fixture_files.problems import INVALID, FixtureProblem

_INVALID_TEXT = "the fixture set cannot be seeded as it is"
_LOCK_TEXT = "schemas and fixtures.lock differ"
_LEVELS = {INVALID: "error", "drift-breaking": "error", "drift-note": "note"}


def junit(
    problems: Sequence[FixtureProblem], directories: Sequence[Path], command: str = "check"
) -> str:
    """Return a JUnit XML document: a test case for each file with problems, or each set without.

    Args:
        problems: what was found.
        directories: the sets that were looked at.
        command: the action of ``fakebus fixtures`` that found it.
    """
    by_file: dict[str, list[FixtureProblem]] = {}
    for problem in problems:
        by_file.setdefault(problem.file, []).append(problem)
    clean = [
        str(directory)
        for directory in directories
        if not any(PurePath(file).is_relative_to(directory) for file in by_file)
    ]
    suite = Element(
        "testsuite",
        name=f"fakebus fixtures {command}",
        tests=str(len(by_file) + len(clean)),
        failures=str(len(by_file)),
        errors="0",
    )
    for name in clean:
        SubElement(suite, "testcase", classname="fixtures", name=printable(name))
    for file, found in by_file.items():
        case = SubElement(
            suite,
            "testcase",
            classname="fixtures",
            name=printable(file),
            file=printable(file),
            line=str(found[0].line),
        )
        # XML cannot hold control characters, not even as references.
        failure = SubElement(
            case, "failure", type=found[0].rule, message=printable(found[0].message)
        )
        failure.text = printable_lines(map(str, found))
    root = Element("testsuites")
    root.append(suite)
    indent(root)
    text: str = tostring(root, encoding="unicode", xml_declaration=True)
    return text


def sarif(problems: Sequence[FixtureProblem]) -> dict[str, Any]:
    """Return a SARIF 2.1.0 log, which code hosts and editors show beside the lines.

    Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
    """
    rules = {INVALID: _INVALID_TEXT, **RULES, LOCK_RULE: _LOCK_TEXT, **DRIFT_RULES}
    return {
        "version": "2.1.0",
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "fakebus",
                        "semanticVersion": __version__,
                        "rules": [
                            {"id": rule, "shortDescription": {"text": text}}
                            for rule, text in rules.items()
                        ],
                    }
                },
                "results": [_sarif_result(problem) for problem in problems],
            }
        ],
    }


def _sarif_result(problem: FixtureProblem) -> dict[str, Any]:
    text = f"{problem.message}; {problem.hint}" if problem.hint else problem.message
    return {
        "ruleId": problem.rule,
        "level": _LEVELS.get(problem.rule, "warning"),
        "message": {"text": text},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": PurePath(problem.file).as_posix()},
                    "region": {"startLine": problem.line, "startColumn": problem.column},
                }
            }
        ],
    }
