"""One worker, a steady flow of tasks, and a fault in between: what happens, as values.

The flow is published past the proxy, so that only the worker meets the fault. Each task appends
a line to a file when it starts. Times are of the system's monotonic clock, which all processes
of a machine share (Linux).
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from celery_aws.background import BackgroundThread
from celery_aws.local import LocalAws
from celery_aws.testing import FaultProxy, WorkerProcess
from celery_aws.testing.fixtures import AwsEnvironment, new_environment
from tests.integration.workers.conftest import PATIENCE_SECONDS, Project

#: Seconds between two tasks of the flow.
INTERVAL_SECONDS = 0.1

#: Tasks that have run before the fault, and again after it.
SETTLED_TASKS = 20

#: Twice as long as a fault; what SQS hands out to nobody comes back after it.
VISIBILITY_TIMEOUT_SECONDS = 12

#: Seconds for what was handed out to nobody to come back and run.
COMES_BACK_SECONDS = VISIBILITY_TIMEOUT_SECONDS + 15

#: Seconds between two looks at what other processes do, which give no signal.
LOOK_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What a process takes of the machine (Linux)."""

    threads: int
    sockets: int
    resident_bytes: int


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a worker came through a fault."""

    #: Tasks that were published.
    published: int
    #: How often each task started.
    starts: Counter[int]
    #: From the end of the fault to the first start of a task that was published since it began.
    recovery_seconds: float
    #: Requests that met the fault, and connections.
    faulted: dict[str, int]
    #: Of the worker's main process.
    before: Figures
    after: Figures
    #: The pool's processes, before and after.
    pool_before: list[int]
    pool_after: list[int]
    #: Messages, visible and in flight, when all was over.
    messages_left: int
    exit_code: int
    log: str = field(repr=False)

    @property
    def lost(self) -> list[int]:
        """Tasks that never started."""
        return [number for number in range(self.published) if not self.starts[number]]

    @property
    def doubled(self) -> list[int]:
        """Tasks that started more than once."""
        return sorted(number for number, times in self.starts.items() if times > 1)

    @property
    def summary(self) -> str:
        """One line for people."""
        before, after = self.before, self.after
        return (
            f"{self.published} tasks, {len(self.lost)} lost, {len(self.doubled)} doubled, "
            f"consuming {self.recovery_seconds:.1f} s after the end, "
            f"threads {before.threads} -> {after.threads}, "
            f"sockets {before.sockets} -> {after.sockets}, "
            f"RSS {before.resident_bytes / 2**20:.1f} -> {after.resident_bytes / 2**20:.1f} MiB, "
            f"{sum(self.faulted.values())} requests faulted"
        )


class Flow(BackgroundThread):
    """Publishes tasks, one after the other, numbered from 0."""

    def __init__(self, project: Project) -> None:
        super().__init__("flow")
        self.published = 0
        self._client = project.client()
        self._flowing = threading.Event()
        self._flowing.set()
        self._ended = threading.Event()
        # Held while a task is published: whoever pauses the flow waits for that.
        self._publishing = threading.Lock()

    def run(self) -> None:
        while not self._ended.wait(INTERVAL_SECONDS):
            self._flowing.wait()
            with self._publishing:
                if self._flowing.is_set():
                    self._client.send_task(
                        "proj.record_start", (self.published,), ignore_result=True
                    )
                    self.published += 1

    def wake(self) -> None:
        self._ended.set()
        self._flowing.set()

    @contextmanager
    def paused(self) -> Iterator[None]:
        with self._publishing:
            self._flowing.clear()
        try:
            yield
        finally:
            self._flowing.set()


class Scene:
    """A worker behind a proxy of its own, on a queue of its own; made without I/O."""

    def __init__(
        self, name: str, aws: LocalAws, proxy: FaultProxy, folder: Path, stack: ExitStack
    ) -> None:
        self.proxy = proxy
        self.direct = Project(new_environment(aws), stack)
        self.sqs: Any = boto3.session.Session().client("sqs")
        self.flow = Flow(self.direct)
        stack.callback(self.flow.stop, PATIENCE_SECONDS)
        self.worker = _worker(name, self.direct.aws.through(proxy), folder / name, stack)
        self._starts = folder / name

    @property
    def queue_name(self) -> str:
        """Of the worker's queue, on AWS."""
        return f"{self.direct.aws.queue_name_prefix}celery"

    @property
    def queue_url(self) -> str:
        """Of the worker's queue, past the proxy."""
        return str(self.sqs.get_queue_url(QueueName=self.queue_name)["QueueUrl"])

    def messages(self) -> int:
        """Return how many messages there are, visible and in flight."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)

    def starts(self) -> list[tuple[int, float]]:
        """Return number and time of every start so far, in the order of writing."""
        lines = self._starts.read_text().splitlines() if self._starts.exists() else []
        return [(int(number), float(at)) for number, at in (line.split() for line in lines)]

    def figures(self) -> Figures:
        """Return what the worker's main process takes now."""
        process = Path(f"/proc/{self.worker.pid}")
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        descriptors = (_target(each) for each in (process / "fd").iterdir())
        return Figures(
            threads=int(status["Threads"]),
            sockets=sum(target.startswith("socket:") for target in descriptors),
            resident_bytes=int(status["VmRSS"].split()[0]) * 1024,
        )

    def until(self, what: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> bool:
        """Wait until ``what()`` is true, the worker has ended, or the time is up."""
        deadline = time.monotonic() + seconds
        while not what():
            if time.monotonic() > deadline or not self.worker.running:
                return False
            time.sleep(LOOK_SECONDS)
        return True


#: What goes wrong, as long as the block lasts.
Trouble = Callable[[Scene], AbstractContextManager[None]]


def outcome_of(
    scene: Scene, trouble: Trouble, *, seconds: float, starting: threading.Semaphore
) -> Outcome:
    """Create the queue, start the worker, let it meet the trouble, and see what becomes of it.

    Args:
        scene: the worker and what belongs to it.
        trouble: what goes wrong.
        seconds: for how long.
        starting: so many workers may start at once; it takes most of a core each.
    """
    scene.sqs.create_queue(QueueName=scene.queue_name)
    with starting:
        scene.worker.start()
    scene.flow.start()
    assert scene.until(lambda: len(scene.starts()) >= SETTLED_TASKS), scene.worker.log
    before, pool_before = scene.figures(), scene.worker.children()
    begun_at = scene.flow.published
    with trouble(scene):
        time.sleep(seconds)
    ended = time.monotonic()

    def since_the_end() -> list[float]:
        return [at - ended for number, at in scene.starts() if number >= begun_at and at > ended]

    scene.until(lambda: len(since_the_end()) >= SETTLED_TASKS, COMES_BACK_SECONDS)
    recovery_seconds = min(since_the_end(), default=float("inf"))
    assert scene.flow.alive, "a publish failed"
    assert scene.flow.stop(PATIENCE_SECONDS)
    scene.until(lambda: scene.messages() == 0, COMES_BACK_SECONDS)
    after, pool_after, left = scene.figures(), scene.worker.children(), scene.messages()
    return Outcome(
        published=scene.flow.published,
        starts=Counter(number for number, _ in scene.starts()),
        recovery_seconds=recovery_seconds,
        faulted=scene.proxy.faulted.counts(),
        before=before,
        after=after,
        pool_before=pool_before,
        pool_after=pool_after,
        messages_left=left,
        exit_code=scene.worker.stop(),
        log=scene.worker.log,
    )


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except FileNotFoundError:
        return ""  # closed since it was listed


def _worker(name: str, aws: AwsEnvironment, starts: Path, stack: ExitStack) -> WorkerProcess:
    project = Project(aws, stack)
    project.configure(
        task_acks_late=True,
        # Not created by the worker: a queue that somebody deletes stays away until it is made.
        broker_transport_options={
            "visibility_timeout": VISIBILITY_TIMEOUT_SECONDS,
            "create_missing_queues": False,
        },
    )
    return project.worker(
        name=name,
        environment={**aws.variables, "PROJ_STARTS": str(starts)},
        start_timeout_seconds=60.0,
    )
