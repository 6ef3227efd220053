import gc
import os
import threading
import weakref

import pytest

from celery_aws.process import PerProcess


def test_a_value_is_made_once() -> None:
    store: PerProcess[str, object] = PerProcess()
    first = store.get("a", object)
    assert store.get("a", object) is first
    assert store.get("b", object) is not first


def test_threads_that_ask_at_once_get_one_value() -> None:
    store: PerProcess[str, object] = PerProcess()
    together = threading.Barrier(8)
    made: list[object] = []
    found: list[object] = []

    def make() -> object:
        made.append(object())
        return made[-1]

    def ask() -> None:
        together.wait()
        found.append(store.get("a", make))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == list(set(found))


def test_a_value_that_takes_its_time_keeps_nobody_waiting_for_another() -> None:
    store: PerProcess[str, str] = PerProcess()
    making, may_end = threading.Event(), threading.Event()

    def make_slowly() -> str:
        making.set()
        may_end.wait()
        return "slow"

    thread = threading.Thread(target=store.get, args=("slow", make_slowly))
    thread.start()
    making.wait()
    assert store.get("fast", lambda: "fast") == "fast"
    may_end.set()
    thread.join()
    assert store.get("slow", lambda: "again") == "slow"


def test_a_value_that_could_not_be_made_is_tried_again() -> None:
    store: PerProcess[str, int] = PerProcess()
    with pytest.raises(ZeroDivisionError):
        store.get("a", lambda: 1 // 0)
    assert store.get("a", lambda: 1) == 1


def test_a_forked_child_finds_nothing_not_even_a_lock() -> None:
    store: PerProcess[str, int] = PerProcess()
    store.get("a", os.getpid)
    reading, writing = os.pipe()

    def fork_while_making() -> int:
        child = os.fork()
        if child == 0:
            # The thread that held the locks of the parent does not exist here.
            own = store.get("a", os.getpid) == os.getpid() and store.get("b", lambda: 7) == 7
            os.write(writing, str(own).encode())
            os._exit(0)
        os.waitpid(child, 0)
        return child

    store.get("b", fork_while_making)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert pipe.read() == "True"
    assert store.get("a", lambda: 0) == os.getpid()


class Value:
    """Something that does something when it is freed."""


def test_what_a_child_inherits_is_not_freed_in_it() -> None:
    # Closing urllib3's pool takes a lock that another thread may have held during the fork.
    store: PerProcess[str, Value] = PerProcess()
    freed = weakref.finalize(store.get("a", Value), lambda: None)
    child = os.fork()
    if child == 0:
        gc.collect()
        os._exit(0 if freed.alive and store.get("a", Value) is not None else 1)
    assert os.waitpid(child, 0)[1] == 0
    store.forget()
    assert not freed.alive
