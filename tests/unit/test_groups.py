"""The first group of a process, whatever is imported and made in whatever order."""

import subprocess
import sys

import pytest

PROGRAM = """
{imports}
import celery_aws.aws.sqs
from celery_aws.testing.memory_sqs import MemorySqs

sqs = MemorySqs()
celery_aws.aws.sqs.SqsQueueService = lambda access: sqs
{app}
app.conf.broker_transport_options = {{"region": "eu-west-1", "coordination_table": False}}
from celery import group
{group}
print([call.entries for call in sqs.calls if call.operation.startswith("Send")])
print(sorted({{"celery_aws.broker.transport"}} & before))
"""

APP = 'app = Celery("shop", broker="aws+sqs://a:b@localhost:1")'
BY_NAME = """
import sys
before = set(sys.modules)
group([app.signature("shop.add") for _ in range(3)]).apply_async()
"""
BY_TASK = """
import sys
@app.task
def add(): pass
before = set(sys.modules)
group(add.s() for _ in range(3)).apply_async()
"""

ORDERS = {
    "Celery first": "from celery import Celery",
    "canvas first": "from celery import group, Celery",
    "kombu first": "from kombu import Queue\nfrom celery import Celery",
    "tasks first": "from celery import shared_task, Celery\n@shared_task\ndef one(): pass",
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("how", [BY_NAME, BY_TASK], ids=["by name", "by task"])
def test_the_very_first_group_is_a_batch(order: str, how: str) -> None:
    program = PROGRAM.format(imports=ORDERS[order], app=APP, group=how)
    assert run(program) == "[3]\n[]"


def test_what_is_imported_for_it_is_light() -> None:
    program = """
import sys
from celery import Celery
app = Celery("other", broker="memory://")
app.conf.task_always_eager
from celery import group
assert hasattr(group._apply_tasks, "batched_by_celery_aws")
print(sorted({"boto3", "botocore", "pydantic", "celery_aws.broker"} & sys.modules.keys()))
"""
    assert run(program) == "[]"


def test_what_waits_for_celery_lets_other_finders_find_it() -> None:
    program = """
import sys

class Finder:
    asked = []
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        cls.asked.append(name)

sys.meta_path.insert(0, Finder)
import kombu.serialization
import celery.loaders.base
print(Finder.asked.count("celery.loaders.base"))
"""
    assert run(program) == "1"


def run(program: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()
