"""Workers on what a migration sent, part of it twice: each task runs, and no copy beside another.

Copies have one task id in life. Here each has its own, ``NUMBER.COPY``, so that the recording says
which of them began.
"""

import pytest

from celery_aws import batch
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.migration_marks import mark_migrated, task_key
from celery_aws.testing import WorkerProcess
from tests.integration.workers.conftest import (
    PATIENCE_SECONDS,
    RecordedProject,
    start_together,
)
from tests.integration.workers.recording import Record

pytestmark = [pytest.mark.worker]

TASKS = 200
DOUBLED = 60
TASK_SECONDS = 0.01
VISIBILITY_SECONDS = 3

#: Some of each worker's are received by then, and some are not.
STARTED_AT_KILL = 50

POOLS = [
    "prefork",
    *(pytest.param(pool, marks=pytest.mark.soak) for pool in ("solo", "threads", "gevent")),
]


@pytest.mark.parametrize("pool", POOLS)
def test_of_two_copies_one_runs_although_a_worker_is_killed(
    recorded: RecordedProject, pool: str
) -> None:
    recorded.configure(
        worker_prefetch_multiplier=4,
        broker_transport_options={"visibility_timeout": VISIBILITY_SECONDS},
    )
    copies = [f"{n}.a" for n in range(TASKS)] + [f"{n}.b" for n in range(DOUBLED)]
    with batch(recorded.sender):
        # Those that are twice there come last and first, when both workers are at work.
        for each in reversed(copies):
            migrate(recorded, each)
    victim, other = (new_worker(recorded, pool, name) for name in ("victim", "other"))
    start_together(victim, other)

    assert recorded.recording.wait_for(
        lambda record: len(record.runs) >= STARTED_AT_KILL, PATIENCE_SECONDS
    )
    victim.kill()

    assert recorded.recording.wait_for(all_numbers_ended, PATIENCE_SECONDS)
    assert recorded.wait_for_messages((0, 0)) == (0, 0)
    begun = begun_copies(recorded.recording.record)
    assert {number: names for number, names in begun.items() if len(names) != 1} == {}
    assert len(begun) == TASKS
    assert "was migrated twice" in victim.log + other.log


def new_worker(recorded: RecordedProject, pool: str, name: str) -> WorkerProcess:
    concurrency = 1 if pool == "solo" else 2
    return recorded.worker(pool=pool, concurrency=concurrency, name=name)


def migrate(recorded: RecordedProject, name: str) -> None:
    """Send a copy as a migration does."""
    number, _, copy = name.partition(".")
    key = task_key(number, source_key=number)
    marked = mark_migrated(OutgoingMessage(body=""), task_key=key, copy_id=copy)
    recorded.send(name, TASK_SECONDS, message_attributes=marked.message_attributes)


def begun_copies(record: Record) -> dict[str, set[str]]:
    """Return which copies of each message have begun."""
    begun: dict[str, set[str]] = {}
    for run in record.runs:
        begun.setdefault(run.task_id.partition(".")[0], set()).add(run.task_id)
    return begun


def all_numbers_ended(record: Record) -> bool:
    return len({task_id.partition(".")[0] for task_id in record.ended()}) == TASKS
