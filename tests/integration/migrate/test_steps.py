"""``migrate plan``, ``status`` and ``verify`` around a run, on a real Redis and the local AWS."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.bin.base import CLIContext
from click.testing import CliRunner, Result
from redis import Redis

from celery_aws.cli import aws, migrate_status
from celery_aws.core.scheduled_items import CLAIMED
from celery_aws.migrate.journal import Journal
from celery_aws.migrate.parked_source import ParkedSource
from celery_aws.migrate.quarantine import SUFFIX
from celery_aws.migrate.redis.source import RedisSource
from celery_aws.names import AmqpQueue
from celery_aws.schedule.queries import ScheduleQueries
from celery_aws.testing import WorkerProcess
from celery_aws.testing.fixtures import AwsEnvironment
from tests.integration.workers.conftest import PATIENCE_SECONDS, Project, close_control_planes
from tests.servers import RedisServer

pytestmark = [
    pytest.mark.worker,
    # Celery's own use of redis-py.
    pytest.mark.filterwarnings("ignore:Call to .*deprecated:DeprecationWarning"),
]


CELERY = AmqpQueue("celery")


class Move:
    """An old app on Redis with something of everything, a new one, and the commands between."""

    def __init__(self, project: Project, redis: RedisServer, folder: Path) -> None:
        self.project = project
        self.redis = redis
        self.journal = folder / "journal.sqlite"
        self.old = Celery("old", set_as_current=False, broker=redis.url(0), backend=redis.url(1))
        project.configure(
            task_ignore_result=False,
            result_backend="celery_aws.migrate:ResultBackend",
            result_backend_transport_options={
                "new_backend": project.config["result_backend"],
                "old_backend": redis.url(1),
            },
        )
        self.new = project.root()
        self.results = Redis(port=redis.port, db=1)

    def fill(self) -> list[str]:
        """Publish tasks on the old side, and store results there; return the ids of tasks."""
        ids = [self.old.send_task("proj.add", (1, n)).id for n in range(12)]
        ids += [self.old.send_task("proj.add", (2, n), priority=6).id for n in range(3)]
        ids.append(self.old.send_task("proj.add", (3, 1), countdown=3_600).id)
        for number in range(25):
            self.old.backend.store_result(f"result-{number}", number, "SUCCESS")
        return ids

    def run(self, command: str, *arguments: str) -> Result:
        """Run ``celery -A new aws migrate ...``."""
        sides = ("--from", self.redis.url(0), "--results-from", self.redis.url(1))
        options = (*sides, "--journal", str(self.journal))
        context = CLIContext(app=self.new, no_color=True, workdir=None)
        words = ("migrate", command, *options, *arguments)
        return CliRunner().invoke(aws, words, obj=context, catch_exceptions=False)

    def json(self, command: str, *arguments: str, exit_code: int = 0) -> Any:
        """Run the same with ``--json``, and return what it prints."""
        ended = self.run(command, *arguments, "--json")
        assert ended.exit_code == exit_code, ended.output
        return json.loads(ended.stdout)

    def differences(self, *arguments: str) -> dict[str, int]:
        """Return what ``migrate verify`` finds."""
        ended = self.run("verify", *arguments, "--json")
        found = json.loads(ended.stdout)
        assert ended.exit_code == (0 if found["clean"] else 1)
        return {each["name"]: each["count"] for each in found["differences"]}

    def steps(self) -> list[dict[str, str]]:
        """Return what ``migrate status`` says in the middle."""
        found: list[dict[str, str]] = self.json("status", "--timeout", "1", exit_code=1)["steps"]
        return found

    def verdicts(self, *arguments: str) -> dict[str, str]:
        """Return what ``migrate status`` says of each step."""
        ended = self.run("status", "--timeout", "0.5", *arguments, "--json")
        found = json.loads(ended.stdout)
        assert ended.exit_code == (0 if found["done"] else 1)
        return {each["name"]: each["verdict"] for each in found["steps"]}


@pytest.fixture
def move(
    redis: RedisServer,
    aws_environment: AwsEnvironment,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[Move]:
    for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    with ExitStack() as stack:
        stack.callback(close_control_planes)
        found = Move(Project(aws_environment, stack), redis, tmp_path)
        stack.callback(found.old.close)
        stack.callback(found.results.close)
        yield found


def test_a_plan_counts_what_is_there(move: Move) -> None:
    move.fill()
    move.old.send_task("proj.add", (1, 1), queue="attic")
    plan = move.json("plan", "--threads", "2", exit_code=1)
    by_name = {each["queue"]: each for each in plan["queues"]}
    assert by_name["celery"]["moved"] == 16
    assert by_name["celery"]["parked"] == 1
    assert by_name["celery"]["sqs_queues"][0]["by_priority"] == {"0": 13, "6": 3}
    assert by_name["attic"]["blocked"]
    assert plan["results"]["by_status"] == {"SUCCESS": 25}
    assert plan["results"]["copied"]
    assert plan["requests"]["parked_put_item"] == 1
    # Fifteen for the queue in two requests; results one by one, and one look for all.
    assert plan["requests"]["send_message_batch"] == 2
    assert plan["requests"]["result_put_item"] == 25
    names = {each["name"] for each in plan["findings"] if each["level"] == "block"}
    assert names == {"queue-unroutable"}
    assert "attic" in move.run("plan").stdout


def test_what_is_missing_is_found_and_named(move: Move) -> None:
    ids = move.fill()
    assert move.run("verify").exit_code == 2
    ended = move.run("run", "--yes", "--no-results")
    assert ended.exit_code == 0, ended.output
    assert move.differences("--sample", "10") == {"results-missing": 10}
    assert move.differences() == {"results-missing": 25}
    assert move.run("run", "--yes", "--only-results").exit_code == 0
    assert move.differences() == {}

    # A message that came back, a file that is gone, and messages that somebody purged.
    move.old.send_task("proj.add", (1, 1))
    assert move.differences() == {"messages-left": 1}
    Redis(port=move.redis.port).flushdb()
    move.journal.with_name(move.journal.name + SUFFIX).write_text(
        json.dumps({"key": "nobody", "at": "2100-01-01T00:00:00+00:00", **_source(move)}) + "\n"
    )
    assert move.differences() == {"quarantine-unrecorded": 1}
    move.journal.with_name(move.journal.name + SUFFIX).unlink()
    move.project._sqs.purge_queue(QueueUrl=move.project.queue_url())
    move.results.set("celery-task-meta-result-1", "not JSON", ex=1_000)
    move.results.persist("celery-task-meta-result-2")
    assert move.differences() == {
        "messages-missing": 15,
        "results-unreadable": 1,
        "results-life": 1,
    }
    text = move.run("verify").stdout
    assert "* result-2" in text
    assert any(task_id in text for task_id in ids[:15])


def test_a_copy_that_was_interrupted_is_not_through(
    move: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate_status, "_SAMPLE", 20)
    for number in range(30):
        move.old.backend.store_result(f"result-{number}", number, "SUCCESS")
    # What Redis tells first was copied first, and is compared first.
    names = list(move.results.scan_iter("celery-task-meta-*", count=1_000))
    later = {name: move.results.dump(name) or b"" for name in names[20:]}
    move.results.delete(*later)
    assert move.run("run", "--yes", "--only-results").exit_code == 0
    for name, content in later.items():
        move.results.restore(name, 86_400_000, content)
    assert move.verdicts()["results"] in ("unknown", "wait")
    assert move.verdicts("--all-results")["results"] == "wait"
    assert move.run("run", "--yes", "--only-results").exit_code == 0
    assert move.verdicts()["results"] == "unknown"
    assert move.verdicts("--all-results")["results"] == "go"


def _source(move: Move) -> dict[str, str]:
    journal = Journal(move.journal)
    try:
        passage = journal.passage()
        assert passage is not None
        return {"source": passage.source}
    finally:
        journal.close()


def test_the_steps_of_a_migration(move: Move) -> None:
    ids = move.fill()
    before = move.verdicts()
    assert before["queues"] == "wait"
    assert before["new-workers"] == "wait"
    assert before["producers"] == "unknown"
    assert before["results"] == "wait"
    assert move.run("run", "--yes").exit_code == 0
    with move.project.worker(pool="threads"):
        for task_id in ids[:15]:
            move.new.AsyncResult(task_id).get(timeout=PATIENCE_SECONDS)
        assert move.project.wait_for_messages((0, 0)) == (0, 0)
        found = move.json("verify")
        assert (found["begun"], found["waiting"], found["moved"]) == (15, 1, {"sent": 16})
        assert set(move.verdicts("--watch", "1").values()) == {"go"}


def test_a_rollback_is_verified_the_other_way_round(move: Move) -> None:
    move.fill()
    assert move.run("run", "--yes", "--no-results").exit_code == 0
    assert move.differences("--no-results") == {}
    # One is received meanwhile, and so stays.
    url = move.project.queue_url()
    held = move.project._sqs.receive_message(QueueUrl=url, VisibilityTimeout=600)["Messages"]
    assert move.run("rollback", "--yes", "--no-results").exit_code == 1
    assert move.differences("--no-results") == {"messages-held": 1}
    move.project._sqs.delete_message(QueueUrl=url, ReceiptHandle=held[0]["ReceiptHandle"])
    assert move.differences() == {}
    assert move.verdicts()["verified"] == "wait"


def test_what_a_killed_run_had_claimed_comes_back_too(move: Move) -> None:
    move.fill()
    assert move.run("run", "--yes", "--no-results").exit_code == 0
    ids = [move.old.send_task("proj.add", (4, n)).id for n in range(5)]
    killed = RedisSource(move.old, queues={CELERY: CELERY}, run="killed")
    assert len(killed.claim(3)) == 3
    broker = Redis(port=move.redis.port)
    broker.delete("celery-aws.migration.run.killed")

    assert move.run("rollback", "--yes", "--no-results").exit_code == 0

    waiting = [json.loads(each) for each in broker.lrange("celery", 0, -1)]
    assert sorted(ids) == sorted(
        each["headers"]["id"] for each in waiting if each["headers"]["id"] in ids
    )
    assert not broker.exists("celery-aws.migration.claims")
    broker.close()


def test_what_a_killed_rollback_had_claimed_goes_on_too(move: Move) -> None:
    delayed = move.old.send_task("proj.add", (1, 1), countdown=7_200).id
    assert move.run("run", "--yes", "--no-results").exit_code == 0
    journal = Journal(move.journal)
    there = journal.passage()
    assert there is not None
    journal.begin(source=there.target, target=there.source, now=there.began)
    journal.close()
    with move.new.connection_for_write() as connection:
        shared = connection.transport.coordination
        killed = ParkedSource(connection.transport, queues={CELERY: CELERY}, run="killed")
        assert len(killed.claim(10)) == 1
        assert list(shared.table.pages(CLAIMED))

        assert move.run("run", "--yes", "--no-results").exit_code == 0

        assert shared.table.count(CLAIMED) == 0
        tasks = ScheduleQueries(shared.schedule).page(limit=10).tasks
    assert [each.task_id for each in tasks] == [delayed]


def worked(move: Move, **changes: str) -> WorkerProcess:
    """An old worker on Redis, which hears of no other broker."""
    return WorkerProcess(
        "tests.integration.migrate.redis.worked",
        directory=Path(__file__).parents[3],
        name="old@%h",
        environment={**os.environ, "OLD_BROKER": move.redis.url(0), **changes},
        pool="threads",
        concurrency=1,
    )


def test_old_workers_are_seen_whether_they_answer_or_not(move: Move) -> None:
    with worked(move):
        busy = move.old.send_task("old.sleep", (0,), countdown=3_600)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while move.verdicts()["old-workers-idle"] != "wait":
            assert time.monotonic() < deadline, busy.id
        found = {each["name"]: each for each in move.steps()}
    assert found["old-workers-gone"]["verdict"] == "wait"
    assert "still there: old@" in found["old-workers-gone"]["why"]
    assert "1 task with old@" in found["old-workers-idle"]["why"]
    # In the middle of a cutover: it hears commands on the old side, and answers on the new one.
    with worked(move, CELERY_BROKER_WRITE_URL=move.redis.url(5)):
        # It is ready a moment before it listens.
        deadline = time.monotonic() + PATIENCE_SECONDS
        found = {each["name"]: each for each in move.steps()}
        while found["old-workers-gone"]["verdict"] == "go":
            assert time.monotonic() < deadline
            found = {each["name"]: each for each in move.steps()}
    assert found["old-workers-gone"]["verdict"] == "wait"
    assert "none answers, but" in found["old-workers-gone"]["why"]
    assert found["producers"]["verdict"] == "unknown"
