"""What becomes of a task whose result cannot be stored: nearly what it is on Redis.

The requests that fail are counted: one for each try, botocore's own retries switched off.
"""

from contextlib import ExitStack

import pytest
from celery.result import AsyncResult

from celery_aws.errors import ServiceFaultError
from celery_aws.results import create_table
from celery_aws.testing import INTERNAL_ERROR, FaultProxy
from celery_aws.testing.fixtures import AwsEnvironment
from tests.integration.workers.conftest import PATIENCE_SECONDS, Project

pytestmark = pytest.mark.worker

ONCE = {"client-config": {"retries": {"total_max_attempts": 1}}}


@pytest.mark.parametrize(
    ("pool", "acks_late"),
    [
        ("prefork", True),
        ("prefork", False),
        ("gevent", True),
        pytest.param("threads", True, marks=pytest.mark.soak),
        pytest.param("solo", True, marks=pytest.mark.soak),
    ],
)
def test_a_result_that_cannot_be_stored(
    aws_environment: AwsEnvironment,
    proxied_environment: AwsEnvironment,
    fault_proxy: FaultProxy,
    pool: str,
    acks_late: bool,
) -> None:
    with ExitStack() as stack:
        project = Project(aws_environment, stack)
        client = project.client()
        create_table(client)
        beyond = Project(proxied_environment, stack)
        beyond.configure(
            task_acks_late=acks_late,
            # Nothing but results is put.
            broker_transport_options={"coordination_table": False},
            result_backend_transport_options={**ONCE, "retry_policy": {"max_retries": 1}},
        )
        worker = beyond.worker(pool=pool, concurrency=1, environment=proxied_environment.variables)

        def add(failures: int) -> AsyncResult:
            fault_proxy.switch_on(INTERNAL_ERROR, operations=["dynamodb.PutItem"], times=failures)
            return client.send_task("proj.add", (1, failures))

        with worker:
            # A retry of ours helps.
            assert add(1).get(timeout=PATIENCE_SECONDS) == 2
            # Given up: it is stored as the failure of a task that did succeed.
            with pytest.raises(ServiceFaultError, match="PutItem"):
                add(2).get(timeout=PATIENCE_SECONDS)
            # Given up twice: the result is lost. The task is over, and not run again.
            without = add(4)
            worker.wait_for_log(f"task {without.id}: its result is lost.*PutItem")
            assert add(0).get(timeout=PATIENCE_SECONDS) == 1
            assert without.state == "PENDING"
            assert project.wait_for_messages((0, 0)) == (0, 0)
        assert fault_proxy.faulted.counts() == {"dynamodb.PutItem": 7}
        assert "Connection to broker lost" not in worker.log
