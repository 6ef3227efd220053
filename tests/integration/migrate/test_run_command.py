"""``migrate run`` and ``migrate rollback`` from and to a real Redis, as an operator uses them."""

import json
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import boto3
import pytest
import redis as redis_client
from celery import Celery, chord
from celery.bin.base import CLIContext
from click.testing import CliRunner, Result

from celery_aws.cli import aws
from celery_aws.core.envelope import decode_body
from celery_aws.migrate.journal import Journal
from celery_aws.migrate.old_app import old_app
from celery_aws.testing.fixtures import AwsEnvironment
from tests.integration.migrate.results.conftest import forget_redis
from tests.servers import RedisServer

PATIENCE_SECONDS = 40.0

# Celery 5.5 calls names that redis-py has new ones for.
pytestmark = pytest.mark.filterwarnings("ignore:Call to .*deprecated:DeprecationWarning")


class Move:
    """Two sides, and the commands between them."""

    def __init__(self, redis: RedisServer, environment: AwsEnvironment, folder: Path) -> None:
        self.redis = redis
        self.folder = folder
        self.environment = environment
        self.journal = folder / "journal.sqlite"
        self.new = Celery("new", set_as_current=False)
        self.new.conf.update(environment.celery_config())
        self.old = old_app(broker_url=redis.url(), result_backend=redis.url(1))
        self.server: Any = redis_client.Redis.from_url(redis.url())

    def publish(self, count: int, **options: Any) -> None:
        with self.old.connection_for_write() as connection, connection.Producer() as producer:
            for number in range(count):
                self.old.send_task(
                    "shop.mail", [number], task_id=f"id-{number}", producer=producer, **options
                )

    def run(self, command: str, *arguments: str, typed: str = "") -> Result:
        """Run ``celery -A new aws migrate ...``."""
        context = CLIContext(app=self.new, no_color=True, workdir=None)
        options = ["--from", self.redis.url(), "--results-from", self.redis.url(1)]
        options += ["--journal", str(self.journal), *arguments]
        return CliRunner().invoke(aws, ["migrate", command, *options], obj=context, input=typed)

    def report(self, command: str, *arguments: str, exit_code: int = 0) -> Any:
        """Run the same with ``--yes --json`` and return what it prints."""
        ended = self.run(command, *arguments, "--yes", "--json")
        assert ended.exit_code == exit_code, ended.output
        return json.loads(ended.stdout)

    def waiting(self) -> list[Mapping[str, Any]]:
        """Return what waits in Redis, what was published first in front."""
        return [json.loads(each) for each in reversed(self.server.lrange("celery", 0, -1))]

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Run ``migrate run`` as a process of its own."""
        (self.folder / "moving.py").write_text(
            textwrap.dedent(f"""
                from celery import Celery
                app = Celery("moving")
                app.conf.update({self.environment.celery_config()!r})
            """)
        )
        command = [sys.executable, "-m", "celery", "-A", "moving", "aws", "migrate", "run"]
        command += ["--from", self.redis.url(), "--journal", str(self.journal), "--no-results"]
        return subprocess.Popen(
            [*command, "--yes", "--json", *arguments],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_until_moved(self, count: int) -> None:
        """Wait until the journal has so many messages."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.moved() < count:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def moved(self) -> int:
        """Return how many messages the journal has."""
        if not self.journal.exists():
            return 0
        journal = Journal(self.journal)
        counts = journal.counts()
        journal.close()
        return sum(count for fates in counts.values() for count in fates.values())


@pytest.fixture
def move(redis: RedisServer, aws_environment: AwsEnvironment, tmp_path: Path) -> Iterator[Move]:
    move = Move(redis, aws_environment, tmp_path)
    yield move
    forget_redis(move.old)
    move.server.close()
    move.old.close()
    move.new.close()


def numbers(**given: int) -> dict[str, int]:
    names = ("sent", "parked", "quarantined", "revoked", "again", "left", "uncertain")
    return {name: given.get(name, 0) for name in names}


def test_everything_is_moved_and_a_second_run_sends_nothing(move: Move) -> None:
    move.publish(25)

    report = move.report("run")

    assert report["messages"] == numbers(sent=25)
    assert report["blocked"] == {}
    assert report["results"]["copied"] == 0
    assert move.waiting() == []
    assert move.report("run")["messages"] == numbers()


def test_it_says_what_it_will_do_and_asks(move: Move) -> None:
    move.publish(3)

    refused = move.run("run", typed="n\n")

    assert refused.exit_code == 1
    assert "celery: 3 message(s) will be moved" in refused.stderr
    assert len(move.waiting()) == 3
    done = move.run("run", typed="y\n")
    assert done.exit_code == 0
    assert "messages: 3 sent, 0 parked" in done.stdout


def test_what_cannot_go_is_told_and_the_rest_goes(move: Move) -> None:
    move.publish(5)
    move.publish(1, queue="nobody")
    move.server.lpush("celery", b"poison")
    revoked = move.folder / "revoked"
    revoked.write_text("id-3\n")

    report = move.report("run", "--revoked-file", str(revoked), exit_code=1)

    assert report["messages"] == numbers(sent=4, quarantined=1, revoked=1)
    assert "no worker would consume it" in report["blocked"]["nobody"]
    assert report["blocked_messages"] == {"nobody": 1}
    assert move.server.llen("nobody") == 1
    again = move.run("run", "--yes", "--no-results")
    assert again.exit_code == 1
    assert again.stdout.endswith(", 1 left\n")
    assert again.stderr.splitlines()[-1].startswith("nobody: 1 message(s) stay: SQS has no queue")
    assert move.run("run", "--yes", "--only-results").exit_code == 0
    lines = (move.folder / "journal.sqlite.quarantine.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["fate"] for line in lines) == ["quarantined", "revoked"]
    named = move.report("run", "--queue", "nobody=other", "--revoked-file", str(revoked))
    assert named["messages"] == numbers(sent=1)
    assert move.server.llen("nobody") == 0


def test_there_and_back_a_message_is_the_same(move: Move) -> None:
    eta = datetime.now(timezone.utc) + timedelta(days=2)
    move.publish(12, headers={"x": 1}, expiration=7_200)
    move.publish(1, eta=eta, priority=6)
    before = [*move.waiting(), *_step(move, 6)]
    assert move.report("run")["messages"] == numbers(sent=12, parked=1)

    report = move.report("rollback")

    assert report["messages"] == numbers(sent=13)
    assert report["from"].startswith("aws+sqs://")
    after = [*move.waiting(), *_step(move, 6)]
    assert sorted(map(_essence, after)) == sorted(map(_essence, before))
    # And there once more: it is another passage, and nothing is taken for known.
    assert move.report("run")["messages"] == numbers(sent=12, parked=1)


def _step(move: Move, priority: int) -> list[Mapping[str, Any]]:
    key = f"celery\x06\x16{priority}"
    return [json.loads(each) for each in reversed(move.server.lrange(key, 0, -1))]


def _essence(envelope: Mapping[str, Any]) -> str:
    """Return all that has to be the same: everything but the delivery tag."""
    properties = {**envelope["properties"]}
    body = decode_body(envelope["body"], properties.pop("body_encoding"))
    properties.pop("delivery_tag")
    raw = body if isinstance(body, str) else body.decode()
    return json.dumps({**envelope, "body": raw, "properties": properties}, sort_keys=True)


def test_with_follow_it_moves_what_comes_until_it_is_stopped(move: Move) -> None:
    move.publish(3)
    process = move.start("--follow", "--threads", "2")
    move.wait_until_moved(3)
    move.old.send_task("shop.mail", ["late"])
    move.wait_until_moved(4)

    second = move.run("run", "--yes")
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode == 0, errors
    assert json.loads(output)["messages"] == numbers(sent=4)
    assert "Stopping after what is under way" in errors
    assert second.exit_code == 1
    assert "another run" in second.stderr


def test_killed_it_is_run_again_and_nothing_is_lost(move: Move) -> None:
    move.publish(300)
    process = move.start("--rate", "200")
    move.wait_until_moved(50)
    process.kill()
    process.communicate(timeout=PATIENCE_SECONDS)
    first = move.moved()
    assert 50 <= first < 300

    messages = move.report("run")["messages"]

    assert first + messages["sent"] == 300
    assert messages["again"] <= 10
    assert move.moved() == 300


def test_two_sides_of_one_kind_are_a_mistake(move: Move) -> None:
    context = CLIContext(app=move.new, no_color=True, workdir=None)
    for command in ("run", "rollback"):
        arguments = ["migrate", command, "--from", move.environment.broker_url, "--yes"]

        ended = CliRunner().invoke(aws, arguments, obj=context)

        assert ended.exit_code == 2
        assert "-A" in ended.stderr


def test_a_rollback_is_not_done_while_somebody_holds_a_message(move: Move) -> None:
    move.publish(3)
    assert move.report("run")["messages"] == numbers(sent=3)
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName=f"{move.environment.queue_name_prefix}celery")["QueueUrl"]
    (held,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1)["Messages"]

    first = move.run("rollback", "--yes", "--no-results")
    sqs.change_message_visibility(
        QueueUrl=url, ReceiptHandle=held["ReceiptHandle"], VisibilityTimeout=0
    )
    second = move.run("rollback", "--yes", "--no-results")

    assert first.exit_code == 1
    assert "messages: 2 sent" in first.stdout
    assert "1 message(s) on SQS are held" in first.stderr
    assert second.exit_code == 0, second.output
    assert "messages: 1 sent" in second.stdout
    assert len(move.waiting()) == 3


def hold(move: Move) -> None:
    """Let the next message be held by a worker that was killed."""
    with move.old.connection_for_read() as connection:
        channel = connection.default_channel
        message = channel.basic_get("celery")
        assert message is not None
        # A process that is no more gives nothing back.
        channel.qos.restore_at_shutdown = False
        channel.qos._delivered.clear()


def test_what_killed_workers_held_is_moved_when_asked_for(move: Move) -> None:
    move.publish(3)
    hold(move)

    first = move.run("run", "--yes", "--no-results")
    report = move.report("run", "--take-held")

    assert "messages: 2 sent" in first.stdout
    assert "1 message(s) are held by old workers" in first.stderr
    assert report["messages"] == numbers(sent=1)
    assert not move.server.exists("unacked")


def test_what_somebody_may_still_hold_is_taken_only_on_his_word(move: Move) -> None:
    move.publish(1)
    hold(move)
    arguments = ("--take-held", "--ask-seconds", "0.1", "--yes", "--no-results")
    with move.server.pubsub() as worker:
        worker.subscribe("/0.celery.pidbox")
        assert worker.get_message(timeout=PATIENCE_SECONDS) is not None
        refused = move.run("run", *arguments)
        taken = move.run("run", *arguments, "--even-if-alive")

    assert (refused.exit_code, taken.exit_code) == (1, 0)
    assert "--even-if-alive" in refused.stderr
    assert "messages: 1 sent" in taken.stdout


def test_chords_in_flight_are_moved_when_asked_for(move: Move) -> None:
    parts = [move.old.signature("shop.mail", [number]) for number in range(3)]
    chord(parts, app=move.old)(move.old.signature("shop.sum"))
    results: Any = redis_client.Redis.from_url(move.redis.url(1))
    assert results.keys("*.s")
    report = move.report("run")
    assert report["results"]["chords_left"] == 1
    assert results.keys("*.s")
    report = move.report("run", "--only-results", "--chords")
    assert (report["results"]["chords"], report["results"]["chords_left"]) == (1, 0)
    assert not results.keys("*.s")
    report = move.report("run", "--only-results", "--chords")
    assert (report["results"]["chords"], report["results"]["chords_left"]) == (0, 0)


def test_chords_are_results(move: Move) -> None:
    ended = move.run("run", "--no-results", "--chords")
    assert ended.exit_code == 2
    assert "--no-results" in ended.output
