"""Whether the new side alone has every answer, as a client finds it that knows no other."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

from celery.result import AsyncResult

from examples.migration.fleet import ROOT
from examples.migration.orders import Order

_PATIENCE_SECONDS = 120.0


def wrong_answers(orders: Sequence[Order], variables: Mapping[str, str]) -> list[str]:
    """Return what is wrong or missing, asked for by a process with other settings than this one.

    Args:
        orders: whose answers are looked for.
        variables: of that process.
    """
    expected = {task_id: answer for order in orders for task_id, answer in order.answers.items()}
    ended = subprocess.run(
        [sys.executable, "-m", "examples.migration.answers"],
        cwd=ROOT,
        env={**os.environ, **variables},
        input=json.dumps(expected),
        capture_output=True,
        text=True,
        timeout=_PATIENCE_SECONDS,
        check=False,
    )
    if ended.returncode != 0:
        return [ended.stderr[-500:]]
    return list(json.loads(ended.stdout))


def main() -> None:
    """Read expected answers from the standard input; write what is wrong."""
    from examples.migration.app import app  # noqa: PLC0415 - not in the process that asks

    wrong = []
    for task_id, answer in json.load(sys.stdin).items():
        found = AsyncResult(task_id, app=app)
        if found.status != "SUCCESS" or found.result != answer:
            wrong.append(f"{task_id}: {found.status} {found.result!r}, expected {answer!r}")
    json.dump(wrong, sys.stdout)


if __name__ == "__main__":
    main()
