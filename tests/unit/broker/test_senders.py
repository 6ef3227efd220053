import os
import threading

from celery_aws.broker.senders import Senders, process_senders
from tests.unit.broker.conftest import PATIENCE_SECONDS


def test_jobs_run_at_once_in_no_more_threads_than_allowed() -> None:
    senders, gate, running = Senders(most=2), threading.Event(), threading.Semaphore(0)
    done = threading.Semaphore(0)

    def job() -> None:
        running.release()
        assert gate.wait(PATIENCE_SECONDS)
        done.release()

    for _ in range(5):
        senders.run(job)
    assert running.acquire(timeout=PATIENCE_SECONDS)
    assert running.acquire(timeout=PATIENCE_SECONDS)
    assert senders.threads == 2
    assert not running.acquire(blocking=False)
    gate.set()
    for _ in range(5):
        assert done.acquire(timeout=PATIENCE_SECONDS)


def test_a_thread_that_is_idle_takes_the_next_job() -> None:
    senders, names = Senders(), list[str]()
    done = threading.Semaphore(0)

    def job() -> None:
        names.append(threading.current_thread().name)
        done.release()

    for _ in range(3):
        senders.run(job)
        assert done.acquire(timeout=PATIENCE_SECONDS)
    assert set(names) == {"celery-aws-sender"}
    assert senders.threads <= 3


def test_threads_end_when_nothing_is_sent() -> None:
    senders, done = Senders(idle_seconds=0.01), threading.Event()
    before = set(threading.enumerate())
    senders.run(done.set)
    assert done.wait(PATIENCE_SECONDS)
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE_SECONDS)
    assert senders.threads == 0
    assert set(threading.enumerate()) <= before


def test_a_process_without_threads_to_spare_goes_on() -> None:
    senders = Senders(most=0)
    senders.run(lambda: None)
    assert senders.threads == 0


def test_a_forked_child_has_its_own() -> None:
    ours = process_senders()
    assert process_senders() is ours
    pid = os.fork()
    if pid == 0:  # pragma: no cover - in the child
        os._exit(0 if process_senders() is not ours else 1)
    assert os.waitpid(pid, 0)[1] == 0
