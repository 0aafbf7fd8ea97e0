from __future__ import annotations

import pytest

from fakebus.broker.configs.definition import find
from fakebus.broker.configs.keys import BROKER_KEYS, TOPIC_KEYS
from fakebus.errors import ConfigError


def test_an_unknown_name_is_refused_with_the_most_similar_one() -> None:
    with pytest.raises(ConfigError) as caught:
        find(BROKER_KEYS, "num.partition", "broker")
    assert str(caught.value) == (
        "there is no broker config 'num.partition'; did you mean num.partitions?"
    )


def test_a_name_like_no_other_is_refused_without_a_hint() -> None:
    with pytest.raises(ConfigError) as caught:
        find(TOPIC_KEYS, "xyz", "topic")
    assert str(caught.value) == "there is no topic config 'xyz'"


def test_a_bad_value_is_refused_with_the_name_the_value_and_what_is_valid() -> None:
    with pytest.raises(ConfigError) as caught:
        TOPIC_KEYS["cleanup.policy"].parse("keep")
    assert str(caught.value) == ("cleanup.policy: 'keep' holds 'keep'; valid are compact, delete")
    with pytest.raises(ConfigError, match=r"^num.partitions: '0' is not in \[1,...\]$"):
        BROKER_KEYS["num.partitions"].parse("0")


def test_check_says_the_same_without_raising() -> None:
    assert TOPIC_KEYS["retention.ms"].check("x") == "'x' is not a whole number"
    assert TOPIC_KEYS["retention.ms"].check("-2") == "'-2' is not in [-1,...]"
    assert TOPIC_KEYS["retention.ms"].check("-1") is None


def test_a_secret_is_in_no_message() -> None:
    key = BROKER_KEYS["ssl.key.password"]
    assert key.sensitive
    assert key._replace(valid="non-empty string").check("") == "the value must not be empty"


def test_a_number_of_thousands_of_digits_is_told_to_be_too_large() -> None:
    assert str(TOPIC_KEYS["retention.ms"].check("1" * 5000)).endswith("does not fit into 64 bits")


@pytest.mark.parametrize(
    "name", ["offsets.topic.num.partitions", "transaction.state.log.num.partitions"]
)
def test_topics_of_the_bus_have_no_more_partitions_than_others(name: str) -> None:
    assert BROKER_KEYS[name].check("10000") is None
    assert BROKER_KEYS[name].check("10001") == "'10001' is not in [1,...,10000]"
