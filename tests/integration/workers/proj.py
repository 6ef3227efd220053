"""The app that the workers of these tests run; its configuration comes as JSON.

It never imports celery_aws: what the package does, it must do by being installed.
"""

import hashlib
import json
import os
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from celery import Celery, group
from celery.exceptions import Reject
from celery.result import AsyncResult, allow_join_result
from celery.signals import worker_process_shutdown, worker_shutdown
from kombu.common import Broadcast

app: Any = Celery("proj")
app.conf.update(json.loads(os.environ["PROJ_CONFIG"]))
if os.environ.get("PROJ_QUEUES") == "broadcast":
    app.conf.task_queues = [Broadcast("everybody")]


def write_counts(**_: Any) -> None:
    """Leave the AWS requests of this process in a file, if somebody wants them."""
    folder = os.environ.get("PROJ_COUNTS")
    meter = sys.modules.get("celery_aws.aws.meter")
    if folder is not None and meter is not None:
        path = Path(folder, f"{os.getpid()}.json")
        path.write_text(json.dumps(meter.request_counts()))


worker_shutdown.connect(write_counts)
worker_process_shutdown.connect(write_counts)


@app.task(name="proj.add")
def add(x: Any, y: Any) -> Any:
    return x + y


@app.task(name="proj.length")
def length(text: str) -> int:
    return len(text)


@app.task(name="proj.digest")
def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@app.task(name="proj.long_text")
def long_text(length: int) -> str:
    """Return a text of so many digits, the same for the same length."""
    return random.Random(length).randbytes(length // 2).hex()


@app.task(name="proj.stuck_once", bind=True)
def stuck_once(self: Any, text: str) -> str:
    """Wait for ever at the first delivery."""
    if not self.request.delivery_info["redelivered"]:
        print("proj.stuck_once: stuck", flush=True)
        time.sleep(3_600)
    return hashlib.sha256(text.encode()).hexdigest()


@app.task(name="proj.whoami")
def whoami() -> str:
    return os.environ.get("PROJ_NAME", "")


@app.task(name="proj.work")
def work(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


@app.task(name="proj.fail")
def fail(why: str) -> None:
    raise LookupError(why)


@app.task(name="proj.reject", acks_late=True)
def reject(why: str) -> None:
    raise Reject(why, requeue=False)


@app.task(name="proj.fail_unacknowledged", acks_late=True, acks_on_failure_or_timeout=False)
def fail_unacknowledged(why: str) -> None:
    raise LookupError(why)


@app.task(name="proj.third_time", bind=True, max_retries=5)
def third_time(self: Any) -> int:
    if self.request.retries < 2:
        raise self.retry(countdown=0.1)
    return int(self.request.retries)


@app.task(name="proj.group_after_retries", bind=True, max_retries=5)
def group_after_retries(self: Any) -> Any:
    if self.request.retries < 2:
        raise self.retry(countdown=0)
    return self.request.properties.get("MessageGroupId")


@app.task(name="proj.replaced", bind=True)
def replaced(self: Any) -> Any:
    return self.replace(group_after_retries.s())


@app.task(name="proj.quiet", ignore_result=True)
def quiet() -> str:
    return "nobody reads this"


@app.task(name="proj.fan_out")
def fan_out(count: int) -> list[str]:
    """Publish from a pool child."""
    return [add.delay(i, i).id for i in range(count)]


@app.task(name="proj.group_out")
def group_out(count: int) -> tuple[list[str], dict[str, int]]:
    """Publish a group from a pool; return its ids, and what the process has sent for it."""
    meter: Any = sys.modules["celery_aws.aws.meter"]
    before = Counter(meter.request_counts())
    ids = [each.id for each in group(add.s(i, i) for i in range(count)).apply_async()]
    spent = Counter(meter.request_counts()) - before
    return ids, {name: n for name, n in spent.items() if name.startswith("sqs.Send")}


@app.task(name="proj.read_results")
def read_results(task_ids: list[str]) -> list[Any]:
    """Read results in a pool child, which has a client of its own."""
    with allow_join_result():
        return [AsyncResult(task_id, app=app).get(timeout=20) for task_id in task_ids]


@app.task(name="proj.delivery", bind=True)
def delivery(self: Any) -> dict[str, Any]:
    return dict(self.request.delivery_info)


@app.task(name="proj.record_start", ignore_result=True)
def record_start(number: int) -> None:
    """Append a line: the number, and the time of a clock that all processes share."""
    with Path(os.environ["PROJ_STARTS"]).open("a") as starts:
        starts.write(f"{number} {time.monotonic()}\n")


@app.task(name="proj.count_run", ignore_result=True)
def count_run(folder: str) -> None:
    """Leave a file that only this worker writes."""
    Path(folder, os.environ["PROJ_NAME"]).touch()


@app.task(name="proj.delegate")
def delegate(x: int) -> str:
    """Publish a task whose result nobody waits for, from a pool child; return its id."""
    return str(add.delay(x, x).id)
