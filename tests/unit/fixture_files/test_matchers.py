from __future__ import annotations

from typing import Any

import pytest

from fakebus.fixture_files.matchers import MATCHERS, check, differences
from fakebus.fixture_files.problems import DataError


@pytest.mark.parametrize(
    ("wanted", "found", "problems"),
    [
        ({"$any": True}, None, []),
        ({"$type": "number"}, 1, []),
        ({"$type": "integer"}, 1.5, ["value is 1.5, of type number and not integer"]),
        ({"$type": ["null", "string"]}, None, []),
        ({"$type": "integer"}, True, ["value is True, of type boolean and not integer"]),
        ({"$regex": "[A-Z]{3}"}, "EUR", []),
        ({"$regex": "[A-Z]{3}"}, "EURO", ["value is 'EURO', which is not as '[A-Z]{3}' has it"]),
        (
            {"$regex": "(a+)+$"},
            "a" * 40 + "b",
            [f"value is {'a' * 40 + 'b'!r}, which is not as '(a+)+$' has it"],
        ),
        ({"$regex": "(a|b)(?!c)"}, "a", []),
        ({"$regex": ".*"}, 7, ["value is 7, which is not as '.*' has it"]),
        ({"$len": 2}, [1, 2], []),
        ({"$len": {"min": 1}}, "", ["value has the length 0, not at least 1"]),
        (
            {"$len": {"min": 1, "max": 2}},
            [1, 2, 3],
            ["value has the length 3, not at least 1 and at most 2"],
        ),
        ({"$len": 1}, 5, ["value is 5, which has no length"]),
        ({"$range": {"min": 0}}, 0, []),
        ({"$range": {"min": 0, "max": 1}}, 1.5, ["value is 1.5, not at least 0 and at most 1"]),
        ({"$range": {"min": 0}}, True, ["value is True, not a number"]),
        ({"$in": ["a", 1]}, 1, []),
        ({"$in": [1]}, True, ["value is True, not one of 1"]),
        (
            {"$each": {"n": {"$type": "integer"}}},
            [{"n": 1}, {"n": "x"}],
            ["value[1].n is 'x', of type string and not integer"],
        ),
        ({"$each": 1}, {}, ["value is {}, not a list"]),
        ({"a": {"$type": "string"}}, {"a": "x", "b": 1}, []),
        ({"a": {"$type": "string"}}, {}, ["value.a is missing"]),
        ({"$ref": "x"}, {"$ref": "x"}, []),
        (
            {"a": {"$rgex": "x"}},
            {"a": {}},
            [
                "value.a.$rgex is missing"
                " (matchers are $any, $type, $regex, $len, $range, $in, $each)"
            ],
        ),
        ([{"$any": True}, 2], [None, 2], []),
        ([1], [1, 2], ["value has 2 items, not 1"]),
        ({"$unknown": 1}, {"$unknown": 1}, []),
    ],
)
def test_matchers(wanted: Any, found: Any, problems: list[str]) -> None:
    assert list(differences("value", wanted, found)) == problems


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"$typ": "string"}, 'there is no matcher "$typ"'),
        ({"$type": "text"}, "$type takes one of null"),
        ({"$type": []}, "$type takes a type, or a list of types"),
        ({"$regex": "("}, "$regex takes a regular expression, which this is not"),
        ({"$regex": "a{99999999999}"}, "$regex takes a regular expression, which this is not"),
        ({"$regex": "(" * 5000}, "$regex takes a regular expression, which this is not"),
        ({"$regex": 1}, "$regex takes a regular expression"),
        ({"$len": -1}, "$len takes a length"),
        ({"$len": {"least": 1}}, "$len takes min and max, not 'least'"),
        ({"$range": 3}, "$range takes"),
        ({"$range": {"min": "0"}}, "$range takes"),
        ({"$in": "ab"}, "$in takes a list of values"),
        ({"$each": {"$x": 1}}, 'there is no matcher "$x"'),
        ({"a": [{"$any": 1}]}, "$any takes true"),
    ],
)
def test_mistakes_in_matchers_are_told(wanted: Any, message: str) -> None:
    with pytest.raises(DataError) as caught:
        check(wanted)
    assert message in str(caught.value)


def test_every_matcher_is_tested_and_documented() -> None:
    from pathlib import Path

    text = (Path(__file__).parents[3] / "docs" / "how-to" / "contracts.md").read_text()
    assert [name for name in MATCHERS if f'"{name}"' not in text] == []


def test_an_expression_that_only_backtracking_can_match_and_that_may_not_end_is_told() -> None:
    wanted = {"$regex": "(?!x)(a+)+$"}
    (problem,) = differences("value", wanted, "a" * 40 + "b")
    assert problem.endswith("that may take without end")
