from collections.abc import Mapping
from dataclasses import field
from typing import Any

import pytest
from pydantic.dataclasses import dataclass

from celery_aws.config.fields import AnyMap, Text, WaitTime
from celery_aws.config.parsing import (
    FORBID_EXTRA,
    allowed_text,
    parse_options,
    shown,
    unknown_key,
    valid_keys,
)
from celery_aws.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True, config=FORBID_EXTRA)
class Options:
    wait: WaitTime = 20
    pause: WaitTime | None = None
    name: Text = "celery"
    more: AnyMap = field(default_factory=dict, metadata={"spelling": "more-options"})
    session_token: str | None = field(default=None, repr=False)


def parse(**raw: Any) -> Options:
    return parse_options(Options, raw, where="options")


def refused(**raw: Any) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        parse(**raw)
    assert caught.value.where == "options"
    return caught.value


def test_what_is_not_given_has_its_default() -> None:
    assert parse() == Options()
    assert parse(wait="", name="", more="", pause=None) == Options()


def test_another_spelling_sets_the_same_field() -> None:
    assert parse_options(Options, {"more-options": {"a": 1}}, where="options").more == {"a": 1}
    assert valid_keys(Options)["more-options"] == valid_keys(Options)["more"] == "more"


def test_an_unknown_key_names_the_nearest_valid_one() -> None:
    error = refused(Wiat=1)
    assert str(error) == (
        "options: unknown option 'Wiat'. Did you mean 'wait'? Valid are: more, "
        "more-options, name, pause, session_token, wait"
    )
    assert error.key == "Wiat"


def test_a_key_like_no_other_gets_no_guess() -> None:
    assert "Did you mean" not in unknown_key("options", "zzz", ["wait"])


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"wait": "abc"}, "options['wait'] = 'abc': must be a whole number from 0 to 20 (seconds)"),
        ({"pause": 21}, "options['pause'] = 21: must be a whole number from 0 to 20 (seconds)"),
        ({"name": 5}, "options['name'] = 5: must be text"),
        ({"more": 5}, "options['more'] = 5: must be a mapping from text to values"),
        ({"more": {5: 1}}, "options['more']['5']['[key]'] = 5: Input should be a valid string"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(raw: dict[str, Any], words: str) -> None:
    assert str(refused(**raw)) == words


@pytest.mark.parametrize(
    "raw",
    [
        {"session_token": ["s3cr3t"]},
        {"more": '{"proxies": {"https": "http://me:s3cr3t@proxy"}'},
        {"more": ["s3cr3t"]},
        {"wait": {"password": "s3cr3t"}},
        {"wait": "https://me:s3cr3t@host"},
        {"wait": "s3cr3t" * 100},
        {"wait": b"s3cr3t"},
    ],
)
def test_an_error_shows_no_secret(raw: Mapping[str, Any]) -> None:
    error = refused(**raw)
    assert "s3cr3t" not in str(error)
    assert error.__cause__ is None
    assert error.__suppress_context__


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("abc", "'abc'"),
        (True, "True"),
        (None, "None"),
        (2.5, "2.5"),
        ({"b": 1, "a": 2}, "a mapping with the keys ['a', 'b']"),
        ('{"a": 1}', "a text of 8 characters"),
        ([1], "a value of type list"),
        ("http://me:secret@host/path", "'http://**@host/path'"),
    ],
)
def test_what_is_shown_of_a_value(value: Any, expected: str) -> None:
    assert shown(value) == expected


def test_what_a_field_takes_is_said_through_none() -> None:
    assert allowed_text(Options, "pause") == allowed_text(Options, "wait")
