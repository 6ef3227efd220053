import os
import signal

import pytest

from celery_aws.broker.control_planes import control_plane
from celery_aws.testing.clock import FakeClock
from tests.unit.broker.conftest import PATIENCE_SECONDS, Bench


def test_a_broker_has_one_in_a_process(bench: Bench, clock: FakeClock) -> None:
    coordination = bench.coordination
    assert coordination is not None
    plane = control_plane(bench.directory, coordination, clock)
    assert control_plane(bench.directory, coordination, clock) is plane
    assert control_plane(bench.new_directory(), coordination, clock) is not plane
    assert bench.sqs.calls == []


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_another_one(bench: Bench, clock: FakeClock) -> None:
    """With another sender, or SQS would take its messages for repeats of its parent's."""
    coordination = bench.coordination
    assert coordination is not None
    plane = control_plane(bench.directory, coordination, clock)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(int(PATIENCE_SECONDS))
            own = control_plane(bench.directory, coordination, clock)
            status = 0 if own._courier.sender != plane._courier.sender else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert control_plane(bench.directory, coordination, clock) is plane
