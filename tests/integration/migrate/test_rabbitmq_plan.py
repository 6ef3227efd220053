"""``migrate plan`` on a real RabbitMQ and the local AWS."""

import json
from pathlib import Path

import pytest
from celery import Celery
from celery.bin.base import CLIContext
from click.testing import CliRunner
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
