import os
import threading
from collections.abc import Iterator
from typing import IO

import pytest

from celery_aws.local.output import ProcessOutput


class Pipe:
    """A child's output without the child."""

    def __init__(self) -> None:
        reader, writer = os.pipe()
        self.writer: IO[str] = os.fdopen(writer, "w", buffering=1)
        self.output = ProcessOutput("test", os.fdopen(reader))
        self.output.start()

    def close(self) -> None:
        self.writer.close()
        assert self.output.stop(5.0)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


def test_finds_a_line_that_was_written_before(pipe: Pipe) -> None:
    pipe.writer.write("one\nworker ready.\n")
    assert pipe.output.wait_for(r"ready\.$", 5.0)
    assert pipe.output.wait_for("one", 5.0)


def test_finds_a_line_that_is_written_while_it_waits(pipe: Pipe) -> None:
    found: list[bool] = []
    waiter = threading.Thread(target=lambda: found.append(pipe.output.wait_for("later", 5.0)))
    waiter.start()
    pipe.writer.write("first\nlater\n")
    waiter.join(5.0)
    assert found == [True]


def test_the_end_of_the_output_ends_the_waiting(pipe: Pipe) -> None:
    pipe.writer.write("error\n")
    pipe.writer.close()
    assert not pipe.output.wait_for("ready", 60.0)
    assert pipe.output.text == "error\n"


def test_the_deadline_ends_the_waiting(pipe: Pipe) -> None:
    assert not pipe.output.wait_for("ready", 0.01)


def test_tail_is_the_last_lines(pipe: Pipe) -> None:
    pipe.writer.write("1\n2\n3\n")
    assert pipe.output.wait_for("3", 5.0)
    assert pipe.output.tail(2) == "2\n3"
