from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from celery_aws.config.fields import (
    AnyMap,
    Flag,
    HttpUrl,
    Port,
    QueueUrlText,
    RoleArn,
    Seconds,
    StsDuration,
    TextMap,
    TtlSeconds,
    VisibilityTimeout,
    WaitTime,
    whole_number,
)


def read(field_type: Any, value: Any) -> Any:
    return TypeAdapter(field_type).validate_python(value)


def test_numbers_come_as_text_from_the_environment() -> None:
    for text in ("3600", "3600.0", " 3600 ", "3.6e3", 3600, 3600.0, "３６００"):  # noqa: RUF001
        value = read(VisibilityTimeout, text)
        assert (value, type(value)) == (3600, int)


@pytest.mark.parametrize(
    "value",
    ["abc", "1.5", 1.5, "inf", "-inf", "nan", "1e400", "", "0x10", True, None, [1], {}, "9" * 5000],
)
def test_what_is_no_whole_number(value: Any) -> None:
    for field_type in (whole_number(0, None, "seconds"), Port):
        with pytest.raises(ValidationError):
            read(field_type, value)


@pytest.mark.parametrize(
    ("field_type", "lowest", "highest"),
    [
        (VisibilityTimeout, 1, 43_200),
        (WaitTime, 0, 20),
        (StsDuration, 900, 43_200),
        (Port, 1, 65_535),
        (TtlSeconds, -1, None),
    ],
)
def test_ranges_include_their_bounds(field_type: Any, lowest: int, highest: int | None) -> None:
    assert read(field_type, lowest) == lowest
    with pytest.raises(ValidationError):
        read(field_type, lowest - 1)
    if highest is not None:
        assert read(field_type, str(highest)) == highest
        with pytest.raises(ValidationError):
            read(field_type, highest + 1)


def test_seconds_may_have_a_fraction() -> None:
    assert read(Seconds, "0.25") == 0.25
    assert read(Seconds, 0) == 0
    for wrong in ("-1", "nan", "inf", True, None, "x"):
        with pytest.raises(ValidationError):
            read(Seconds, wrong)


def test_flags_take_the_words_of_the_environment() -> None:
    assert [read(Flag, word) for word in ("true", "1", "yes", "on", True)] == [True] * 5
    assert [read(Flag, word) for word in ("False", "0", "no", "off", 0)] == [False] * 5
    for wrong in ("maybe", 2, None):
        with pytest.raises(ValidationError):
            read(Flag, wrong)


def test_mappings_may_be_json() -> None:
    assert read(AnyMap, '{"connect_timeout": 5}') == {"connect_timeout": 5}
    assert read(TextMap, '{"team": "web", "cost": 5}') == {"team": "web", "cost": "5"}
    for wrong in ("{", "[]", "5", "null", 5, [("a", 1)]):
        with pytest.raises(ValidationError):
            read(AnyMap, wrong)
        with pytest.raises(ValidationError):
            read(TextMap, wrong)


@pytest.mark.parametrize(
    ("field_type", "right", "wrong"),
    [
        (HttpUrl, "http://localhost:4566", "localhost:4566"),
        (HttpUrl, "https://sqs.eu-west-1.amazonaws.com/", "https://key:secret@sqs"),
        (HttpUrl, "http://[::1]:4566", "http://localhost/path"),
        (QueueUrlText, "https://sqs.eu-west-1.amazonaws.com/1/q", "https://sqs.local"),
        (RoleArn, "arn:aws-cn:iam::123456789012:role/web/worker",
         "arn:aws:iam::123456789012:user/x"),
    ],
)  # fmt: skip
def test_texts_of_a_form(field_type: Any, right: str, wrong: str) -> None:
    assert read(field_type, right) == right
    with pytest.raises(ValidationError):
        read(field_type, wrong)
