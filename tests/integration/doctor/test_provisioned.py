"""What ``celery aws provision apply`` makes, the doctor has nothing to say of."""

from typing import Any

import pytest
from celery.bin.base import CLIContext
from click.testing import CliRunner
from kombu import Queue

from celery_aws.cli import aws
from tests.integration.doctor.conftest import Patient


@pytest.mark.parametrize(
    "configuration",
    [
        {},
        {"task_queues": [Queue("a", max_priority=9), Queue("b.fifo")]},
        {
            "options": {
                "large_message_bucket": "{prefix}payloads",
                "large_message_prefix": "tasks/",
                "coordination_point_in_time_recovery": True,
                "coordination_deletion_protection": True,
            },
            "result_backend_transport_options": {"large_result_bucket": "{prefix}payloads"},
        },
    ],
    ids=["default", "priorities and fifo", "buckets and protection"],
)
def test_healthy(stranger: Patient, configuration: dict[str, Any]) -> None:
    configuration = dict(configuration)
    stranger.options(**named(stranger, configuration.pop("options", {})))
    stranger.app.conf.update(named(stranger, configuration))

    context = CLIContext(app=stranger.app, no_color=True, workdir=None)
    made = CliRunner().invoke(aws, ["provision", "apply", "--yes"], obj=context)

    assert made.exit_code == 0, made.output
    assert stranger.findings() == {}


def named(patient: Patient, settings: Any) -> Any:
    """Return settings with the test's own prefix in names."""
    if isinstance(settings, dict):
        return {key: named(patient, value) for key, value in settings.items()}
    if isinstance(settings, str):
        return settings.format(prefix=patient.here.queue_name_prefix)
    return settings
