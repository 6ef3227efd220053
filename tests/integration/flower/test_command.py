"""``celery -A proj aws flower`` beside ``celery -A proj flower``."""

import signal
from pathlib import Path

import pytest

from tests.integration.flower.conftest import StartFlower
from tests.integration.workers.conftest import Project

pytestmark = pytest.mark.worker

LENGTHS = "/api/queues/length"
OPEN = {"FLOWER_UNAUTHENTICATED_API": "true"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_begins_and_ends_as_flower_does(
    start_flower: StartFlower, number: signal.Signals
) -> None:
    both = [start_flower(words=words) for words in (["flower"], ["aws", "flower"])]

    flowers, ours = [flower.banner() for flower in both]

    assert ours == flowers
    assert "Visit me at http://127.0.0.1:PORT" in ours
    assert "Broker: aws+sqs://" in ours
    # Before it serves, a signal cuts its start off.
    assert [flower.get("/healthcheck")[1] for flower in both] == ["OK", "OK"]
    codes = [flower.stop(number) for flower in both]
    assert codes == [0, 0], both[0].log + both[1].log
    endings = ["detected, shutting down" in flower.log for flower in both]
    assert endings == [number == signal.SIGTERM] * 2


def test_flower_alone_does_not_know_the_broker(start_flower: StartFlower) -> None:
    answer, body = start_flower(words=["flower"], environment=OPEN).get(LENGTHS)

    assert answer.status == 404
    assert "broker is not supported" in body


def test_its_queues_are_those_of_the_broker(project: Project, start_flower: StartFlower) -> None:
    flower = start_flower(environment=OPEN)
    client = project.client(task_ignore_result=True)
    for countdown in (0, 0, 300):
        client.send_task("proj.add", (1, 2), countdown=countdown)

    assert flower.json(LENGTHS)["active_queues"] == [
        {
            "name": "celery",
            "messages": 3,
            "messages_ready": 2,
            "messages_unacknowledged": 0,
            "messages_delayed": 1,
        }
    ]
    answer, page = flower.get("/broker")
    assert answer.status == 200
    assert '<tr id="celery">' in page
    assert project.aws.broker_url in page


def test_options_come_from_the_command_the_environment_and_a_file(
    start_flower: StartFlower, tmp_path: Path
) -> None:
    (tmp_path / "settings.py").write_text("url_prefix = 'of-the-file'\nbasic_auth = ['a:file']\n")
    flower = start_flower(
        "--conf=settings.py",
        "--basic-auth=ann:open",
        environment={"FLOWER_BASIC_AUTH": "a:variable", "FLOWER_AUTO_REFRESH": "false"},
        directory=tmp_path,
    )

    assert "/of-the-file/" in flower.banner()
    path = f"/of-the-file{LENGTHS}"
    assert flower.json(path, user="ann:open")["active_queues"] == [{"name": "celery"}]
    for user in ("a:file", "a:variable", None):
        assert flower.get(path, user=user)[0].status == 401
    assert "autorefresh = 0" in flower.get("/of-the-file/workers", user="ann:open")[1]


def test_a_misplaced_option_of_celery_is_warned_of_as_by_flower(start_flower: StartFlower) -> None:
    both = [start_flower("--app=shop", words=words) for words in (["flower"], ["aws", "flower"])]

    warnings = [
        [line for line in flower.log.splitlines() if "incorrectly" in line]
        for flower in both
        if flower.banner()
    ]

    assert len(warnings[0]) == 1
    assert warnings[1] == warnings[0]
