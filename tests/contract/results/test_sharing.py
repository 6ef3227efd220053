"""One backend for many threads, forked children and greenlets: nobody gets another's answer.

The key pair is in the URL, where the stock backend shares one connection with every child.
"""

import multiprocessing
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from celery import Celery
from celery.result import AsyncResult, GroupResult

from celery_aws.results import DynamoDBBackend, create_table

CHILDREN = 8
THREADS = 8
RESULTS = 10

PATIENCE_SECONDS = 60


def task_ids(name: str) -> list[str]:
    return [f"{name}-{number}" for number in range(RESULTS)]


def store_and_read(backend: DynamoDBBackend, name: str, together: threading.Barrier) -> None:
    """Store results of one's own and read them, alone and together; raise if one is another's."""
    together.wait(PATIENCE_SECONDS)
    for task_id in task_ids(name):
        backend.mark_as_done(task_id, {"of": task_id})
        if backend.get_result(task_id) != {"of": task_id}:
            raise AssertionError(task_id)
    members = [AsyncResult(task_id, app=backend.app) for task_id in task_ids(name)]
    found = GroupResult(name, members, app=backend.app).get(timeout=PATIENCE_SECONDS)
    if found != [{"of": task_id} for task_id in task_ids(name)]:
        raise AssertionError(found)


def store_and_read_in_threads(backend: DynamoDBBackend, name: str) -> None:
    together = threading.Barrier(THREADS)
    with ThreadPoolExecutor(THREADS) as pool:
        of_threads = [
            pool.submit(store_and_read, backend, f"{name}-{number}", together)
            for number in range(THREADS)
        ]
        for done in of_threads:
            done.result()


def test_eight_children_of_eight_threads_and_their_parent(ours: DynamoDBBackend) -> None:
    ours.mark_as_done("before", 1)  # the parent's connection is open now
    assert ours.get_result("before") == 1
    context = multiprocessing.get_context("fork")
    children = [
        context.Process(target=store_and_read_in_threads, args=(ours, f"child-{number}"))
        for number in range(CHILDREN)
    ]
    for child in children:
        child.start()
    store_and_read_in_threads(ours, "parent")
    for child in children:
        child.join(PATIENCE_SECONDS)
    assert [child.exitcode for child in children] == [0] * CHILDREN
    names = [f"child-{n}-{m}" for n in range(CHILDREN) for m in range(THREADS)]
    everything = [task_id for name in names for task_id in task_ids(name)]
    keys = [ours.get_key_for_task(task_id) for task_id in everything]
    stored = [ours.decode_result(payload)["result"]["of"] for payload in ours.mget(keys) if payload]
    assert stored == everything


def test_one_for_all_threads(url: str) -> None:
    app = Celery("threads", set_as_current=False, broker="memory://")
    app.conf.result_backend = f"aws+{url}"
    create_table(app)
    together = threading.Barrier(THREADS)

    def backend_of_thread(number: int) -> DynamoDBBackend:
        store_and_read(app.backend, f"thread-{number}", together)
        found: DynamoDBBackend = app.backend
        return found

    with ThreadPoolExecutor(THREADS) as pool:
        made = {id(backend): backend for backend in pool.map(backend_of_thread, range(THREADS))}
    assert len(made) == 1


#: Many greenlets wait for results that others store later, and one counts meanwhile.
GREENLETS = """
from gevent import monkey
monkey.patch_all()

import sys
import gevent
from celery import Celery

app = Celery("greenlets", broker="memory://")
app.conf.result_backend = "aws+" + sys.argv[1]
GREENLETS = 30

def wait(number):
    return app.AsyncResult(f"task-{number}").get(timeout=30)

def store(number):
    app.backend.mark_as_done(f"task-{number}", {"of": number})

def count():
    for number in range(10):
        gevent.sleep(0.05)
    return number

app.backend.mark_as_done("first", 1)
waiting = [gevent.spawn(wait, number) for number in range(GREENLETS)]
counting = gevent.spawn(count)
counting.join()
assert not any(each.ready() for each in waiting), "nothing is stored so far"
storing = [gevent.spawn(store, number) for number in reversed(range(GREENLETS))]
gevent.joinall(waiting + storing, timeout=30, raise_error=True)
assert [each.value for each in waiting] == [{"of": number} for number in range(GREENLETS)]
print("each got its own")
"""


def test_greenlets_wait_without_holding_each_other_up(ours: DynamoDBBackend, url: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", GREENLETS, url],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, "each got its own\n"), ended.stderr
