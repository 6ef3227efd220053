"""Workers that cannot work, because AWS is away or the connection breaks: left alone.

The thresholds are scaled: seconds where the defaults are minutes.
"""

from pathlib import Path

import pytest

from celery_aws.health.worker_state import WorkerState
from celery_aws.testing import FaultProxy
from celery_aws.testing.proxy_faults import EXPIRED_CREDENTIALS, Cut, Fault
from tests.integration.health.conftest import LIVE, READY, SECONDS, HealthProject

pytestmark = pytest.mark.worker


CUT = (Cut(), "UnreachableError")
EXPIRED = (EXPIRED_CREDENTIALS, "ExpiredCredentialsError")


@pytest.mark.parametrize(
    ("pool", "fault", "error"),
    [
        ("prefork", *CUT),
        ("gevent", *EXPIRED),
        pytest.param("prefork", *EXPIRED, marks=pytest.mark.soak),
        pytest.param("gevent", *CUT, marks=pytest.mark.soak),
    ],
)
def test_aws_is_away_for_longer_than_anything_may_take(
    health: HealthProject, proxy: FaultProxy, pool: str, fault: Fault, error: str
) -> None:
    with health.behind_the_proxy(pool):
        health.becomes(READY)
        with proxy.switched_on(fault):
            verdict = health.becomes(LIVE)
            assert verdict.reasons[0].startswith("queue celery: receiving has failed for ")
            assert verdict.reasons[0].endswith(f"({error})")
            longest = max(SECONDS.values()) + 1
            state = health.state_when(
                lambda state: (state.queues[0].failing_seconds or 0) > longest
            )
            assert health.is_now(state) == LIVE
        health.becomes(READY)


def test_aws_is_away_at_the_start(health: HealthProject, proxy: FaultProxy) -> None:
    worker = health.behind_the_proxy("prefork")
    with proxy.switched_on(Cut()):
        worker.launch()
        assert "it is starting" in health.becomes(LIVE).reasons[0]
    worker.wait_until_ready()
    health.becomes(READY)
    assert worker.stop() == 0


def test_a_connection_that_breaks_is_made_again(health: HealthProject, tmp_path: Path) -> None:
    health.app = "breaking"
    order = tmp_path / "break"
    more = {"PROJ_BREAK": str(order), "PROJ_RECORD": str(tmp_path / "recording")}
    with health.worker(pool="prefork", environment=more) as worker:
        health.becomes(READY)
        order.touch()
        worker.wait_for_log("Connection to broker lost")
        phases = set()

        def again(state: WorkerState) -> bool:
            phases.add(state.phase)
            assert health.is_now(state)[0], state
            return state.phase == "running" and health.is_now(state) == READY

        health.state_when(again)
        assert phases <= {"running", "reconnecting"}
