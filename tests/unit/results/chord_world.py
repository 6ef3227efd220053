"""A chord, its messages and the workers that take them: what has happened, and what must hold.

The messages are those of SQS: each is delivered until it is acknowledged, and may be all the same
afterwards. The one that sends the chord is a message as well, as for a chord inside a chain.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from celery import states
from celery.app.task import Context
from celery.canvas import Signature
from celery.exceptions import BackendStoreError
from celery.result import AsyncResult, GroupResult

from celery_aws.core import chords
from celery_aws.core.attributes import Item
from celery_aws.errors import AwsError
from celery_aws.results import chord_items
from celery_aws.results.chord_end import LAYOUT
from celery_aws.results.chord_ledger import CLAIM_SECONDS, FRESH_SECONDS
from celery_aws.results.items import table_spec
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService
from tests.unit.results.conftest import TABLE
from tests.unit.results.stepped import Worker

BODY = "the-body"
GROUP = "g"

SUCCEEDS, FAILS_ALWAYS, FAILS_FIRST, RETRIES, IGNORES, ADDS = (
    "succeeds",
    "fails always",
    "fails first",
    "retries",
    "ignores its result",
    "adds a task",
)


class WrongError(BaseException):
    """Something that must not be; the backend does not take it for a failure of its own."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """One task of a header.

    Attributes:
        index: its place, which a member of another group may have as well.
        task_id: its id, which another member may have as well.
        conduct: what it does when it runs.
    """

    index: int | None
    task_id: str
    conduct: str = SUCCEEDS

    @property
    def value(self) -> str:
        return f"what {self.task_id} returned"


@dataclass(eq=False)
class Message:
    """A message to run a member, or, without one, to send the chord."""

    member: Member | None
    chord: Any = None
    acknowledged: bool = False
    deliveries: int = 0
    holders: set[tuple[int, int]] = field(default_factory=set)


@dataclass(frozen=True, kw_only=True)
class Sent:
    """That a body was sent, or an error told: by which job of whom, and when."""

    worker: Worker
    job: int
    begun: int
    #: When its claim was written, and when its holder last made sure of it.
    held_at: float
    sure_at: float
    at: float


class ChordWorld:
    """Everything outside of the workers.

    Args:
        header: the members; a list among them is a group.
        is_generator: the header is unrolled while it is sent.
        workers: how many there are.
    """

    def __init__(
        self, header: list[Member | list[Member]], *, is_generator: bool, workers: int
    ) -> None:
        self.header = header
        self.is_generator = is_generator
        self.clock = FakeClock()
        self.table = MemoryTableService(clock=self.clock)
        self.table.create_table(TABLE, table_spec(read_capacity=None, write_capacity=None))
        self.workers = [self._worker() for _ in range(workers)]
        self.messages = [Message(None)]
        self.held: dict[Worker, Message] = {}
        #: Members that have returned at least once.
        self.returned: set[str] = set()
        self.added: dict[str, Member] = {}
        #: Ids of added tasks for which the chord has to wait.
        self.awaited: set[str] = set()
        #: How often the root was written, and when each job took its claim.
        self.begun = 0
        self.held_at: dict[tuple[Worker, int], float] = {}
        #: When each job wrote its claim once more.
        self.renewed_at: dict[tuple[Worker, int], float] = {}
        self.ended: set[tuple[Worker, int]] = set()
        self.broken: set[tuple[Worker, int]] = set()
        self.published: list[Sent] = []
        self.told: list[Sent] = []
        self.errors = 0
        #: A request has failed, after which Celery takes a task as failed.
        self.failing = False
        #: The answer to a task's addition was lost: it may be waited for, and is never sent. So it
        #: is on Redis.
        self.waits_in_vain = False
        #: Something happened after which items may stay until they expire.
        self.disturbed = False

    def _worker(self) -> Worker:
        return Worker(
            self.clock,
            self.table,
            on_request=self._on_effect,
            on_publish=self._on_publish,
            on_error=self._on_error,
        )

    @property
    def members(self) -> list[Member]:
        return list(_flat(self.header))

    @property
    def may_be_sent_again(self) -> bool:
        """Tell whether one run of the chord can do nothing to the next, which has the same keys.

        A task that was added in the first would count as one of the next's header; and who stands
        still while it deletes what the first had beside its root deletes the next's.
        """
        plain = all(member.conduct in {SUCCEEDS, RETRIES} for member in self.members)
        return plain and not self.is_nested and len(self.members) <= chords.ROOT_PARTS

    @property
    def is_nested(self) -> bool:
        return any(isinstance(each, list) for each in self.header)

    def visible(self) -> list[Message]:
        held = set(map(id, self.held.values()))
        return [m for m in self.messages if not m.acknowledged and id(m) not in held]

    def holds_claim(self, worker: Worker) -> bool:
        key = (worker, worker.job)
        return not worker.is_idle and key in self.held_at and key not in self.ended

    def deliver(self, worker: Worker, message: Message) -> None:
        """Let an idle worker take a message, held by others or not."""
        self.disturbed |= message.deliveries > 0
        message.deliveries += 1
        self.held[worker] = message
        if message.member is None:
            worker.begin(lambda worker: self._send_chord(worker, message))
        else:
            worker.begin(lambda worker: self._run(worker, message))

    def step(self, worker: Worker, fate: str) -> None:
        self.disturbed |= fate != "goes on"
        if fate == "killed":
            self.broken.add((worker, worker.job))
        try:
            worker.step(fate)
        except WrongError as wrong:
            raise AssertionError(str(wrong)) from wrong
        if worker.is_idle:
            self.held.pop(worker, None)

    # What workers do.

    def _send_chord(self, worker: Worker, message: Message) -> None:
        backend, app = worker.backend, worker.app
        body = Signature("body", app=app, options={"task_id": BODY})
        results = [
            GroupResult(f"inner-{n}", [AsyncResult(m.task_id, app=app) for m in each], app=app)
            if isinstance(each, list)
            else AsyncResult(each.task_id, app=app)
            for n, each in enumerate(self.header)
        ]
        try:
            backend.apply_chord((GROUP, iter(results) if self.is_generator else results), body)
            for n, member in enumerate(self.members):
                if n == len(self.members) - 1:
                    backend.set_chord_size(GROUP, len(self.members))
                worker.stop("send", "before")
                self.messages.append(Message(member, json.loads(json.dumps(body))))
        except AwsError:
            self.broken.add((worker, worker.job))
        else:
            message.acknowledged = True

    def _run(self, worker: Worker, message: Message) -> None:
        member = message.member
        assert member is not None
        request = Context(
            id=member.task_id,
            group=GROUP,
            group_index=member.index,
            chord=json.loads(json.dumps(message.chord)),
            ignore_result=member.conduct == IGNORES,
        )
        try:
            if self._conduct(worker, message, member, request):
                message.acknowledged = True
        except (AwsError, BackendStoreError) as error:
            self.broken.add((worker, worker.job))
            self._fail(worker, message, request, error)

    def _fail(self, worker: Worker, message: Message, request: Context, error: Exception) -> None:
        """Do as Celery does when a result cannot be stored."""
        try:
            worker.backend.mark_as_failure(request.id, error, request=request)
        except (AwsError, BackendStoreError):
            return
        message.acknowledged = True

    def _conduct(self, worker: Worker, message: Message, member: Member, request: Context) -> bool:
        """Run a task, and tell whether its message is to be acknowledged."""
        backend, first = worker.backend, message.deliveries == 1
        if member.conduct == RETRIES and first:
            backend.store_result(member.task_id, KeyError("again"), states.RETRY)
            return False
        if member.conduct == ADDS:
            self._add(worker, message, member)
        self.returned.add(member.task_id)
        if member.conduct == FAILS_ALWAYS or (member.conduct == FAILS_FIRST and first):
            backend.mark_as_failure(member.task_id, KeyError("wrong"), request=request)
        else:
            backend.mark_as_done(member.task_id, member.value, request=request)
        return True

    def _add(self, worker: Worker, message: Message, member: Member) -> None:
        more = Member(index=member.index, task_id=f"{member.task_id}-more")
        self.added[more.task_id] = more
        try:
            worker.backend.add_to_chord(GROUP, AsyncResult(more.task_id, app=worker.app))
        except NotImplementedError:
            return
        except AwsError:
            self.waits_in_vain = True
            raise
        worker.stop("send", "before")
        self.messages.append(Message(more, message.chord))

    # What is seen of them.

    def _on_effect(self, worker: Worker, name: str, request: dict[str, Any]) -> None:
        key = (worker, worker.job)
        if name == "put_item":
            item = request["args"][1]
            if chord_items.is_ours(item) and not chord_items.is_done(item):
                self.begun += 1
                self.awaited.clear()
        put = request.get("put", {})
        if chord_items.CLAIM in put:
            now = self.clock.monotonic()
            if key in self.held_at:
                self.renewed_at[key] = now
            self.held_at[key] = now
        done = put if name == "update_item" else request["args"][1] if name == "put_item" else {}
        if chord_items.DONE in done:
            self.ended.add(key)
        for task_id in request.get("include", {}).get(chord_items.ADDED, ()):
            if task_id.removesuffix("-more") not in self.returned:
                self.awaited.add(task_id)

    def _on_publish(
        self, worker: Worker, task_id: str, values: Any, options: dict[str, Any]
    ) -> None:
        _must(task_id == BODY, "another task id")
        _must(LAYOUT not in options, "the layout goes with the body")
        missing = {*(m.task_id for m in self.members), *self.awaited} - self.returned
        _must(not missing, f"early, before {missing}")
        optional = {m.value for m in self.added.values() if m.task_id not in self.awaited}
        needed = [value for value in values if str(value) not in optional]
        _must(needed == self.expected(), f"{needed}, not {self.expected()}")
        self._only_once(worker, self.published, sure_at=worker.stopped_at)

    def _on_error(self, worker: Worker) -> None:
        fails = {m.conduct for m in self.members} & {FAILS_ALWAYS, FAILS_FIRST}
        _must(bool(fails) or self.failing, "an error, and nothing has failed")
        self.errors += 1
        if not self.failing:
            # Who cannot record its part, or not send the body, tells that without a claim.
            self._only_once(worker, self.told, sure_at=self.clock.monotonic())

    def _only_once(self, worker: Worker, before: list[Sent], *, sure_at: float) -> None:
        key = (worker, worker.job)
        new = Sent(
            worker=worker,
            job=worker.job,
            begun=self.begun,
            held_at=self.held_at[key],
            sure_at=self.renewed_at.get(key, sure_at),
            at=self.clock.monotonic(),
        )
        for old in before:
            _must(self._may_follow(old, new), "twice")
        before.append(new)

    def _may_follow(self, old: Sent, new: Sent) -> bool:
        """Tell whether there is a reason for the second: a death, or a long standstill."""
        stood_still = new.at - new.sure_at >= CLAIM_SECONDS - FRESH_SECONDS
        old_key = (old.worker, old.job)
        died = old_key in self.broken and old_key not in self.ended
        expired = old_key not in self.ended and new.held_at - old.held_at >= CLAIM_SECONDS
        return new.begun > old.begun or stood_still or died or expired

    def expected(self) -> list[Any]:
        """Return what the body gets, without what it need not wait for."""
        if self.is_nested:
            return [
                [m.value for m in each] if isinstance(each, list) else each.value
                for each in self.header
            ]
        awaited = [self.added[task_id] for task_id in self.awaited]
        rank = lambda m: (m.index is None, m.index or 0, m.task_id)  # noqa: E731
        return [m.value for m in sorted([*self.members, *awaited], key=rank)]

    def left(self) -> list[Item]:
        """Return the items that are no results of tasks."""
        return [item for item in self.table.items(TABLE) if "status" not in item]


def _must(be: bool, wrong: str) -> None:
    if not be:
        raise WrongError(wrong)


def _flat(header: list[Member | list[Member]]) -> Iterator[Member]:
    for each in header:
        if isinstance(each, list):
            yield from each
        else:
            yield each
