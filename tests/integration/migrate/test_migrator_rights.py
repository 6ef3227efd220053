"""``migrate`` with a migrator's policy and nothing else, on an AWS that checks rights."""

import json
import random
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from celery import chord
from celery.bin.base import CLIContext
from click.testing import CliRunner, Result
from redis import Redis

from celery_aws.cli import aws
from celery_aws.iam import PolicyDocument, Role, policy
from celery_aws.local import LocalAws
from celery_aws.migrate.old_app import old_app
from celery_aws.testing.fixtures import AwsEnvironment, new_environment
from tests.integration.migrate.results.conftest import forget_redis
from tests.integration.policed import DENIED, SWITCH, Users, account, app_of, deployed, provision
from tests.integration.workers.conftest import Project, close_control_planes
from tests.servers import RedisServer

pytestmark = [
    pytest.mark.worker,
    # Celery's own use of redis-py.
    pytest.mark.filterwarnings("ignore:Call to .*deprecated:DeprecationWarning"),
]

#: Bytes of a text: too large for SQS; and for an item of the schedule alone.
TOO_LARGE, IN_PARTS = 1_100_000, 600_000

#: Of results: in a configuration without a bucket they are kept in pieces.
WITHOUT_BUCKET = {"result_backend_transport_options": {"create_table": False}}

#: Which commands fail without a statement; all of them together are what `migrate` does.
COMMANDS: dict[str, tuple[str, ...]] = {
    "WatchQueues": ("run", "rollback", "verify"),
    "KeepInbox": ("status",),
    "CommandWorkers": ("status",),
    "CountParkedTasks": ("rollback", "verify"),
    "MoveMessages": ("run", "rollback"),
    "LargeMessages": ("run", "rollback"),
    "MoveParkedTasks": ("run", "rollback"),
    "FindClaimedTasks": ("rollback",),
    "KnowCopies": ("rollback", "verify"),
    "KnowRevoked": ("rollback",),
    "CopyResults": ("run", "verify"),
    "ListResults": ("rollback",),
    "MoveChords": ("run",),
    "KeepPieces": ("run",),
    "LargeResults": ("run", "rollback"),
}

#: In which they are run.
_ORDER = ("run", "status", "verify", "rollback")

#: The local AWS tells who may not list a bucket, too, that an object is missing; and what was used
#: is asked for only where there is a monthly budget, by the doctor.
IDLE_HERE = {"MissLargeMessages", "MissLargeResults", "ReadUsage"}


class Move:
    """An old app on Redis with something of everything, and a new one whose resources are there."""

    def __init__(self, environment: AwsEnvironment, redis: RedisServer, folder: Path) -> None:
        bucket = f"big-{uuid.uuid4().hex[:12]}"
        self.config: dict[str, Any] = environment.celery_config()
        self.config["broker_transport_options"] |= {
            "large_message_bucket": bucket,
            "large_message_prefix": "messages/",
            "create_missing_queues": False,
            "create_coordination_table": False,
        }
        self.config["result_backend_transport_options"] = {
            "large_result_bucket": bucket,
            "large_result_prefix": "results/",
            "create_table": False,
        }
        self.environment = environment
        self.redis = redis
        self.journal = folder / "journal.sqlite"
        self.old = old_app(broker_url=redis.url(), result_backend=redis.url(1))
        self._deployment = deployed(self.config)
        users = Users(environment.queue_name_prefix)
        provisioner = policy(self._deployment, Role.PROVISIONER, account())
        provision(self.config, users.make("provisioner", provisioner))
        self._user = users.make("migrator", self.policy())

    def policy(self) -> PolicyDocument:
        return policy(self._deployment, Role.MIGRATOR, account())

    def fill(self) -> None:
        """Publish messages and store results on the old side."""
        late = {"countdown": 172_800}
        self.old.send_task("proj.add", (1, 2), task_id="one")
        self.old.send_task("proj.add", (1, 2), task_id="late", **late)
        self.old.send_task("proj.length", (_text(IN_PARTS),), task_id="late in parts", **late)
        self.old.send_task("proj.length", (_text(TOO_LARGE),), task_id="large")
        self.old.send_task("proj.length", (_text(TOO_LARGE),), task_id="large and late", **late)
        parts = [self.old.signature("proj.add", (n, n)) for n in range(3)]
        chord(parts, app=self.old)(self.old.signature("proj.length"))
        self.old.backend.store_result("small", 1, "SUCCESS")
        self.old.backend.store_result("large", _text(TOO_LARGE), "SUCCESS")

    def allow(self, document: PolicyDocument) -> None:
        """Let the migrator do this, and nothing else; clients of the process are reused."""
        boto3.client("iam").put_user_policy(
            UserName=f"{self.environment.queue_name_prefix}migrator",
            PolicyName="only",
            PolicyDocument=document.text(),
        )

    def migrate(self, command: str, *arguments: str, **changes: Any) -> Result:
        """Run ``celery aws migrate`` as the migrator."""
        yes = ("--yes",) if command in ("run", "rollback") else ()
        sides = ("--from", self.redis.url(), "--results-from", self.redis.url(1))
        words = ("migrate", command, *sides, "--journal", str(self.journal), *yes, *arguments)
        with app_of(self._user.config({**self.config, **changes})) as app:
            context = CLIContext(app=app, no_color=True, workdir=None)
            return CliRunner().invoke(aws, words, obj=context)


def _text(size_bytes: int) -> str:
    return random.Random(size_bytes).randbytes(size_bytes // 2).hex()


@pytest.fixture(scope="module")
def strict_aws() -> Iterator[LocalAws]:
    with LocalAws(auth=True) as local_aws:
        yield local_aws


@pytest.fixture
def move(
    strict_aws: LocalAws, redis: RedisServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Move]:
    environment = new_environment(strict_aws)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", SWITCH):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.variables.items():
        monkeypatch.setenv(name, value)
    for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.delenv(name)
    with ExitStack() as stack:
        stack.callback(close_control_planes)
        found = Move(environment, redis, tmp_path)
        stack.callback(found.old.close)
        stack.callback(forget_redis, found.old)
        found.fill()
        yield found


def test_every_statement_is_tried(move: Move) -> None:
    assert {each.sid for each in move.policy().statements} - IDLE_HERE == set(COMMANDS)


def test_a_migrator_may_do_all_of_it(move: Move) -> None:
    def ended(command: str, *arguments: str, exit_code: int = 0) -> Any:
        result = move.migrate(command, *arguments, "--json")
        assert DENIED not in result.output
        assert "AccessDenied" not in result.output
        assert result.exit_code == exit_code, result.output
        return json.loads(result.stdout)

    assert ended("plan")["blocked"] is False
    there = ended("run", "--chords")
    assert (there["messages"]["sent"], there["messages"]["parked"]) == (5, 3)
    assert (there["results"]["copied"], there["results"]["chords"]) == (2, 1)
    assert ended("verify")["clean"]
    found = ended("status", "--timeout", "0.5", exit_code=1)["steps"]
    steps = {each["name"]: each for each in found}
    assert steps["provisioned"]["verdict"] == "go", steps["provisioned"]["why"]
    with app_of(move.config) as app:
        app.control.revoke("late")
    back = ended("rollback")
    assert (back["messages"]["sent"], back["messages"]["revoked"]) == (7, 1)
    assert ended("verify", "--no-results")["clean"]
    assert Redis(port=move.redis.port).llen("celery") == 7


@pytest.mark.parametrize("sid", COMMANDS)
def test_no_statement_of_a_migrator_is_idle(move: Move, sid: str) -> None:
    whole, refused = move.policy(), COMMANDS[sid]
    more = ("--chords",) if sid == "MoveChords" else ()
    changes: dict[str, Any] = WITHOUT_BUCKET if sid == "KeepPieces" else {}
    for command in _ORDER[: _ORDER.index(refused[-1]) + 1]:
        if command in refused:
            move.allow(whole.without(sid))
            with _worker_beside(move, command):
                ended = move.migrate(command, *more, **changes)
            assert ended.exit_code == 3, (command, ended.output)
            assert DENIED in ended.output
            move.allow(whole)
        if command == "run" != refused[-1]:
            assert move.migrate(command, **changes).exit_code == 0


@contextmanager
def _worker_beside(move: Move, command: str) -> Iterator[None]:
    """Have somebody who hears what ``status`` asks."""
    with ExitStack() as stack:
        if command == "status":
            project = Project(move.environment, stack)
            project.config = move.config
            stack.enter_context(project.worker(pool="solo"))
        yield
