import os
import subprocess
import sys
from dataclasses import replace

from celery_aws.migrate.redis.owners import is_gone, owner_of, this_process


def test_this_process_is_not_gone() -> None:
    assert not is_gone(this_process())


def test_an_owner_survives_being_written_down() -> None:
    assert owner_of(this_process().text().encode()) == this_process()


def test_what_is_no_owner_is_none() -> None:
    assert owner_of(b"x") is None
    assert owner_of(b'{"pid": 1}') is None


def test_a_process_that_ended_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait(30)

    assert is_gone(replace(this_process(), pid=child.pid))


def test_a_process_that_ended_and_was_not_asked_about_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

    assert is_gone(replace(this_process(), pid=child.pid))
    child.wait(30)


def test_another_process_with_the_same_number_is_not_the_owner() -> None:
    assert is_gone(replace(this_process(), started="1"))


def test_nothing_is_known_of_processes_elsewhere() -> None:
    assert not is_gone(replace(this_process(), place="another machine", pid=2**22 + 1))
