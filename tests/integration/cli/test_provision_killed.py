import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from uuid import uuid4

import pytest

from celery_aws.testing.fixtures import AwsEnvironment

ROOT = Path(__file__).parents[3]

#: Far more than it takes.
PATIENCE_SECONDS = 240


@pytest.mark.parametrize("event", ["not executed", "executed"])
def test_killed_at_any_request_and_run_again_it_is_done(
    aws_environment: AwsEnvironment, event: str
) -> None:
    bucket = f"test-{uuid4().hex[:12]}"
    conf = {
        "broker_transport_options": {
            "queue_tags": {"team": "web"},
            "large_message_bucket": bucket,
            "large_message_prefix": "tasks/",
            "coordination_point_in_time_recovery": True,
        },
    }
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.integration.cli.killed_provisioning",
            json.dumps({"here": asdict(aws_environment), "conf": conf, "event": event}),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found["problems"] == []
    assert found["requests"] == {"apply": 11, "destroy": 5}
