"""What runs in a worker begins once, and only in a worker of ours."""

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from celery import signals

from celery_aws import worker_parts
from celery_aws.broker import worker_start
from celery_aws.broker.worker_start import note_workers, worker_connects
from celery_aws.broker.worker_view import WorkerView
from celery_aws.config.broker import BrokerOptions, parse_broker_options

OPTIONS = parse_broker_options({"region": "eu-west-1"})


class Controller:
    """What Celery's worker has, as far as it is looked at."""

    def __init__(self, options: object = OPTIONS) -> None:
        self.hostname = "one@host"
        transport = SimpleNamespace(options=options)
        self.consumer = SimpleNamespace(
            conninfo=SimpleNamespace(_transport=transport), controller=self
        )


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, BrokerOptions]]]:
    """What was begun with, in order."""
    found: list[tuple[str, BrokerOptions]] = []

    def start(worker: WorkerView, options: BrokerOptions) -> None:
        found.append((worker.node, options))

    monkeypatch.setattr(worker_start, "start_worker_parts", start)
    worker_start._beginnings.forget()
    note_workers()
    yield found
    worker_start._beginnings.forget()


def set_up(controller: Controller) -> None:
    signals.celeryd_after_setup.send(sender="one@host", instance=controller, conf=None)


def ready(controller: Controller) -> None:
    worker_start._on_ready(sender=controller.consumer)


def test_it_begins_when_the_worker_first_connects(begun: list[Any]) -> None:
    controller = Controller()
    set_up(controller)
    assert begun == [], "not before its pool has forked"
    worker_connects()
    assert begun == [("one@host", OPTIONS)]
    worker_connects()
    ready(controller)
    assert len(begun) == 1


def test_a_worker_that_is_embedded_begins_when_it_is_ready(begun: list[Any]) -> None:
    worker_connects()
    ready(Controller())
    assert len(begun) == 1


def test_a_worker_of_another_broker_is_left_alone(begun: list[Any]) -> None:
    controller = Controller(options={"visibility_timeout": 60})
    set_up(controller)
    worker_connects()
    ready(controller)
    assert begun == []


def test_a_forked_child_does_not_begin_for_its_parent(begun: list[Any]) -> None:
    controller = Controller()
    set_up(controller)
    pid = os.fork()
    if pid == 0:
        worker_connects()
        os._exit(len(begun))
    assert os.waitpid(pid, 0)[1] == 0
    worker_connects()
    assert len(begun) == 1


def test_a_part_that_fails_keeps_no_other_from_its_work(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    started: list[str] = []
    modules = {
        "bad": SimpleNamespace(start=lambda _worker, _options: 1 / 0),
        "good": SimpleNamespace(start=lambda _worker, _options: started.append("good")),
    }
    monkeypatch.setattr(worker_parts, "WORKER_PARTS", tuple(modules))
    monkeypatch.setattr(worker_parts, "import_module", modules.__getitem__)
    worker_parts.start_worker_parts(None, OPTIONS)
    assert started == ["good"]
    assert "bad does not run in this worker" in caplog.text


def test_every_part_can_be_started() -> None:
    for name in worker_parts.WORKER_PARTS:
        assert callable(import_module(name).start)


def test_a_client_loads_nothing_of_it() -> None:
    program = (
        "import sys; from celery import Celery; import celery.worker.state; "
        "Celery(broker='aws+sqs://').connection().transport; "
        f"print([name for name in {worker_parts.WORKER_PARTS} if name in sys.modules])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert ended.stdout == "[]\n"
