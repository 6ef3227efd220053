"""Whatever fails on the way: of each migrated message one copy is begun, and none is lost."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from celery_aws.broker.message import Receipt
from celery_aws.core.messages import ReceivedMessage
from celery_aws.core.migration_marks import migration_mark
from celery_aws.errors import ThrottledError
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_sqs import MemorySqs
from tests.unit.broker.conftest import NAME, PATIENCE_SECONDS, QUEUE, Bench
from tests.unit.broker.migrating import migrate

VISIBILITY_SECONDS = 120
LONGEST_PAUSE_SECONDS = 301
TASKS = st.sampled_from("123")
COPIES = st.sampled_from("abc")
WORKERS = st.sampled_from([0, 1])


class Migrated(RuleBasedStateMachine):
    """Two workers, which begin what they are delivered, and may die before it is done."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.sqs = MemorySqs(self.clock)
        self.workers = [Bench(self.clock, self.sqs, max_receive_count=0) for _ in range(2)]
        self.tables = self.workers[0].tables
        for worker in self.workers:
            worker.coordination = self.workers[0].coordination
        self.receptions = [worker.new_reception() for worker in self.workers]
        self.in_hand: list[list[tuple[ReceivedMessage, Receipt]]] = [[], []]
        self.sent: set[str] = set()
        self.begun: dict[str, set[str]] = {}
        self.done: set[str] = set()

    @rule(task_id=TASKS, copy_id=COPIES)
    def send(self, task_id: str, copy_id: str) -> None:
        migrate(self.workers[0], task_id, copy_id)
        self.sent.add(task_id)

    @rule(worker=WORKERS, fails=st.booleans())
    def receive(self, worker: int, fails: bool) -> None:
        if fails:
            self.tables.fail_next("PutItem", ThrottledError("slow down"))
        received = self.receptions[worker].receive(QUEUE, max_messages=10, wait_seconds=0)
        self.tables._failures.clear()  # there may have been nothing to claim
        assert self.workers[worker].acker.flush(PATIENCE_SECONDS)
        self.in_hand[worker] += received.messages
        for message, _ in received.messages:
            mark = migration_mark(message.message_attributes)
            assert mark is not None
            self.begun.setdefault(mark.task_id, set()).add(mark.copy_id)

    @rule(worker=WORKERS)
    def finish(self, worker: int) -> None:
        for message, receipt in self.in_hand[worker]:
            self.workers[worker].acker.delete(receipt)
            self.done.add(message.body[0])
        assert self.workers[worker].acker.flush(PATIENCE_SECONDS)
        self.in_hand[worker] = []

    @rule(worker=WORKERS)
    def die(self, worker: int) -> None:
        for _, receipt in self.in_hand[worker]:
            self.workers[worker].leases.drop(receipt)
        self.in_hand[worker] = []

    @rule(seconds=st.sampled_from([1.0, 6.0, VISIBILITY_SECONDS + 1.0]))
    def wait(self, seconds: float) -> None:
        if not any(self.in_hand):
            self.clock.advance(seconds)

    @invariant()
    def no_task_is_begun_from_two_copies(self) -> None:
        assert all(len(copies) == 1 for copies in self.begun.values()), self.begun

    def teardown(self) -> None:
        for worker in range(2):
            self.die(worker)
        for _ in range(6):
            self.clock.advance(LONGEST_PAUSE_SECONDS)
            self.receive(0, fails=False)
            self.finish(0)
        self.no_task_is_begun_from_two_copies()
        assert (self.done, self.sqs.messages(NAME) if self.sent else []) == (self.sent, [])
        for bench in self.workers:
            bench.close()


TestMigrated = Migrated.TestCase
TestMigrated.settings = settings(max_examples=60, stateful_step_count=30)
