import json
from typing import Any

import boto3
import pytest
from celery import Celery
from celery.bin.base import CLIContext
from click.testing import CliRunner

from celery_aws.cli import aws
from celery_aws.testing.fixtures import AwsEnvironment


def create_table(here: AwsEnvironment, *arguments: str, typed: str = "") -> Any:
    app = Celery("shop")
    app.conf.update(here.celery_config())
    context = CLIContext(app=app, no_color=True, workdir=None)
    return CliRunner().invoke(aws, ["create-table", *arguments], obj=context, input=typed)


def tables() -> list[str]:
    pages = boto3.client("dynamodb").get_paginator("list_tables").paginate()
    return [name for page in pages for name in page["TableNames"]]


def test_asks_before_it_creates(aws_environment: AwsEnvironment) -> None:
    table = aws_environment.results_table
    coordination = f"{aws_environment.queue_name_prefix}celery-coordination"
    refused = create_table(aws_environment, typed="n\n")
    assert refused.exit_code == 1
    assert f"/{table}" in refused.stderr
    assert coordination in refused.stderr
    assert not {table, coordination} & set(tables())

    granted = create_table(aws_environment, typed="y\n")
    assert granted.exit_code == 0
    assert granted.stdout == f"{table}\n{coordination}\n"
    assert {table, coordination} <= set(tables())


def test_says_what_it_found_and_did(aws_environment: AwsEnvironment) -> None:
    first, second = (create_table(aws_environment, "--yes", "--json") for _ in range(2))
    assert json.loads(first.stdout) == {
        "table": aws_environment.results_table,
        "created": True,
        "ttl_enabled": True,
        "on_demand": True,
        "recovery_enabled": False,
        "coordination": {
            "table": f"{aws_environment.queue_name_prefix}celery-coordination",
            "created": True,
            "ttl_enabled": True,
            "on_demand": True,
            "recovery_enabled": False,
        },
    }
    assert json.loads(second.stdout)["created"] is False
    assert json.loads(second.stdout)["coordination"]["created"] is False
    assert second.stderr.count(": exists.") == 2


def test_an_aws_that_does_not_answer_is_exit_code_3(
    aws_environment: AwsEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = "aws+dynamodb://@127.0.0.1:9/celery?region=us-east-1"
    monkeypatch.setenv("CELERY_RESULT_BACKEND", nowhere)
    result = create_table(aws_environment, "--yes")
    assert result.exit_code == 3
    assert "Could not connect" in result.stderr
