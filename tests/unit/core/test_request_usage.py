import json
from typing import Any

import pytest

from celery_aws.core.request_usage import RequestUsage, UsageRow


def row(name: str, resource: str, requests: int, units: float = 0.0) -> UsageRow:
    service, operation = name.split(".")
    return UsageRow(
        service=service, operation=operation, resource=resource, requests=requests, units=units
    )


USAGE = RequestUsage(
    rows=(
        row("dynamodb.PutItem", "results", 3, 4.0),
        row("dynamodb.Query", "shared", 1, 0.5),
        row("s3.PutObject", "bodies", 1),
        row("sqs.SendMessage", "celery", 2, 3.0),
        row("sqs.SendMessage", "other", 1, 1.0),
    )
)


def test_sums_are_by_what_is_billed() -> None:
    assert USAGE.requests == 8
    assert (USAGE.sqs_units, USAGE.write_units, USAGE.read_units) == (4.0, 4.0, 0.5)


def test_what_came_since_has_only_what_changed() -> None:
    more = USAGE + RequestUsage(rows=(row("sqs.SendMessage", "celery", 1, 1.0),))
    assert more.requests == 9
    assert more.since(USAGE).rows == (row("sqs.SendMessage", "celery", 1, 1.0),)
    assert USAGE.since(USAGE) == RequestUsage()


def test_usage_in_cloudwatch_row_by_row() -> None:
    twice = USAGE + USAGE
    assert len(twice.rows) == len(USAGE.rows)
    assert twice.since(USAGE) == USAGE


def test_by_operation_has_no_resources() -> None:
    assert USAGE.by_operation().rows[-1] == row("sqs.SendMessage", "", 3, 4.0)
    assert USAGE.by_operation().requests == USAGE.requests


def test_it_has_a_form_for_json() -> None:
    found = json.loads(json.dumps(USAGE.as_json()))
    assert found["requests"] == 8
    assert (found["sqs_units"], found["write_units"], found["read_units"]) == (4, 4, 0.5)
    assert found["operations"]["sqs.SendMessage"] == {
        "celery": {"requests": 2, "units": 3},
        "other": {"requests": 1, "units": 1},
    }
    assert found["operations"]["s3.PutObject"] == {"bodies": {"requests": 1, "units": 0}}


def test_it_is_one_line_of_a_log() -> None:
    assert str(USAGE) == (
        "dynamodb.PutItem 3 (4 units), dynamodb.Query 1 (0.5 units), s3.PutObject 1, "
        "sqs.SendMessage 3 (4 units)"
    )
    assert str(RequestUsage()) == "none"


def test_what_was_told_is_read_again() -> None:
    usage = RequestUsage(
        rows=(
            UsageRow(service="dynamodb", operation="GetItem", resource="t", requests=3, units=1.5),
            UsageRow(service="sqs", operation="SendMessage", resource="q", requests=2, units=4.0),
        )
    )
    assert RequestUsage.from_json(usage.as_json()) == usage
    unusable: list[Any] = [{}, {"operations": []}, {"operations": {"sqs.Send": {"q": {}}}}]
    for wrong in unusable:
        with pytest.raises(ValueError, match="no usage"):
            RequestUsage.from_json(wrong)
