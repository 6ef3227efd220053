"""``migrate plan`` on a real RabbitMQ and the local AWS."""

import json
from pathlib import Path

import pytest
from celery import Celery
from celery.bin.base import CLIContext
from click.testing import CliRunner, Result
from kombu import Exchange, Queue

from celery_aws.cli import aws
from celery_aws.testing.fixtures import AwsEnvironment
from tests.integration.migrate.conftest import VirtualHost


def test_a_plan_of_a_rabbitmq(
    rabbit: VirtualHost,
    aws_environment: AwsEnvironment,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    old_configuration = tmp_path / "celeryconfig.py"
    old_configuration.write_text(
        "from kombu import Exchange, Queue\n"
        f"broker_url = {rabbit.url!r}\n"
        "task_queues = [Queue('celery', Exchange('celery'), routing_key='celery', "
        "max_priority=9)]\n"
    )
    queue = Queue("celery", Exchange("celery"), routing_key="celery", max_priority=9)
    with Celery("old", set_as_current=False, broker=rabbit.url) as old:
        old.conf.task_queues = [queue]
        for number in range(12):
            old.send_task("proj.add", (1, number), priority=number % 3)
    with Celery("new", set_as_current=False) as new:
        new.conf.update(aws_environment.celery_config(), task_queue_max_priority=9)
        new.conf.task_queues = [Queue("celery", max_priority=9)]
        context = CLIContext(app=new, no_color=True, workdir=None)
        unseen = CliRunner().invoke(
            aws,
            (
                *("migrate", "plan", "--no-results", "--from-config", str(old_configuration)),
                *("--queue", "not-there=elsewhere", "--queue", "celery"),
            ),
            obj=context,
        )
        assert unseen.exit_code == 0, unseen.output
        ended = CliRunner().invoke(
            aws,
            (
                *("migrate", "plan", "--json", "--no-results"),
                *("--from-config", str(old_configuration)),
                *("--management-url", rabbit.server.management_url),
            ),
            obj=context,
        )
    assert ended.exit_code == 0, ended.output
    plan = json.loads(ended.stdout)
    [celery] = plan["queues"]
    assert (celery["messages"], celery["moved"]) == (12, 12)
    found = {each["name"]: each["level"] for each in plan["findings"]}
    assert found["priorities-turn-around"] == "warning"
    assert "block" not in found.values()
    assert "guest:guest" not in ended.output


def test_what_cannot_be_seen_is_no_agreement(
    rabbit: VirtualHost,
    aws_environment: AwsEnvironment,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    with Celery("old", set_as_current=False, broker=rabbit.url) as old:
        for queue in ("celery", "mail"):
            old.send_task("proj.add", (1, 1), queue=queue)
    with Celery("new", set_as_current=False) as new:
        new.conf.update(aws_environment.celery_config())
        new.conf.task_queues = [Queue("celery"), Queue("mail")]
        context = CLIContext(app=new, no_color=True, workdir=None)

        def run(command: str, *arguments: str) -> Result:
            sides = ("--from", rabbit.url, "--journal", str(tmp_path / "journal.sqlite"))
            given = ("migrate", command, *sides, "--no-results", *arguments)
            return CliRunner().invoke(aws, given, obj=context)

        # Without the HTTP API nobody knows of the other queue.
        assert run("run", "--yes").exit_code == 0
        found = run("verify", "--json")
        assert found.exit_code == 1
        assert [each["name"] for each in json.loads(found.stdout)["differences"]] == [
            "queues-unseen"
        ]
        api = ("--management-url", rabbit.server.management_url)
        found = run("verify", "--json", *api)
        assert found.exit_code == 1
        assert [each["name"] for each in json.loads(found.stdout)["differences"]] == [
            "messages-left"
        ]
        assert run("run", "--yes", *api).exit_code == 0
        for rest in (api, ("--queue", "celery", "--queue", "mail")):
            found = run("verify", *rest)
            assert found.exit_code == 0, found.output
